"""A column `"a.b"` fills the field b of the record in the field a."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Optional

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import raxol_sql as rx
from raxol_sql.queries import Query
from raxol_sql.records import shape_of

if TYPE_CHECKING:
    from datetime import datetime

Make = Callable[..., Query[Any]]


@attrs.frozen
class Font:
    name: str
    size: int


@attrs.frozen
class Preferences:
    theme: str
    font: Font | None = None


@attrs.frozen
class User:
    id: int
    preferences: Preferences | None


@attrs.frozen
class Strict:
    id: int
    preferences: Preferences
    seen: datetime | None = None


@attrs.frozen
class Old:
    id: int
    preferences: Optional[Preferences]  # noqa: UP045 (it is still written so)
    seen: datetime | None = None


@attrs.frozen
class Node:
    id: int
    parent: Node | None = None


@attrs.frozen
class Sub(Strict):
    font: Font | None = None
    other: datetime | None = None


def _record(query: Query[Any], columns: str, *row: object) -> Any:
    return shape_of(query, tuple(columns.split()))(row)


def _refused(query: Query[Any], columns: str) -> str:
    with pytest.raises(rx.errors.RecordError) as caught:
        shape_of(query, tuple(columns.split()))
    return str(caught.value).removeprefix("t.get_all (sql/t.sql:2): ")


@pytest.mark.parametrize("record", [User, Strict, Old])
def test_a_column_with_a_dot_fills_the_record_inside(make: Make, record: type) -> None:
    made = _record(make(record=record), "preferences.theme id", "dark", 1)

    assert made == record(1, Preferences("dark"))


def test_an_inherited_record_is_filled_too(make: Make) -> None:
    made = _record(make(record=Sub), "preferences.theme id font.name font.size", "dark", 1, "M", 9)

    assert made == Sub(1, Preferences("dark"), font=Font("M", 9))


def test_records_lie_inside_of_records(make: Make) -> None:
    columns = "id preferences.theme preferences.font.size preferences.font.name"

    made = _record(make(record=User), columns, 1, "dark", 12, "Mono")

    assert made == User(1, Preferences("dark", Font("Mono", 12)))


def test_a_record_of_nulls_only_is_none_where_the_type_allows_it(make: Make) -> None:
    columns = "id preferences.theme preferences.font.size preferences.font.name"

    assert _record(make(record=User), columns, 1, None, None, None) == User(1, None)
    assert _record(make(record=User), columns, 1, "x", None, None) == User(1, Preferences("x"))
    assert _record(make(record=Old), "id preferences.theme", 1, None) == Old(1, None)


def test_one_value_is_enough_for_a_record(make: Make) -> None:
    columns = "id preferences.theme preferences.font.size preferences.font.name"

    made = _record(make(record=User), columns, 1, None, 0, None)

    assert made.preferences.font == Font(None, 0)  # type: ignore[arg-type]


def test_a_record_that_has_to_be_there_is_made_of_nulls(make: Make) -> None:
    made = _record(make(record=Strict), "id preferences.theme", 1, None)

    assert made == Strict(1, Preferences(None))  # type: ignore[arg-type]


def test_a_record_may_lie_in_one_of_its_own_kind(make: Make) -> None:
    made = _record(make(record=Node), "id parent.id parent.parent.id", 1, 2, None)

    assert made == Node(1, Node(2, None))


def test_an_inner_record_may_come_whole_as_one_column(make: Make) -> None:
    preferences = Preferences("dark")

    assert _record(make(record=User), "id preferences", 1, preferences) == User(1, preferences)


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ("id.x preferences", "the column 'id.x' needs an attrs class in User.id, "
         "and its type is int"),
        ("id preferences.thme", "columns without a field in Preferences: 'thme'; "
         "fields of Preferences without a column: 'theme'"),
        ("id preferences.font.size preferences.theme",
         "fields of Font without a column: 'name'"),
        ("id preferences preferences.theme", "'preferences' is a column and a group of columns"),
        ("id other.theme", "columns without a field in User: 'other'; "
         "fields of User without a column: 'preferences'"),
        ("id preferences.", "columns without a field in Preferences: ''; "
         "fields of Preferences without a column: 'theme'"),
        ("id preferences.theme preferences.theme",
         "columns of the same name: 'preferences.theme'; name them apart with `as`"),
    ],
)  # fmt: skip
def test_columns_that_do_not_fit_inside_are_named(make: Make, columns: str, problem: str) -> None:
    assert _refused(make(record=User), columns) == problem


@pytest.mark.parametrize(
    ("annotation", "shown"),
    [(list[int], "list[int]"), (int | None, "int | None"), ("Missing", "Missing"), (None, "None")],
)
def test_the_type_that_is_no_record_is_shown(make: Make, annotation: Any, shown: str) -> None:
    record = attrs.make_class("Made", {"inner": attrs.field(type=annotation)})

    assert _refused(make(record=record), "inner.x") == (
        f"the column 'inner.x' needs an attrs class in Made.inner, and its type is {shown}"
    )


def test_not_null_may_name_a_column_inside(make: Make) -> None:
    query = make(record=User, more="-- @not-null preferences.theme")

    with pytest.raises(rx.errors.RecordError, match=r"'preferences\.theme' is NULL"):
        _record(query, "id preferences.theme", 1, None)


values = st.none() | st.integers()


@given(values, values, values, values)
def test_what_is_none_is_settled_by_the_values_alone(
    make: Make, key: object, theme: object, name: object, size: object
) -> None:
    columns = "preferences.font.name id preferences.theme preferences.font.size"

    made = _record(make(record=User), columns, name, key, theme, size)

    font = None if name is size is None else Font(name, size)  # type: ignore[arg-type]
    inner = None if font is theme is None else Preferences(theme, font)  # type: ignore[arg-type]
    assert made == User(key, inner)  # type: ignore[arg-type]

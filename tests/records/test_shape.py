"""The columns of a query are matched with the fields of its record once, by name."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import raxol_sql as rx
from raxol_sql.queries import Query
from raxol_sql.records import shape_of

if TYPE_CHECKING:
    from decimal import Decimal as Money

Make = Callable[..., Query[Any]]
WHERE = "t.get_all (sql/t.sql:2): "


@attrs.frozen
class User:
    id: int
    name: str
    age: int | None = None


@attrs.frozen
class Admin(User):
    rights: str = "all"


@attrs.frozen
class Invoice:
    id: int
    total: Money | None


def _records(query: Query[Any], columns: str, *rows: tuple[Any, ...]) -> list[Any]:
    return list(map(shape_of(query, tuple(columns.split())), rows))


def _refused(query: Query[Any], columns: str) -> str:
    with pytest.raises(rx.errors.RecordError) as caught:
        shape_of(query, tuple(columns.split()))
    assert str(caught.value).startswith(WHERE)
    return str(caught.value).removeprefix(WHERE)


def test_columns_go_to_fields_by_name_in_any_order(make: Make) -> None:
    query = make(record=User)

    assert _records(query, "id name age", (1, "a", 2)) == [User(1, "a", 2)]
    assert _records(query, "age name id", (2, "a", 1), (3, "b", 4)) == [
        User(1, "a", 2),
        User(4, "b", 3),
    ]


def test_a_field_with_a_default_needs_no_column(make: Make) -> None:
    assert _records(make(record=User), "id name", (1, "a")) == [User(1, "a", None)]


def test_null_is_a_value_and_not_the_default(make: Make) -> None:
    assert _records(make(record=Admin), "id name rights", (1, "a", None)) == [
        Admin(1, "a", rights=None)  # type: ignore[arg-type]
    ]


def test_no_rows_are_no_records(make: Make) -> None:
    assert _records(make(record=User), "id name age") == []


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ("id name extra other", "columns without a field in User: 'extra', 'other'"),
        ("age", "fields of User without a column: 'id', 'name'"),
        ("id nmae", "columns without a field in User: 'nmae'; "
         "fields of User without a column: 'name'"),
        ("id name id", "columns of the same name: 'id'; name them apart with `as`"),
        ("id name ID", "columns without a field in User: 'ID'"),
        ("", "a :many query gives rows, and this gave none"),
    ],
)  # fmt: skip
def test_columns_that_do_not_fit_are_named(make: Make, columns: str, problem: str) -> None:
    assert _refused(make(record=User), columns) == problem


def test_fields_of_a_base_class_are_fields(make: Make) -> None:
    (admin,) = _records(make(record=Admin), "rights id name", ("some", 1, "a"))

    assert admin == Admin(1, "a", None, "some")
    assert type(admin) is Admin


@pytest.mark.parametrize("decorate", [attrs.frozen, attrs.define, attrs.mutable])
@pytest.mark.parametrize("slots", [True, False])
@pytest.mark.parametrize("kw_only", [True, False])
def test_every_sort_of_attrs_class_is_a_record(
    make: Make, decorate: Callable[..., Any], slots: bool, kw_only: bool
) -> None:
    @decorate(slots=slots, kw_only=kw_only)
    class Sort:
        id: int
        name: str = "none"

    (made,) = _records(make(record=Sort), "name id", ("a", 1))

    assert (made.id, made.name) == (1, "a")


def test_a_private_field_is_filled_by_the_name_without_its_underscore(make: Make) -> None:
    @attrs.frozen
    class Secret:
        _token: str
        _other: int = attrs.field(alias="another")

    (made,) = _records(make(record=Secret), "another token", (1, "t"))

    assert (made._token, made._other) == ("t", 1)
    assert "'_token'" in _refused(make(record=Secret), "_token another")


def test_converters_and_post_init_run(make: Make) -> None:
    @attrs.frozen
    class Tagged:
        tags: tuple[str, ...] = attrs.field(converter=tuple)
        count: int = attrs.field(init=False)

        def __attrs_post_init__(self) -> None:
            object.__setattr__(self, "count", len(self.tags))

    (made,) = _records(make(record=Tagged), "tags", (["a", "b"],))

    assert made.tags == ("a", "b")
    assert made.count == 2


def test_a_field_outside_of_the_constructor_takes_no_column(make: Make) -> None:
    @attrs.frozen
    class Cached:
        id: int
        cache: int = attrs.field(init=False, default=0)

    assert _records(make(record=Cached), "id", (1,)) == [Cached(1)]
    assert "'cache'" in _refused(make(record=Cached), "id cache")


def test_types_that_only_a_type_checker_knows_do_no_harm(make: Make) -> None:
    assert _records(make(record=Invoice), "total id", (None, 1)) == [Invoice(1, None)]


def test_types_are_not_enforced(make: Make) -> None:
    assert _records(make(record=User), "id name", ("x", 1)) == [User("x", 1)]  # type: ignore[arg-type]


def test_a_scalar_is_the_single_column(make: Make) -> None:
    query = make(scalar=True)

    assert _records(query, "?column?", (1,), (None,)) == [1, None]
    assert _refused(query, "a b") == "a scalar is one column, and this gave 'a', 'b'"
    assert _refused(query, "") == "a :many query gives rows, and this gave none"


def test_not_null_is_checked_in_every_row(make: Make) -> None:
    query = make(record=User, more="-- @not-null age")

    assert _records(query, "id name age", (1, "a", 2)) == [User(1, "a", 2)]
    with pytest.raises(
        rx.errors.RecordError, match="the column 'age' is NULL, against its @not-null"
    ):
        _records(query, "id name age", (1, "a", 2), (1, "a", None))
    assert _refused(query, "id name") == "@not-null names columns that are not there: 'age'"


def test_not_null_holds_for_scalars_too(make: Make) -> None:
    query = make(scalar=True, more="-- @not-null n")

    assert _records(query, "n", (1,)) == [1]
    with pytest.raises(rx.errors.RecordError, match="'n' is NULL"):
        _records(query, "n", (None,))


def test_a_shape_is_made_once_for_each_set_of_columns(make: Make) -> None:
    query = make(record=User)

    assert shape_of(query, ("id", "name")) is shape_of(query, ("id", "name"))
    assert shape_of(query, ("id", "name")) is not shape_of(query, ("name", "id"))


@pytest.mark.parametrize("record", [User, None], ids=["record", "row class"])
def test_what_is_remembered_keeps_no_query_alive(make: Make, record: type | None) -> None:
    query = make(record=record)
    query()
    build = shape_of(query, ("id", "name"))
    gone = weakref.ref(query)

    del query
    gc.collect()

    assert gone() is None
    assert build((1, "a")).name == "a"


names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name != "self")
fields = st.lists(names, min_size=1, max_size=8, unique=True)


@given(fields, st.data())
def test_any_record_gets_its_values_from_any_order_of_columns(
    make: Make, fields: list[str], data: st.DataObject
) -> None:
    try:
        record = attrs.make_class("Made", {name: attrs.field() for name in fields}, frozen=True)
    except SyntaxError:
        return  # A keyword.
    columns = data.draw(st.permutations(fields))
    rows = data.draw(st.lists(st.tuples(*[st.integers()] * len(columns)), max_size=3))

    made = map(shape_of(make(record=record), tuple(columns)), rows)

    assert [attrs.asdict(one) for one in made] == [
        dict(zip(columns, row, strict=True)) for row in rows
    ]


@given(fields, fields)
def test_columns_are_refused_if_and_only_if_the_names_differ(
    make: Make, fields: list[str], columns: list[str]
) -> None:
    record = attrs.make_class("Made", {f"f_{name}": attrs.field() for name in fields})
    given_columns = tuple(f"f_{name}" for name in columns)
    query = make(record=record)

    if set(fields) == set(columns):
        shape_of(query, given_columns)
        return
    with pytest.raises(rx.errors.RecordError) as caught:
        shape_of(query, given_columns)
    for name in set(fields) ^ set(columns):
        assert f"'f_{name}'" in str(caught.value)

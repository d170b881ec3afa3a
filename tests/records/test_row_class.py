"""A query without a record gives rows of a frozen class of its own."""

from __future__ import annotations

import keyword
import threading
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import raxol_sql as rx
from raxol_sql.queries import Query
from raxol_sql.records import shape_of

Make = Callable[..., Query[Any]]


def _row(query: Query[Any], columns: str, *row: object) -> Any:
    return shape_of(query, tuple(columns.split()))(row)


def test_a_row_has_a_field_for_each_column(make: Make) -> None:
    row = _row(make(), "id name", 1, "a")

    assert (row.id, row.name) == (1, "a")
    assert repr(row) == "GetAllRow(id=1, name='a')"
    assert type(row).__doc__ == "A row of t.get_all."


def test_a_row_is_a_value(make: Make) -> None:
    query = make()

    assert _row(query, "id", 1) == _row(query, "id", 1) != _row(query, "id", 2)
    assert hash(_row(query, "id", 1)) == hash(_row(query, "id", 1))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        _row(query, "id", 1).id = 2
    with pytest.raises(AttributeError):
        _row(query, "id", 1).other = 2


def test_a_query_gives_one_class_for_as_long_as_it_lives(make: Make) -> None:
    query = make()

    assert type(_row(query, "id name", 1, 2)) is type(_row(query, "id name", 3, 4))
    assert type(_row(query, "id name", 1, 2)) is not type(_row(make(), "id name", 1, 2))


def test_threads_that_come_first_together_get_the_same_class(make: Make) -> None:
    for _ in range(20):
        query = make()
        start = threading.Barrier(4)
        found: list[type] = []

        def ask(
            query: Query[Any] = query,
            start: threading.Barrier = start,
            found: list[type] = found,
        ) -> None:
            start.wait()
            found.append(type(_row(query, "id name", 1, "a")))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(found) == 4
        assert len(set(found)) == 1


def test_columns_with_dots_make_classes_inside(make: Make) -> None:
    row = _row(make(), "id billing_address.city billing_address.geo.x", 1, "Ulm", 2.5)

    assert (row.billing_address.city, row.billing_address.geo.x) == ("Ulm", 2.5)
    assert type(row.billing_address).__name__ == "GetAllRowBillingAddress"


def test_an_inner_row_of_nulls_only_is_none(make: Make) -> None:
    query = make()

    assert _row(query, "id a.b a.c", 1, None, None).a is None
    assert _row(query, "id a.b a.c", 1, None, 0).a.c == 0


@pytest.mark.parametrize(
    "column",
    [
        *(
            "?column?",
            "class",
            "None",
            "a b",
            "1a",
            "",
            "a-b",
            ".a",
            "a.",
            "a..b",
            "a.class",
            "a.1",
        ),
        *("self", "a.self", "__init__", "__class__", "__slots__", "__x", "_setattr"),
        *("_cached_setattr_get", "ﬁ"),
    ],
)
def test_a_column_that_cannot_be_a_field_is_to_be_named(make: Make, column: str) -> None:
    with pytest.raises(rx.errors.RecordError) as caught:
        shape_of(make(), ("id", column))

    assert str(caught.value).startswith("t.get_all (sql/t.sql:2): the column ")
    assert str(caught.value).endswith("name it with `as`, as in count(*) as total")


@pytest.mark.parametrize(
    "column", ["_", "_id", "id_", "é", "match", "type", "attr_dict", "NOTHING", "mro", "count"]
)
def test_every_other_name_is_a_field(make: Make, column: str) -> None:
    assert getattr(_row(make(), f"{column} other", 7, 8), column) == 7


@given(st.text(max_size=12) | st.sampled_from([*dir(object), *keyword.kwlist, *dir(attrs)]))
@example("__weakref__")
@example("__attrs_attrs__")
@example("__attrs_own_setattr__")
def test_any_name_of_a_column_is_a_field_or_refused(make: Make, column: str) -> None:
    query = make()
    try:
        build = shape_of(query, (column, "last"))
    except rx.errors.RecordError:
        return
    row = build((1, 2))

    value = row
    for part in column.split("."):
        value = getattr(value, part)
    assert (value, row.last) == (1, 2)


def test_columns_of_one_name_are_refused(make: Make) -> None:
    with pytest.raises(rx.errors.RecordError, match="columns of the same name: 'id'"):
        shape_of(make(), ("id", "name", "id"))

"""What an answer means is settled by the kind of the query."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import attrs
import pytest

import raxol_sql as rx
from raxol_sql.queries import Query
from raxol_sql.records import Build, result_of, shape_of

Make = Callable[..., Query[Any]]
COLUMNS = ("n",)


@attrs.frozen
class Reply:
    """An answer whose rows are there already; it writes down which of them are built."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    affected: int = 0
    built: list[tuple[Any, ...]] = attrs.field(factory=list)

    @property
    def count(self) -> int:
        return len(self.rows)

    def build_for(self, query: Query[Any]) -> Build:
        return shape_of(query, self.columns)

    def one(self, build: Build) -> Any:
        self.built.append(self.rows[0])
        return build(self.rows[0])

    def all(self, build: Build) -> list[Any]:
        self.built.extend(self.rows)
        return [build(row) for row in self.rows]


def _result(query: Query[Any], *values: object) -> Any:
    return result_of(query, Reply(COLUMNS, [(value,) for value in values]))


def test_one_is_one_row(make: Make) -> None:
    query = make(":one", scalar=True)

    assert _result(query, 7) == 7
    assert _result(query, None) is None
    with pytest.raises(rx.NoRowsError, match="expected exactly one row, got none"):
        _result(query)
    with pytest.raises(rx.TooManyRowsError, match="expected exactly one row, got 2"):
        _result(query, 1, 2)


def test_maybe_is_one_row_or_none(make: Make) -> None:
    query = make(":maybe", scalar=True)

    assert _result(query, 7) == 7
    assert _result(query) is None
    with pytest.raises(rx.TooManyRowsError, match="expected at most one row, got 3"):
        _result(query, 1, 2, 3)


def test_many_is_a_list(make: Make) -> None:
    query = make(":many", scalar=True)

    assert _result(query) == []
    assert _result(query, 1, None) == [1, None]


def test_affected_is_the_count_and_exec_is_nothing(make: Make) -> None:
    assert result_of(make(":affected"), Reply((), [], 3)) == 3
    assert result_of(make(":affected"), Reply(COLUMNS, [(1,), (2,)], 2)) == 2
    assert result_of(make(":affected"), Reply((), [], -1)) == 0
    assert result_of(make(":exec"), Reply((), [], 3)) is None
    assert result_of(make(":exec"), Reply(COLUMNS, [(1,)], 1)) is None


@pytest.mark.parametrize("kind", [":one", ":maybe", ":affected", ":exec"])
def test_rows_that_nobody_gets_are_not_built(make: Make, kind: str) -> None:
    reply = Reply(COLUMNS, [(1,), (2,)], 2)

    with contextlib.suppress(rx.TooManyRowsError):
        result_of(make(kind), reply)

    assert reply.built == []


@pytest.mark.parametrize("kind", [":one", ":maybe", ":many"])
def test_a_statement_without_columns_has_no_rows_to_give(make: Make, kind: str) -> None:
    with pytest.raises(
        rx.errors.RecordError, match=f"a {kind} query gives rows, and this gave none"
    ):
        result_of(make(kind), Reply((), [], 1))


@pytest.mark.parametrize("kind", [":one", ":maybe", ":many"])
def test_columns_are_compared_even_where_there_is_no_row(make: Make, kind: str) -> None:
    with pytest.raises(rx.errors.RecordError):
        result_of(make(kind), Reply(("?column?",), []))


def test_errors_name_the_query_and_its_place(make: Make) -> None:
    with pytest.raises(rx.NoRowsError) as caught:
        _result(make(":one", scalar=True))

    assert str(caught.value).startswith("t.get_all (sql/t.sql:2): ")
    assert (caught.value.query, caught.value.location) == ("t.get_all", "sql/t.sql:2")


def test_no_error_shows_a_value(make: Make) -> None:
    with pytest.raises(rx.TooManyRowsError) as caught:
        _result(make(":one", scalar=True), "SECRET42", "SECRET42")

    assert "SECRET42" not in str(caught.value)

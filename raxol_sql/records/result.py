"""What an answer of the server means for a query's kind."""

from __future__ import annotations

from typing import Any, Protocol

from raxol_sql.errors import NoRowsError, TooManyRowsError
from raxol_sql.queries import Query
from raxol_sql.records.builder import Build
from raxol_sql.records.grouping import GroupedBuild
from raxol_sql.text import Kind

# To find a member in its enum takes Python 3.11 almost as long as to make half of a record.
_ONE, _MANY, _AFFECTED, _EXEC = Kind.ONE, Kind.MANY, Kind.AFFECTED, Kind.EXEC


class Answer(Protocol):
    """What the server has answered to one statement. Its rows are built when asked for."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns; none where the statement gives no rows."""

    @property
    def count(self) -> int:
        """The number of rows."""

    @property
    def affected(self) -> int:
        """The number of rows changed; -1 of a statement that counts nothing."""

    def build_for(self, query: Query[Any]) -> Build:
        """What makes a record of a row: `shape_of` the query, for these columns and their types."""

    def one(self, build: Build) -> Any:
        """The first row, built."""

    def all(self, build: Build) -> list[Any]:
        """Every row, built."""


def result_of(query: Query[Any], answer: Answer) -> Any:
    """
    What running ``query`` gives, out of the server's answer.

    Raises `NoRowsError` and `TooManyRowsError` where the count of rows is not what the kind
    promises, before a row is built, and `RecordError` where the columns do not fit the record.
    """
    kind = query.kind
    if kind is _AFFECTED:
        # The driver says -1 of a statement that counts nothing, such as CREATE TABLE.
        return max(answer.affected, 0)
    if kind is _EXEC:
        return None
    build = answer.build_for(query)
    if isinstance(build, GroupedBuild):
        return _of_records(query, build.merge(answer.all(build)))
    if kind is _MANY:
        return answer.all(build)
    if answer.count == 1:
        return answer.one(build)
    _check_count(query, answer.count)
    return None


def _of_records(query: Query[Any], records: list[Any]) -> Any:
    """What a query gives whose rows were put together: it is the records that are counted."""
    if query.kind is _MANY:
        return records
    _check_count(query, len(records))
    return records[0] if records else None


def _check_count(query: Query[Any], count: int) -> None:
    """Raises where a kind that gives one row, or at most one, has another count."""
    if count > 1:
        expected = "exactly one row" if query.kind is _ONE else "at most one row"
        problem = f"expected {expected}, got {count}"
        raise TooManyRowsError(query.name, query.location, problem)
    if count == 0 and query.kind is _ONE:
        raise NoRowsError(query.name, query.location, "expected exactly one row, got none")

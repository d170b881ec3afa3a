"""The result of a query: the server's result, read as the query's kind says."""

from __future__ import annotations

from typing import Any, Protocol

from raxol_sql.errors import NoRowsError, TooManyRowsError
from raxol_sql.queries import Query
from raxol_sql.records.builder import Build
from raxol_sql.records.grouping import GroupedBuild
from raxol_sql.text import Kind

# In Python 3.11, looking up a member of an enum takes as long as making half of a record.
_ONE, _MANY, _AFFECTED, _EXEC = Kind.ONE, Kind.MANY, Kind.AFFECTED, Kind.EXEC


class Answer(Protocol):
    """The server's result of one statement. Its rows are built on request."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns; empty if the statement returns no rows."""

    @property
    def count(self) -> int:
        """The number of rows."""

    @property
    def affected(self) -> int:
        """The number of rows changed; -1 for a statement that counts none."""

    def build_for(self, query: Query[Any]) -> Build:
        """Return `shape_of` the query for these columns and their types."""

    def one(self, build: Build) -> Any:
        """Return the record of the first row."""

    def all(self, build: Build) -> list[Any]:
        """Return the records of all rows."""


def result_of(query: Query[Any], answer: Answer) -> Any:
    """
    Return the result of ``query`` from the server's answer.

    Raises `NoRowsError` or `TooManyRowsError` if the count of rows is not what the kind promises,
    before a row is built, and `RecordError` if the columns do not fit the record.
    """
    kind = query.kind
    if kind is _AFFECTED:
        # The driver reports -1 for a statement that counts no rows, such as CREATE TABLE.
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
    """Return the result of a query with ``@group``, whose kind counts records, not rows."""
    if query.kind is _MANY:
        return records
    _check_count(query, len(records))
    return records[0] if records else None


def _check_count(query: Query[Any], count: int) -> None:
    """Raise if the count is wrong for a kind that returns exactly one row, or at most one."""
    if count > 1:
        expected = "exactly one row" if query.kind is _ONE else "at most one row"
        problem = f"expected {expected}, got {count}"
        raise TooManyRowsError(query.name, query.location, problem)
    if count == 0 and query.kind is _ONE:
        raise NoRowsError(query.name, query.location, "expected exactly one row, got none")

"""The result of one statement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from psycopg.pq.abc import PGresult

from raxol_sql.engine.types.row_loader import RowLoader
from raxol_sql.queries import Query
from raxol_sql.records import Build

T = TypeVar("T")


class StatementResult:
    """
    The rows of a statement, which are loaded on demand, or its row count.

    Belongs to the holder of the connection; read it before the connection is returned.
    """

    __slots__ = ("_columns", "_result")

    def __init__(self, columns: RowLoader, result: PGresult) -> None:
        self._columns = columns
        self._result = result

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        return self._columns.names

    def build_for(self, query: Query[Any]) -> Build:
        """Return the function that makes a record of a row; see `shape_of`."""
        return self._columns.build_for(query)

    @property
    def count(self) -> int:
        """Return the number of rows."""
        return self._result.ntuples

    @property
    def affected(self) -> int:
        """Return how many rows the statement read or changed; -1 if it counts none."""
        affected = self._result.command_tuples
        return -1 if affected is None else affected

    @property
    def rows(self) -> int | None:
        """Return the number of rows, or else of those read or changed; None if it counts none."""
        return self._result.ntuples or self._result.command_tuples

    def one(self, build: Callable[[tuple[Any, ...]], T]) -> T:
        """Return what ``build`` makes of the first row, which must exist."""
        return self._columns.row(self._result, 0, build)

    def all(self, build: Callable[[tuple[Any, ...]], T]) -> list[T]:
        """Return what ``build`` makes of each row."""
        return self._columns.rows(self._result, build)

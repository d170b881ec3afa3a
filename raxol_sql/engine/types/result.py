"""What the server answered to one statement."""

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
    The rows of a statement, which are read when they are asked for, or its count.

    Belongs to the holder of the connection, and is to be read before that is given back.
    """

    __slots__ = ("_columns", "_result")

    def __init__(self, columns: RowLoader, result: PGresult) -> None:
        self._columns = columns
        self._result = result

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self._columns.names

    def build_for(self, query: Query[Any]) -> Build:
        """What makes a record of a row; see `shape_of`."""
        return self._columns.build_for(query)

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self._result.ntuples

    @property
    def affected(self) -> int:
        """How many rows the statement read or changed; -1 of one that counts nothing."""
        affected = self._result.command_tuples
        return -1 if affected is None else affected

    @property
    def rows(self) -> int | None:
        """How many rows it has, or else read or changed; None of one that counts nothing."""
        return self._result.ntuples or self._result.command_tuples

    def one(self, build: Callable[[tuple[Any, ...]], T]) -> T:
        """What ``build`` makes of the first row, which there has to be."""
        return self._columns.row(self._result, 0, build)

    def all(self, build: Callable[[tuple[Any, ...]], T]) -> list[T]:
        """What ``build`` makes of each row."""
        return self._columns.rows(self._result, build)

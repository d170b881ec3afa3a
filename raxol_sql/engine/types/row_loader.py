"""Loading of result rows into Python values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from weakref import ref

import psycopg
from psycopg import abc, adapt, pq
from psycopg.pq.abc import PGresult

from raxol_sql.engine.types.column_types import column_types
from raxol_sql.engine.types.formats import Loading
from raxol_sql.engine.types.type_infos import AlteredTypeError
from raxol_sql.queries import Query
from raxol_sql.records import Build, ColumnType, shape_of

T = TypeVar("T")

# Without its C implementation, psycopg makes a list of each row.
_GIVES_TUPLES = pq.__impl__ != "python"


class RowLoader:
    """
    A reader for rows of a statement whose columns have the types ``oids``.

    ``format`` is the format to request from the server: 1, binary, if all columns can be read in
    it, else 0, unless it is given. Loaders that the program has registered on the connection are
    used; they must be registered first. Belongs to the holder of the connection.
    """

    __slots__ = (
        "_alter",
        "_build",
        "_context",
        "_parameter_status",
        "_query",
        "_settings",
        "_transformer",
        "_watched",
        "format",
        "names",
        "oids",
    )

    def __init__(
        self,
        context: abc.AdaptContext,
        names: tuple[str, ...],
        oids: tuple[int, ...],
        format: pq.Format | None = None,
    ) -> None:
        self.names = names
        self.oids = oids
        loading = Loading(context.adapters)
        self.format = loading.format(oids) if format is None else format
        self._query: Callable[[], Query[Any] | None] = _no_query
        self._build: Build = tuple
        self._watched = loading.settings(oids, self.format)
        self._context = context
        self._alter: Callable[[int], None] = getattr(context, "alter", _nothing)
        connection = context.connection
        assert connection is not None
        self._parameter_status = connection.pgconn.parameter_status
        self._renew()

    def build_for(self, query: Query[Any]) -> Build:
        """
        Return the function that makes a record of a row; see `shape_of`.

        A statement nearly always belongs to one query, for which the function is cached.
        """
        if self._query() is query:
            return self._build
        build = shape_of(query, self.names, self.types())
        self._query, self._build = ref(query), build
        return build

    def types(self) -> tuple[ColumnType, ...]:
        """Return the types of the columns, as needed to check the fields of a record."""
        return column_types(self._context.adapters, self.oids)

    def row(self, result: PGresult, index: int, build: Callable[[tuple[Any, ...]], T]) -> T:
        """
        Return what ``build`` makes of one row of a result in this ``format``.

        Raises `psycopg.DataError` for a value that Python cannot represent.
        """
        transformer = self._ready(result)
        try:
            value: T = transformer.load_row(index, _of_row(build))
            return value
        except psycopg.DataError as error:
            self._note_place(error, result, range(index, index + 1))
            raise
        finally:
            # A result uses memory, and this object lives as long as the statement.
            transformer.set_pgresult(None, set_loaders=False)

    def rows(self, result: PGresult, build: Callable[[tuple[Any, ...]], T]) -> list[T]:
        """
        Return what ``build`` makes of each row of a result in this ``format``; raises as `row`.
        """
        transformer = self._ready(result)
        try:
            return transformer.load_rows(0, result.ntuples, _of_row(build))
        except psycopg.DataError as error:
            self._note_place(error, result, range(result.ntuples))
            raise
        finally:
            transformer.set_pgresult(None, set_loaders=False)

    def _note_place(self, error: psycopg.DataError, result: PGresult, rows: range) -> None:
        """Add the column and row of the value to a loader's error, by loading all values again."""
        if isinstance(error, AlteredTypeError):
            self._alter(error.oid)
        loaders = [self._transformer.get_loader(oid, self.format).load for oid in self.oids]
        for row in rows:
            for column, load in enumerate(loaders):
                value = result.get_value(row, column)
                if value is None:
                    continue
                try:
                    load(value)
                except psycopg.DataError:
                    error.add_note(f"in column {self.names[column]!r} of row {row}")
                    return

    def _ready(self, result: PGresult) -> abc.Transformer:
        for name, value in self._settings:
            if self._parameter_status(name) != value:
                self._renew()
                break
        self._transformer.set_pgresult(result, set_loaders=False)
        return self._transformer

    def _renew(self) -> None:
        # A loader reads the session's settings when it is created.
        self._settings = [(name, self._parameter_status(name)) for name in self._watched]
        self._transformer = adapt.Transformer(self._context)
        self._transformer.set_loader_types(self.oids, self.format)


def _of_row(build: Callable[[tuple[Any, ...]], T]) -> Any:
    return build if _GIVES_TUPLES else lambda row: build(tuple(row))


def _no_query() -> None:
    """Stand in for the query before there is one."""


def _nothing(oid: int) -> None:
    """Types that psycopg's registry has are not altered."""

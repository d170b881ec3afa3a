"""The types that one connection can read and write, from its database's catalogue."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol

import psycopg
from psycopg.abc import AdaptContext
from psycopg.adapt import AdaptersMap
from psycopg.pq import TransactionStatus

from raxol_sql.engine.types.catalog import (
    CATALOGUE,
    FIRST_OF_USERS,
    PgType,
    TypeCatalog,
    oid_array,
    rows_of,
)
from raxol_sql.engine.types.column_types import column_type
from raxol_sql.engine.types.type_infos import install, install_class
from raxol_sql.engine.wire.pipeline import Pipeline
from raxol_sql.errors import with_article
from raxol_sql.records import MisfitError, UnfitError, reader_of

_log = logging.getLogger("raxol_sql")


class Forgettable(Protocol):
    """What depends on types, such as the statements of the connection."""

    def forget_all(self) -> None: ...


class _Context:
    """A connection, with adapters that psycopg itself does not use."""

    def __init__(self, connection: Any, types: ConnectionTypes) -> None:
        self.connection = connection
        self.adapters = AdaptersMap(connection.adapters)
        self._types = weakref.ref(types)

    def alter(self, oid: int) -> None:
        """See `ConnectionTypes.alter`."""
        types = self._types()
        if types is not None:
            types.alter(oid)


class ConnectionTypes:
    """
    What is registered on a connection, and what the catalogue says of all other types.

    ``context`` is what values are read and written with. Types that the server has itself are
    known; one that users made is asked about when a statement has it for the first time, and
    then known to all connections of the pool. What the program registered with psycopg wins.
    Belongs to the holder of the connection.
    """

    def __init__(self, connection: Any, catalogue: TypeCatalog) -> None:
        self.context: AdaptContext = connection
        self._connection = connection
        self._catalogue = catalogue
        # A session that its caller drops has to be noticed at once, so nothing here makes a circle.
        self.statements: Callable[[], Forgettable | None] = _nothing
        self._installed: set[int] = set()

    async def learn(self, wire: Pipeline, oids: Iterable[int]) -> None:
        """Has the catalogue asked, if it has to be, how values of these types are written."""
        asked = self.to_ask(oids)
        if asked:
            self.take(oids, asked, await _query_catalogue(wire, asked))

    def to_ask(self, oids: Iterable[int]) -> list[int]:
        """The types that the catalogue has to be asked about; the others are registered."""
        new = [oid for oid in oids if oid >= FIRST_OF_USERS and oid not in self._installed]
        asked = self._catalogue.unknown(new)
        if asked:
            # What the program registered may be of another database, or of a type that is gone.
            registered = [info.oid for info in self._connection.adapters.types]
            more = [one for one in registered if one >= FIRST_OF_USERS]
            return list(dict.fromkeys([*asked, *more]))
        if new:
            self._install(new)
        return []

    def take(self, oids: Iterable[int], asked: Iterable[int], rows: Iterable[bytes]) -> None:
        """Record the rows of `CATALOGUE` for what was ``asked``, and register the types."""
        self._catalogue.learn(asked, rows)
        self._install([oid for oid in oids if oid >= FIRST_OF_USERS])

    async def have_changed(self, wire: Pipeline, oids: Iterable[int]) -> bool:
        """Whether composites among these types were altered, which then are known as they are."""
        known = [one for one in self._catalogue.reachable(oids) if one.fields]
        if not known:
            return False
        asked = [one.oid for one in known]
        self._catalogue.learn(asked, await _query_catalogue(wire, asked))
        if all(self._catalogue.get(one.oid) == one for one in known):
            return False
        self.forget()
        await self.learn(wire, oids)
        return True

    def forget(self) -> None:
        """Remove everything that was installed, because a type was altered."""
        self._installed.clear()
        self.context = self._connection
        statements = self.statements()
        if statements is not None:
            statements.forget_all()

    def suspect(self, oids: Iterable[int]) -> None:
        """Query composites again, which may have been altered."""
        for one in list(self._catalogue.reachable(oids)):
            if one.fields:
                self.alter(one.oid)

    def alter(self, oid: int) -> None:
        """A value showed that a type was altered: has the database asked about it once more."""
        for one in list(self._catalogue.reachable([oid])):
            self._catalogue.forget(one.oid)
        self.forget()

    def _install(self, oids: Iterable[int]) -> None:
        if self.context is self._connection:
            self.context = _Context(self._connection, self)
        for type in self._catalogue.reachable(oids):
            if type.oid not in self._installed:
                install(self.context, type, self._live(type))
                self._convert(type)
                self._installed.add(type.oid)
        self._installed.update(oids)

    def _live(self, type: PgType) -> Any:
        """Which types of the same name there are in the database besides."""

        def live(oid: int) -> PgType | None:
            known = self._catalogue.get(oid)
            return known if known is not None and known.name == type.name else None

        return live

    def _convert(self, type: PgType) -> None:
        """Has values of a type made into the class that `Database.open` was given for it."""
        made = self._catalogue.class_of(type)
        if made is None:
            return
        given = column_type(self.context.adapters, type.oid)
        try:
            read = reader_of(made, given)
        except UnfitError as error:
            raise psycopg.ProgrammingError(
                f"types= has {made.__name__} for the type {type.regtype}: {error}"
            ) from None
        if read is None:
            return

        def make(value: Any) -> Any:
            try:
                return read(value)
            except MisfitError as error:
                place = f"{error.place.removeprefix('.')} is " if error.place else "it is "
                raise psycopg.DataError(
                    f"cannot make {with_article(made.__name__)} of a value of type {type.regtype}: "
                    f"{place}{error}"
                ) from None

        install_class(self.context, type.oid, made, make)


def _nothing() -> None:
    """There are no statements yet."""


async def _query_catalogue(wire: Pipeline, oids: Iterable[int]) -> list[bytes]:
    """Return the rows of `CATALOGUE` for types; none if the role may not read it."""
    asking = partial(wire.pgconn.send_query_params, CATALOGUE, [oid_array(oids)])
    try:
        return rows_of(await wire.ask(asking))
    except psycopg.errors.InsufficientPrivilege:
        if wire.status != TransactionStatus.IDLE:
            raise
        _log.warning(
            "this role cannot read the catalogue of types: values of other "
            "types "
            "are returned as text"
        )
        return []

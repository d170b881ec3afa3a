"""The options of `Database.open` for the types of one database."""

from __future__ import annotations

import enum
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import attrs
import psycopg

from raxol_sql.engine.core.concurrency import IOBackend
from raxol_sql.engine.session.session import Session
from raxol_sql.engine.types.catalog import NAMED, TypeCatalog, rows_of
from raxol_sql.engine.types.interval_loaders import INFINITY
from raxol_sql.errors import ConfigError

OnConnect = Callable[[Any], Awaitable[None] | None]


@attrs.frozen(eq=False, repr=False)
class TypeOptions:
    """
    Options for the types of one database.

    ``classes`` maps the names of types to Python classes; ``infinity`` selects the value for a date
    or timestamp that Python cannot represent; ``on_connect`` is called with each connection.
    """

    classes: Mapping[str, type] = attrs.field(factory=dict)
    infinity: str = "error"
    on_connect: OnConnect | None = None
    catalogue: TypeCatalog = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        if self.infinity not in INFINITY:
            choices = " or ".join(map(repr, INFINITY))
            raise ConfigError(f"infinity must be {choices}, not {self.infinity!r}")
        if self.on_connect is not None and not callable(self.on_connect):
            raise ConfigError("on_connect must be a function that takes a connection")
        for name, made in self.classes.items():
            if not isinstance(name, str) or not _can_be_made(made):
                raise ConfigError(
                    f"types: {name!r} needs an Enum, an attrs class or a NamedTuple, "
                    f"not {type(made).__name__}"
                )
        object.__setattr__(self, "catalogue", TypeCatalog(self.classes))

    async def check(self, session: Session) -> None:
        """Raise `ConfigError` for a name in ``classes`` that is no type of the database."""
        if not self.classes or self.catalogue.has_all_classes:
            return
        names = "{" + ",".join('"' + _escape(name) + '"' for name in self.classes) + "}"
        wire = session.wire
        result = await wire.ask(partial(wire.pgconn.send_query_params, NAMED, [names.encode()]))
        missing = [name for name, oid in map(json.loads, rows_of(result)) if oid is None]
        if missing:
            raise ConfigError(
                f"types: the database has no type {', '.join(missing)} on its search path; create "
                "it, or name it with its schema"
            )
        self.catalogue.has_all_classes = True

    async def run_on_connect(self, colour: IOBackend, session: Session) -> None:
        """Call the program's hook with a connection; raises its exceptions."""
        if self.on_connect is None:
            return
        # psycopg does its own waiting on the socket.
        session.detach()
        waited = self.on_connect(session.connection)
        if inspect.isawaitable(waited):
            await colour.wait(waited)
        if not session.is_idle:
            raise psycopg.ProgrammingError("on_connect left a transaction open: commit it there")

    async def run_on_reset(self, colour: IOBackend, session: Session) -> None:
        """Call the hook after a reset; a session for which it raises is closed and replaced."""
        if self.on_connect is None:
            return
        try:
            await self.run_on_connect(colour, session)
        except Exception:  # the program's own function may raise anything
            session.close()


def _escape(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')


def _can_be_made(made: Any) -> bool:
    if not isinstance(made, type):
        return False
    return issubclass(made, (enum.Enum, tuple)) or attrs.has(made)

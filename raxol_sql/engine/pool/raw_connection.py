"""Leases of raw psycopg connections."""

from __future__ import annotations

import logging
from typing import Any

from psycopg.adapt import AdaptersMap
from psycopg.pq import TransactionStatus

from raxol_sql.engine.core.deadline import deadline_of
from raxol_sql.engine.core.driver_internals import HANDLERS, replace_adapters
from raxol_sql.engine.pool.pool import SessionPool
from raxol_sql.engine.session.session import Session

_log = logging.getLogger("raxol_sql.pool")
# Client-side attributes of psycopg, which a reset on the server does not restore.
_KEPT = (
    *("row_factory", "cursor_factory", "server_cursor_factory"),
    *("prepare_threshold", "prepared_max"),
)


class RawConnectionLease:
    """The lease of one connection: `begin` checks it out, `end` returns it, each once."""

    def __init__(self, pool: SessionPool) -> None:
        self._pool = pool
        self._session: Session | None = None
        self._before: dict[str, Any] = {}
        self._adapters = AdaptersMap()

    async def begin(self, purpose: str) -> Any:
        """Return the connection, in autocommit mode; raises as any call that waits for one."""
        session = await self._pool.reserve(purpose, deadline_of(self._pool.timeout))
        # psycopg does its own waiting on the socket.
        session.detach()
        self._session = session
        connection: Any = session.connection
        self._before = {name: getattr(connection, name) for name in _KEPT}
        self._adapters = connection.adapters
        replace_adapters(connection, AdaptersMap(self._adapters))
        for name in HANDLERS:
            self._before[name] = getattr(connection, name)
            setattr(connection, name, list(self._before[name]))
        session.keep()
        return connection

    def disown(self) -> None:
        """Return the connection if the caller never got it, and will not call `end`."""
        if self._session is not None:
            self._session.take_up()

    async def end(self) -> None:
        """Reset the state of the connection and return it."""
        session = self._session
        assert session is not None, "it was begun"
        session.take_up()
        try:
            await self._tidy(session)
        except BaseException:
            session.give_up()
            raise
        finally:
            session.needs_reset = not session.is_lost
            await self._pool.free(session)

    async def _tidy(self, session: Session) -> None:
        connection: Any = session.connection
        for name, value in self._before.items():
            setattr(connection, name, value)
        replace_adapters(connection, self._adapters)
        if session.wire.status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            _log.warning(
                "a connection was returned with an open transaction, which was rolled back"
            )
            session.wire.until = deadline_of(self._pool.timeout)
            try:
                await session.command("rollback")
            except Exception:
                session.close()
        modes = (connection.isolation_level, connection.read_only, connection.deferrable)
        if not connection.closed and (not connection.autocommit or modes != (None, None, None)):
            # Changed transaction modes would affect every later call.
            session.close()

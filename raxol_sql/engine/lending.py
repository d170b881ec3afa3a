"""A connection of the pool in the hands of somebody who knows psycopg, and back again."""

from __future__ import annotations

import logging
from typing import Any

from psycopg.pq import TransactionStatus

from raxol_sql.engine.deadline import deadline_of
from raxol_sql.engine.pool import PooledSessions
from raxol_sql.engine.session import Session

_log = logging.getLogger("raxol_sql.pool")


class Lending:
    """One connection that is lent: `begin` gives it, `end` takes it back, each once."""

    def __init__(self, pool: PooledSessions) -> None:
        self._pool = pool
        self._session: Session | None = None

    async def begin(self, purpose: str) -> Any:
        """The connection, in autocommit; raises as any call that waits for one."""
        session = await self._pool.reserve(purpose, deadline_of(self._pool.timeout))
        # psycopg waits for the socket in its own way.
        session.detach()
        self._session = session
        return session.connection

    async def end(self) -> None:
        """Has everything taken back that was left on it."""
        session = self._session
        assert session is not None, "it was begun"
        try:
            await self._tidy(session)
        except BaseException:
            session.close()
            raise
        finally:
            session.has_traces = not session.is_lost
            await self._pool.free(session)

    async def _tidy(self, session: Session) -> None:
        connection: Any = session.connection
        if session.wire.status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            _log.warning("a connection was given back in a transaction, which is rolled back")
            session.wire.until = deadline_of(self._pool.timeout)
            try:
                await session.command("rollback")
            except Exception:
                session.close()
        if not connection.closed and not connection.autocommit:
            # Who changed that changed what every later call rests on.
            session.close()

"""The time limits that a connection sets for its statements: the usual one, and others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic

import psycopg
from psycopg.pq import TransactionStatus

from raxol_sql.engine.core.deadline import GRACE
from raxol_sql.engine.wire.pipeline import Pipeline
from raxol_sql.engine.wire.statement_timeout import replace

# What is too little, in milliseconds, to tell the server of: less than the grace that it has, or
# a tenth of what it thinks. It is told with every statement then, and a client can stop it, too.
_SLACK = 50


class StatementTimeouts:
    """
    The limits of one connection, in milliseconds; 0 is none. Belongs to its holder.

    ``is_pressed`` says that less time may be left for a call than the server would give it.
    Behind a pooler, which may lend another server for each transaction, the usual limit goes
    along with each statement; the connection ``is_shared`` then. Where the server refuses the
    functions for it no limit ``goes_along`` with a statement: then the client alone holds it.
    """

    def __init__(self, wire: Pipeline) -> None:
        self.is_pressed = False
        self.goes_along = True
        self._wire = wire
        self._is_shared = False
        self._usual: int | None = None
        self._most = 0

    async def begin(self, usual: int | None, most: int, *, is_shared: bool) -> None:
        """
        Sets the ``usual`` limit, unless it is None, for statements that have none of their own.

        ``most`` is what a call may take in all.
        """
        self._usual, self._most, self._is_shared = usual, most, is_shared
        self._wire.limit = usual
        await self.restore()

    async def restore(self) -> None:
        """Sets the usual limit again, after everything was reset."""
        if self._usual is None or self._is_shared:
            return
        if self.goes_along:
            await self._set(str(self._usual))
        else:
            plain = b"set statement_timeout = %d" % self._usual
            await self._wire.ask(partial(self._wire.pgconn.send_query, plain))

    def of(self, timeout: int | None) -> int | None:
        """
        The limit to send along with a statement that has this one, or none, of its own.

        None is for the one that the connection has. Where a call has less time left than that, the
        server gets to know: who stops first keeps the connection.
        """
        if not self.goes_along:
            return None
        limit = self._usual if timeout is None and self._is_shared else timeout
        if self.is_pressed and self._wire.until is not None:
            left = max(1, int((self._wire.until - GRACE - monotonic()) * 1000))
            most = self._most if limit is None else limit
            return left if not most or left + max(_SLACK, most // 10) < most else limit
        return limit

    @asynccontextmanager
    async def lasting(self, timeout: int | None) -> AsyncIterator[None]:
        """
        A limit for what cannot share a round trip with the setting of it.

        The limit that was there before comes back at the end. A connection on which that fails
        is closed, so that nobody inherits the limit.
        """
        if timeout is None:
            yield
            return
        wire = self._wire
        if self._is_shared and wire.status == TransactionStatus.IDLE:
            async with self._alone():
                await self._set(str(timeout))
                yield
            return
        wire.unfinished += 1
        before = await self._set(str(timeout))
        try:
            yield
        finally:
            # A failed transaction brings the limit back itself when it ends.
            if wire.status in (TransactionStatus.IDLE, TransactionStatus.INTRANS):
                try:
                    await self._set(before)
                except BaseException:
                    wire.close()
                    raise
            wire.unfinished -= 1

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """A transaction, for which a pooler lends one server, and which ends with its settings."""
        wire = self._wire
        await wire.ask(partial(wire.pgconn.send_query, b"begin"))
        try:
            yield
            await wire.ask(partial(wire.pgconn.send_query, b"commit"))
        finally:
            if wire.status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
                await wire.ask(partial(wire.pgconn.send_query, b"rollback"))

    async def _set(self, limit: str) -> str:
        """Sets the limit, in a transaction only until its end, and gives the one before."""
        wire = self._wire
        is_local = wire.status != TransactionStatus.IDLE
        try:
            result = await wire.ask(replace(wire.pgconn, limit.encode(), local=is_local))
        except psycopg.Error:
            raise
        except BaseException:
            # Stopped in the middle: nobody can say which limit it has now.
            wire.close()
            raise
        return (result.get_value(0, 0) or b"").decode()

"""Statement timeouts of a connection."""

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

# Milliseconds below which the server is not told of a smaller limit: less than the grace period, or
# a tenth of its timeout. Setting it for every statement costs more than a cancel request.
_SLACK = 50


class StatementTimeouts:
    """
    The statement timeouts of one connection, in milliseconds; 0 is none.

    ``uses_deadline`` says that a call may have less time left than the timeout of the server.
    Behind a pooler, which may select another server for each transaction, the timeout is sent along
    with each statement; the connection ``is_shared`` then. If the server refuses the functions for
    it, no timeout ``goes_along`` with a statement, and only the client enforces it. Belongs to the
    holder of the connection.
    """

    def __init__(self, wire: Pipeline) -> None:
        self.uses_deadline = False
        self.goes_along = True
        self._wire = wire
        self._is_shared = False
        self._usual: int | None = None
        self._most = 0

    async def begin(self, usual: int | None, most: int, *, is_shared: bool) -> None:
        """
        Set the ``usual`` timeout, unless None, for statements without their own timeout.

        ``most`` is the total time of a call.
        """
        self._usual, self._most, self._is_shared = usual, most, is_shared
        self._wire.limit = usual
        await self.restore()

    async def restore(self) -> None:
        """Set the usual timeout again after a reset."""
        if self._usual is None or self._is_shared:
            return
        if self.goes_along:
            await self._set(str(self._usual))
        else:
            plain = b"set statement_timeout = %d" % self._usual
            await self._wire.ask(partial(self._wire.pgconn.send_query, plain))

    def of(self, timeout: int | None) -> int | None:
        """
        Return the timeout to send along with a statement, given its own timeout or None.

        None means the timeout of the connection. If the call has less time left, the server is
        told: a statement that the server cancels does not cost the connection.
        """
        if not self.goes_along:
            return None
        limit = self._usual if timeout is None and self._is_shared else timeout
        if self.uses_deadline and self._wire.until is not None:
            left = max(1, int((self._wire.until - GRACE - monotonic()) * 1000))
            most = self._most if limit is None else limit
            return left if not most or left + max(_SLACK, most // 10) < most else limit
        return limit

    @asynccontextmanager
    async def set_for_block(self, timeout: int | None) -> AsyncIterator[None]:
        """
        Set a timeout for statements that cannot share a round trip with it.

        The previous timeout is restored at the end. If that fails, the connection is closed, so
        that no later call inherits the timeout.
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
            # The rollback of a failed transaction restores the timeout.
            if wire.status in (TransactionStatus.IDLE, TransactionStatus.INTRANS):
                try:
                    await self._set(before)
                except BaseException:
                    wire.close()
                    raise
            wire.unfinished -= 1

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Open a transaction, which keeps one server behind a pooler and ends with its settings."""
        wire = self._wire
        await wire.ask(partial(wire.pgconn.send_query, b"begin"))
        try:
            yield
            await wire.ask(partial(wire.pgconn.send_query, b"commit"))
        finally:
            if wire.status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
                await wire.ask(partial(wire.pgconn.send_query, b"rollback"))

    async def _set(self, limit: str) -> str:
        """Set the timeout, local to a transaction if one is open, and return the previous one."""
        wire = self._wire
        is_local = wire.status != TransactionStatus.IDLE
        try:
            result = await wire.ask(replace(wire.pgconn, limit.encode(), local=is_local))
        except psycopg.Error:
            raise
        except BaseException:
            # Interrupted halfway: the current timeout is unknown.
            wire.close()
            raise
        return (result.get_value(0, 0) or b"").decode()

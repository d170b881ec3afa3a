"""What can be done with one connection; how a statement is sent is known nowhere above."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import psycopg
from psycopg.pq import TransactionStatus

from raxol_sql.engine.colour import Colour, Connection
from raxol_sql.errors import TransactionError

Row = tuple[Any, ...]

# Both in one round trip, and the old value read before the new one is set.
_LIMIT = """
with before as materialized (select current_setting('statement_timeout') as value)
select value, set_config('statement_timeout', $1, $2) from before
"""
_cursor_numbers = itertools.count(1)


@attrs.frozen
class Reply:
    """What the server answered to one statement: column names, rows, and rows changed."""

    columns: tuple[str, ...]
    rows: Sequence[Row]
    affected: int


class Session:
    """
    One connection, taken from wherever, for as long as its holder needs it.

    Texts have ``$1``, ``$2`` ... for their values. ``timeout`` is in milliseconds, and stands in
    place of the connection's own limit for this statement only; 0 is none. Raises the driver's
    errors as they are, and `TransactionError` once the connection was given back. Two threads or
    tasks that share one take turns, statement by statement.
    """

    def __init__(self, colour: Colour, connection: Connection) -> None:
        self._connection: Connection | None = connection
        self._colour = colour
        self._limiting = False
        self._turn = colour.lock()
        self._outdated = False

    @property
    def connection(self) -> Connection:
        """The connection; raises `TransactionError` if it is somebody else's by now."""
        return self._check_held()

    async def give_back(self) -> Connection:
        """The connection for the pool that it came from; the session is over."""
        connection = self.connection
        try:
            if self._outdated and not self.in_transaction:
                await self._forget_plans()
        finally:
            self._connection = None
        return connection

    async def execute(self, text: str, values: Row = (), timeout: int | None = None) -> Reply:
        """One statement, and its whole answer."""
        if timeout is None and not self._limiting:
            return await self._execute(text, values)
        async with self._limit(timeout):
            return await self._execute(text, values)

    async def execute_many(
        self, text: str, rows: Sequence[Row], timeout: int | None = None
    ) -> list[Reply]:
        """One statement for each of ``rows``, all in one round trip; the answers in order."""
        async with self._limit(timeout):
            cursor = self._colour.cursor(self.connection)
            try:
                await self._colour.wait(cursor.executemany(text, rows, returning=True))
            except psycopg.Error as error:
                self._outdated = self._outdated or _is_about_a_plan(error)
                raise
            replies = [await self._reply(cursor)]
            while cursor.nextset():
                replies.append(await self._reply(cursor))
            return replies

    async def fetch(
        self, text: str, values: Row, batch: int, timeout: int | None = None
    ) -> AsyncGenerator[Reply]:
        """
        The rows of a statement in batches, through a cursor on the server.

        Needs an open transaction; ``timeout`` is for each batch. The first batch comes even if
        there are no rows, for the sake of its columns.
        """
        name = f"raxol_sql_{next(_cursor_numbers)}"
        cursor = self._colour.server_cursor(self.connection, name)
        try:
            async with self._limit(timeout):
                await self._colour.wait(cursor.execute(text, values))
                columns = _column_names(cursor)
                rows = await self._colour.wait(cursor.fetchmany(batch))
            yield Reply(columns, rows, len(rows))
            while len(rows) == batch:
                self._check_held()
                async with self._limit(timeout):
                    rows = await self._colour.wait(cursor.fetchmany(batch))
                yield Reply(columns, rows, len(rows))
        finally:
            # Its server side ends with the transaction, and is not to be closed in another.
            kind = self._colour.cursor if self._connection is None else type(cursor)
            await self._colour.wait(kind.close(cursor))

    async def copy_in(
        self, text: str, data: AsyncIterator[Row | bytes], timeout: int | None = None
    ) -> int:
        """Sends rows, or blocks of bytes in the format of the COPY; gives the count of rows."""
        async with self._limit(timeout), self._copying(text) as (cursor, copy):
            async for item in data:
                send = copy.write if isinstance(item, bytes) else copy.write_row
                await self._colour.wait(send(item))
        count: int = cursor.rowcount
        return count

    async def copy_out(
        self, text: str, parsed: bool, timeout: int | None = None
    ) -> AsyncGenerator[Any]:
        """Rows of texts if ``parsed``, else blocks of bytes in the format of the COPY."""
        async with self._limit(timeout), self._copying(text) as (_, copy):
            if parsed:
                while (row := await self._colour.wait(copy.read_row())) is not None:
                    yield row
            else:
                while block := await self._colour.wait(copy.read()):
                    yield bytes(block)

    async def command(self, text: str) -> str:
        """A statement without values that is run for its effect; gives the server's tag for it."""
        cursor = self._colour.cursor(self.connection)
        await self._colour.wait(cursor.execute(text))
        tag: str = cursor.statusmessage or ""
        return tag

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, be it one that failed."""
        return self.connection.info.transaction_status is not TransactionStatus.IDLE

    @property
    def in_failed_transaction(self) -> bool:
        """Whether a transaction is open in which a statement failed, so that nothing else runs."""
        return self.connection.info.transaction_status is TransactionStatus.INERROR

    async def _execute(self, text: str, values: Row) -> Reply:
        try:
            return await self._send(text, values)
        except psycopg.Error as error:
            if not _is_about_a_plan(error):
                raise
            if self.in_transaction:
                # It has failed, and what it did cannot be sent again from here.
                self._outdated = True
                raise
        # The server refused before it ran anything, so this is the first time that it runs.
        await self._forget_plans()
        return await self._send(text, values)

    async def _send(self, text: str, values: Row) -> Reply:
        cursor = self._colour.cursor(self.connection)
        await self._colour.wait(cursor.execute(text, values))
        return await self._reply(cursor)

    async def _forget_plans(self) -> None:
        """Has the server and psycopg forget every statement that was prepared here."""
        self._outdated = False
        await self.command("deallocate all")

    async def _reply(self, cursor: Any) -> Reply:
        columns = _column_names(cursor)
        rows = await self._colour.wait(cursor.fetchall()) if columns else ()
        return Reply(columns, rows, cursor.rowcount)

    @asynccontextmanager
    async def _copying(self, text: str) -> AsyncIterator[tuple[Any, Any]]:
        """The cursor of a COPY, and the COPY itself while it lasts."""
        wait, leaving = self._colour.wait, self._colour.leaving
        cursor = self._colour.cursor(self.connection)
        manager = cursor.copy(text)
        copy = await wait(self._colour.entering(manager))
        try:
            yield cursor, copy
        except BaseException as error:
            await wait(leaving(manager, error))
            raise
        await wait(leaving(manager, None))

    def _check_held(self) -> Connection:
        if self._connection is None:
            raise TransactionError("the transaction that this belongs to is over")
        return self._connection

    @asynccontextmanager
    async def _limit(self, timeout: int | None) -> AsyncIterator[None]:
        """
        The turn of one statement, under a limit of its own unless ``timeout`` is None.

        The limit that was there before comes back at the end. A connection on which that fails
        is closed, so that nobody inherits the limit.
        """
        if timeout is None and not self._limiting:
            yield
            return
        async with self._turn:
            if timeout is None:
                yield
                return
            self._limiting = True
            try:
                before = await self._set_limit(str(timeout))
                try:
                    yield
                finally:
                    await self._restore_limit(before)
            finally:
                self._limiting = False

    async def _set_limit(self, limit: str) -> str:
        """Sets the limit, in a transaction only until its end, and gives the one before."""
        try:
            reply = await self._execute(_LIMIT, (limit, self.in_transaction))
        except psycopg.Error:
            raise
        except BaseException:
            # Stopped in the middle: nobody can say which limit it has now.
            await self._colour.wait(self.connection.close())
            raise
        before: str = reply.rows[0][0]
        return before

    async def _restore_limit(self, limit: str) -> None:
        connection = self._connection
        if connection is None:
            return
        # A failed transaction brings the limit back itself when it ends.
        status = connection.info.transaction_status
        if status in (TransactionStatus.IDLE, TransactionStatus.INTRANS):
            try:
                await self._set_limit(limit)
            except psycopg.Error:
                await self._colour.wait(connection.close())
                raise


def _is_about_a_plan(error: psycopg.Error) -> bool:
    """
    Whether the server says that a prepared statement is outdated, or gone.

    "cached plan must not change result type" has the SQLSTATE of everything that is not
    supported; the function in the server that says it tells it apart (plancache.c).
    """
    if isinstance(error, psycopg.errors.InvalidSqlStatementName):
        return True
    return error.diag.source_function == "RevalidateCachedQuery"


def _column_names(cursor: Any) -> tuple[str, ...]:
    """The names alone: psycopg's description holds much more, and costs as much as the call."""
    result = cursor.pgresult
    return tuple([result.fname(index).decode() for index in range(result.nfields)])

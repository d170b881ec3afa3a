"""What can be done with one connection; how a statement is sent is known nowhere above."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

import attrs
from psycopg.pq import TransactionStatus

from raxol_sql.engine.colour import Colour, Connection
from raxol_sql.errors import TransactionError

Row = tuple[Any, ...]

_LIMIT = "select set_config('statement_timeout', $1, $2)"
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
    place of the connection's own limit, ``default_timeout``, for this statement only. Raises the
    driver's errors as they are, and `TransactionError` once the connection was given back. Not
    safe for two threads or tasks at once.
    """

    def __init__(self, colour: Colour, connection: Connection, default_timeout: int) -> None:
        self._connection: Connection | None = connection
        self._colour = colour
        self._default_timeout = default_timeout

    @property
    def connection(self) -> Connection:
        """The connection; raises `TransactionError` if it is somebody else's by now."""
        return self._check_held()

    def give_back(self) -> Connection:
        """The connection for the pool that it came from; the session is over."""
        connection, self._connection = self.connection, None
        return connection

    async def execute(self, text: str, values: Row = (), timeout: int | None = None) -> Reply:
        """One statement, and its whole answer."""
        await self._limit(timeout)
        try:
            cursor = self._colour.cursor(self.connection)
            await self._colour.wait(cursor.execute(text, values))
            return await self._reply(cursor)
        finally:
            await self._unlimit(timeout)

    async def execute_many(
        self, text: str, rows: Sequence[Row], timeout: int | None = None
    ) -> list[Reply]:
        """One statement for each of ``rows``, all in one round trip; the answers in order."""
        await self._limit(timeout)
        try:
            cursor = self._colour.cursor(self.connection)
            await self._colour.wait(cursor.executemany(text, rows, returning=True))
            replies = [await self._reply(cursor)]
            while cursor.nextset():
                replies.append(await self._reply(cursor))
            return replies
        finally:
            await self._unlimit(timeout)

    async def fetch(
        self, text: str, values: Row, batch: int, timeout: int | None = None
    ) -> AsyncGenerator[Reply]:
        """
        The rows of a statement in batches, through a cursor on the server.

        Needs an open transaction. The first batch comes even if there are no rows, for the sake
        of its columns.
        """
        await self._limit(timeout)
        try:
            name = f"raxol_sql_{next(_cursor_numbers)}"
            cursor = self._colour.server_cursor(self.connection, name)
            await self._colour.wait(cursor.execute(text, values))
            try:
                columns = _column_names(cursor)
                rows = await self._colour.wait(cursor.fetchmany(batch))
                yield Reply(columns, rows, len(rows))
                while len(rows) == batch:
                    self._check_held()
                    rows = await self._colour.wait(cursor.fetchmany(batch))
                    yield Reply(columns, rows, len(rows))
            finally:
                # Its server side ends with the transaction, and is not to be closed in another.
                kind = self._colour.cursor if self._connection is None else type(cursor)
                await self._colour.wait(kind.close(cursor))
        finally:
            await self._unlimit(timeout)

    async def copy_in(
        self, text: str, data: AsyncIterator[Row | bytes], timeout: int | None = None
    ) -> int:
        """Sends rows, or blocks of bytes in the format of the COPY; gives the count of rows."""
        wait = self._colour.wait
        await self._limit(timeout)
        try:
            cursor = self._colour.cursor(self.connection)
            manager = cursor.copy(text)
            copy = await wait(self._colour.entering(manager))
            try:
                async for item in data:
                    await wait(
                        copy.write(item) if isinstance(item, bytes) else copy.write_row(item)
                    )
            except BaseException as error:
                await wait(self._colour.leaving(manager, error))
                raise
            await wait(self._colour.leaving(manager, None))
            count: int = cursor.rowcount
            return count
        finally:
            await self._unlimit(timeout)

    async def copy_out(
        self, text: str, parsed: bool, timeout: int | None = None
    ) -> AsyncGenerator[Any]:
        """Rows of texts if ``parsed``, else blocks of bytes in the format of the COPY."""
        wait = self._colour.wait
        await self._limit(timeout)
        try:
            cursor = self._colour.cursor(self.connection)
            manager = cursor.copy(text)
            copy = await wait(self._colour.entering(manager))
            try:
                read = copy.read_row if parsed else copy.read
                while item := await wait(read()):
                    yield item if parsed else bytes(item)
            except BaseException as error:
                await wait(self._colour.leaving(manager, error))
                raise
            await wait(self._colour.leaving(manager, None))
        finally:
            await self._unlimit(timeout)

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

    async def _reply(self, cursor: Any) -> Reply:
        columns = _column_names(cursor)
        rows = await self._colour.wait(cursor.fetchall()) if columns else ()
        return Reply(columns, rows, cursor.rowcount)

    def _check_held(self) -> Connection:
        if self._connection is None:
            raise TransactionError("the transaction that this belongs to is over")
        return self._connection

    async def _limit(self, timeout: int | None) -> None:
        if timeout is not None:
            # In a transaction only until its end, which may come before that of a stream.
            await self.execute(_LIMIT, (str(timeout), self.in_transaction))

    async def _unlimit(self, timeout: int | None) -> None:
        """The connection's own limit again; a failed transaction brings it back when it ends."""
        if timeout is None or self._connection is None:
            return
        status = self._connection.info.transaction_status
        if status in (TransactionStatus.IDLE, TransactionStatus.INTRANS):
            await self.execute(_LIMIT, (str(self._default_timeout), self.in_transaction))


def _column_names(cursor: Any) -> tuple[str, ...]:
    """The names alone: psycopg's description holds much more, and costs as much as the call."""
    result = cursor.pgresult
    return tuple([result.fname(index).decode() for index in range(result.nfields)])

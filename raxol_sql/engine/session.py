"""What can be done with one connection; how a statement is sent is known nowhere above."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

import attrs
from psycopg.pq import TransactionStatus

from raxol_sql.engine.colour import Colour, Connection

Row = tuple[Any, ...]

_LIMIT = "select set_config('statement_timeout', $1, false)"
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
    driver's errors as they are. Not safe for two threads or tasks at once.
    """

    def __init__(self, colour: Colour, connection: Connection, default_timeout: int) -> None:
        self.connection = connection
        self._colour = colour
        self._default_timeout = default_timeout

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
                columns = tuple(column.name for column in cursor.description)
                rows = await self._colour.wait(cursor.fetchmany(batch))
                yield Reply(columns, rows, len(rows))
                while len(rows) == batch:
                    rows = await self._colour.wait(cursor.fetchmany(batch))
                    yield Reply(columns, rows, len(rows))
            finally:
                await self._colour.wait(cursor.close())
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

    async def _reply(self, cursor: Any) -> Reply:
        if cursor.description is None:
            return Reply((), (), cursor.rowcount)
        columns = tuple([column.name for column in cursor.description])
        return Reply(columns, await self._colour.wait(cursor.fetchall()), cursor.rowcount)

    async def _limit(self, timeout: int | None) -> None:
        if timeout is not None:
            await self.execute(_LIMIT, (str(timeout),))

    async def _unlimit(self, timeout: int | None) -> None:
        """The connection's own limit again; a failed transaction brings it back when it ends."""
        status = self.connection.info.transaction_status
        if timeout is not None and status in (TransactionStatus.IDLE, TransactionStatus.INTRANS):
            await self.execute(_LIMIT, (str(self._default_timeout),))

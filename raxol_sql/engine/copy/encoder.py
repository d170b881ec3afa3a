"""Encoding of rows for a COPY ... FROM STDIN."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from psycopg.abc import AdaptContext

from raxol_sql.engine.copy.batch_writer import BatchWriter
from raxol_sql.engine.copy.columns import ColumnInfo
from raxol_sql.text import CopyShape

# What a binary COPY begins and ends with; there are no flags, and the header has no extension.
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
# The size in bytes that blocks should have, below which memory is not asked of the system each
# time, and the one they may have: larger ones make libpq slow.
BLOCK = 96 * 1024
LARGEST_BLOCK = 256 * 1024
_FIRST_ROWS = 16
_MOST_ROWS = 4096


class RowEncoder:
    """
    An encoder of rows for a COPY in text or binary format, one block at a time.

    ``columns`` come from `COLUMNS`; in text format they may be empty, and psycopg's dumpers decide
    then. Made for one COPY; belongs to the holder of the connection.
    """

    def __init__(
        self, context: AdaptContext, query: str, shape: CopyShape, columns: Sequence[ColumnInfo]
    ) -> None:
        self._is_binary = shape.format == "binary"
        self._writer = BatchWriter(context, query, shape, columns)
        self._size = _FIRST_ROWS

    def blocks(self, rows: Iterable[Any] | AsyncIterable[Any]) -> AsyncIterator[bytes]:
        """
        Yield ``rows`` as blocks of bytes; only an asynchronous iterable is awaited.

        Raises `ParameterError` for a row that does not fit, with its number, counting from 0, and
        its column, and never its value.
        """
        if isinstance(rows, AsyncIterable):
            return self._blocks(self._collect(rows))
        return self._blocks(self._split(iter(rows)))

    async def _blocks(self, batches: AsyncIterator[list[Any]]) -> AsyncIterator[bytes]:
        if self._is_binary:
            yield HEADER
        count = 0
        async for batch in batches:
            written = self._writer.write(batch, count)
            count += len(batch)
            # The next one has as many rows as it takes for a block of the size wanted.
            fitting = len(batch) * BLOCK // max(1, len(written))
            self._size = min(max(1, fitting), 4 * len(batch), _MOST_ROWS)
            if len(written) <= LARGEST_BLOCK:
                yield bytes(written)
                continue
            for start in range(0, len(written), LARGEST_BLOCK):
                yield bytes(written[start : start + LARGEST_BLOCK])
        if self._is_binary:
            yield TRAILER

    async def _split(self, rows: Iterator[Any]) -> AsyncIterator[list[Any]]:
        while batch := list(islice(rows, self._size)):
            yield batch

    async def _collect(self, rows: AsyncIterable[Any]) -> AsyncIterator[list[Any]]:
        batch = []
        async for row in rows:
            batch.append(row)
            if len(batch) >= self._size:
                yield batch
                batch = []
        if batch:
            yield batch

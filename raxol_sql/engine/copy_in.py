"""Rows on their way into a COPY ... FROM STDIN, as the bytes of its format."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any, NoReturn

from psycopg import abc
from psycopg._copy_base import format_row_binary, format_row_text
from psycopg.adapt import AdaptersMap, Transformer
from psycopg.pq import Format
from psycopg.types.string import BytesBinaryDumper, StrBinaryDumper

from raxol_sql.engine.copy_binary import BinaryForms, NoBinaryFormError
from raxol_sql.engine.copy_columns import CopyColumn
from raxol_sql.engine.copy_rows import Row, RowReader
from raxol_sql.engine.copy_values import RAW, BinaryColumn, Column, TextColumn
from raxol_sql.engine.dumping.form import Misfit
from raxol_sql.engine.dumping.target import given
from raxol_sql.engine.dumping.writer import Writer
from raxol_sql.errors import ParameterError
from raxol_sql.text import CopyShape

# What a binary COPY begins and ends with; there are no flags, and the header has no extension.
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
# The size in bytes that blocks should have, and the one they may have: larger ones make libpq slow.
BLOCK = 64 * 1024
LARGEST_BLOCK = 256 * 1024
_FIRST_ROWS = 16
_MOST_ROWS = 4096


class RowEncoder:
    """
    Writes rows for a COPY in text or in binary, some hundreds of them at a time.

    ``columns`` are those that `COLUMNS` tells of; in text there may be none, and then the values
    go as psycopg writes them. Made for one COPY; belongs to the holder of the connection.
    """

    def __init__(
        self, context: abc.AdaptContext, query: str, shape: CopyShape, columns: Sequence[CopyColumn]
    ) -> None:
        self._query = query
        self._columns = columns
        self._is_binary = shape.format == "binary"
        self._write = format_row_binary if self._is_binary else format_row_text
        self._size = _FIRST_ROWS
        names = shape.columns or tuple(column.name for column in columns)
        self._reader = RowReader(query, names, by_name=bool(shape.columns))
        writer = Writer(context)
        if self._is_binary:
            self._context: abc.AdaptContext = _with_drivers_dumpers(context.adapters)
            forms = BinaryForms(writer, context.adapters)
            self._writers: list[Column] = [
                BinaryColumn(forms, context.adapters, column) for column in columns
            ]
        else:
            self._context = context
            self._writers = [TextColumn(writer, column) for column in columns]
        self._transformers: dict[frozenset[int], abc.Transformer] = {}

    def blocks(self, rows: Iterable[Any] | AsyncIterable[Any]) -> AsyncIterator[bytes]:
        """
        The bytes to send for ``rows``, in blocks; only an asynchronous iterable is waited for.

        Raises `ParameterError` for a row that does not fit, with its number, counting from 0, and
        its column, and never its value.
        """
        if isinstance(rows, AsyncIterable):
            return self._blocks(self._gathered(rows))
        return self._blocks(self._taken(iter(rows)))

    async def _blocks(self, batches: AsyncIterator[list[Any]]) -> AsyncIterator[bytes]:
        if self._is_binary:
            yield HEADER
        count = 0
        async for batch in batches:
            block = self._encode(batch, count)
            count += len(batch)
            # The next one has as many rows as it takes for a block of the size wanted.
            fitting = len(batch) * BLOCK // max(1, len(block))
            self._size = min(max(1, fitting), 4 * len(batch), _MOST_ROWS)
            if len(block) <= LARGEST_BLOCK:
                yield bytes(block)
                continue
            for start in range(0, len(block), LARGEST_BLOCK):
                yield bytes(block[start : start + LARGEST_BLOCK])
        if self._is_binary:
            yield TRAILER

    async def _taken(self, rows: Iterator[Any]) -> AsyncIterator[list[Any]]:
        while batch := list(islice(rows, self._size)):
            yield batch

    async def _gathered(self, rows: AsyncIterable[Any]) -> AsyncIterator[list[Any]]:
        batch = []
        async for row in rows:
            batch.append(row)
            if len(batch) >= self._size:
                yield batch
                batch = []
        if batch:
            yield batch

    def _encode(self, batch: list[Any], first: int) -> bytearray:
        """The bytes of rows, of which the first has the number ``first``."""
        rows = self._reader.read(batch, first)
        converted = self._converted(rows, first)
        if converted:
            columns = range(len(self._writers))
            values = [converted.get(index, map(itemgetter(index), rows)) for index in columns]
            rows = list(zip(*values, strict=True))
        write, transformer = self._write, self._transformer(frozenset(converted))
        out = bytearray()
        try:
            for row in rows:
                write(row, transformer, out)
        except Exception:
            self._find_unwritable(rows, first, frozenset(converted))
            raise
        return out

    def _converted(self, rows: list[Row], first: int) -> dict[int, list[Any]]:
        """The values of the columns in which not all are plain, in another form."""
        converted = {}
        for index, writer in enumerate(self._writers):
            values = list(map(itemgetter(index), rows))
            if not writer.takes(values):
                converted[index] = self._convert(index, values, first)
        return converted

    def _convert(self, index: int, values: list[Any], first: int) -> list[Any]:
        convert = self._writers[index].convert
        made: list[Any] = []
        try:
            for value in values:
                made.append(convert(value))
        except Exception as error:
            self._refuse(first + len(made), index, values[len(made)], error)
        return made

    def _transformer(self, converted: frozenset[int]) -> abc.Transformer:
        """The one whose dumpers write the columns: those that are ``converted`` as raw bytes."""
        known = self._transformers.get(converted)
        if known is None:
            known = self._transformers[converted] = self._made(range(len(self._writers)), converted)
        return known

    def _made(self, columns: Iterable[int], converted: frozenset[int]) -> abc.Transformer:
        transformer = Transformer(self._context)
        if self._is_binary:
            oids = [RAW if index in converted else self._writers[index].oid for index in columns]
            transformer.set_dumper_types(oids, Format.BINARY)
        return transformer

    def _find_unwritable(self, rows: list[Row], first: int, converted: frozenset[int]) -> None:
        """Raises `ParameterError` for the first value that psycopg cannot write."""
        columns = range(len(rows[0]))
        transformers = [self._made([index], converted) for index in columns]
        for number, row in enumerate(rows, first):
            for index, value in enumerate(row):
                try:
                    self._write([value], transformers[index], bytearray())
                except Exception as error:
                    self._refuse(number, index, value, error)

    def _refuse(self, number: int, index: int, value: Any, error: Exception) -> NoReturn:
        if isinstance(error, NoBinaryFormError):
            reason = str(error)
        elif isinstance(error, Misfit):
            reason = "which it does not take"
        else:
            reason = f"which cannot be written ({type(error).__name__})"
        column = self._columns[index] if index < len(self._columns) else None
        place = f"{column.name} is {column.type}" if column else f"value {index}"
        problem = f"row {number}: {place}, and {given(type(value))}, {reason}"
        raise ParameterError(self._query, [problem]) from error


def _with_drivers_dumpers(adapters: AdaptersMap) -> AdaptersMap:
    """The adapters, of which those for text and raw bytes are psycopg's own in any case."""
    copy = AdaptersMap(adapters)
    copy.register_dumper(bytes, BytesBinaryDumper)
    copy.register_dumper(str, StrBinaryDumper)
    return copy

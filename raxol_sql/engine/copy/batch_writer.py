"""Batches of rows in the text or binary format of COPY."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any, NoReturn

from psycopg import abc, pq
from psycopg.adapt import AdaptersMap, Transformer
from psycopg.pq import Format
from psycopg.types.string import BytesBinaryDumper, StrBinaryDumper

from raxol_sql.engine.copy.binary_forms import BinaryForms, NoBinaryFormError
from raxol_sql.engine.copy.column_writers import (
    RAW,
    TEXT,
    BinaryColumnWriter,
    ColumnWriter,
    TextColumnWriter,
    all_texts_are_plain,
)
from raxol_sql.engine.copy.columns import ColumnInfo
from raxol_sql.engine.copy.row_reader import Row, RowReader
from raxol_sql.engine.core.driver_internals import format_row_binary, format_row_text
from raxol_sql.engine.types.dump.dumper import CannotDump
from raxol_sql.engine.types.dump.factory import DumperFactory
from raxol_sql.engine.types.dump.pg_type import describe_class
from raxol_sql.errors import ParameterError
from raxol_sql.text import CopyShape

# From how many rows on it pays to find out which columns need no look at their values.
_MANY = 200


class BatchWriter:
    """
    A writer of rows in batches; see `RowEncoder`.

    Raises `ParameterError` for a row that does not fit, with its number and column.
    """

    def __init__(
        self, context: abc.AdaptContext, query: str, shape: CopyShape, columns: Sequence[ColumnInfo]
    ) -> None:
        self._query = query
        self._columns = columns
        self._is_binary = shape.format == "binary"
        self._write_row = format_row_binary if self._is_binary else format_row_text
        names = shape.columns or tuple(column.name for column in columns)
        self._reader = RowReader(query, names, by_name=bool(shape.columns))
        self._adapters = context.adapters
        writer = DumperFactory(context)
        if self._is_binary:
            self._context: abc.AdaptContext = _with_drivers_dumpers(context.adapters)
            forms = BinaryForms(writer, context.adapters)
            self._writers: list[ColumnWriter] = [
                BinaryColumnWriter(forms, context.adapters, column) for column in columns
            ]
        else:
            self._context = context
            self._writers = [TextColumnWriter(writer, column) for column in columns]
        self._transformers: dict[frozenset[int], abc.Transformer] = {}

    def write(self, batch: list[Any], first: int) -> bytearray:
        """Return the bytes of the rows in ``batch``; the first has the number ``first``."""
        rows = self._reader.read(batch, first)
        if len(rows) >= _MANY and self._trusted:
            try:
                return self._encode(rows, self._convert_columns(rows, first, self._trusted))
            except Exception:
                self._trusted = frozenset()
        converted = self._convert_columns(rows, first)
        try:
            return self._encode(rows, converted)
        except Exception:
            self._find_unwritable(rows, first, converted.keys())
            raise

    @cached_property
    def _trusted(self) -> frozenset[int]:
        """
        The columns whose values need no look, because what writes them looks at them itself.

        It is none from the first value on that it refused.
        """
        if self._is_binary and pq.__impl__ != "python" and all_texts_are_plain(self._adapters):
            return frozenset(i for i, column in enumerate(self._writers) if column.oid == TEXT)
        return frozenset()

    def _encode(self, rows: list[Row], converted: Mapping[int, list[Any]]) -> bytearray:
        if converted:
            columns = range(len(self._writers))
            values = [converted.get(index, map(itemgetter(index), rows)) for index in columns]
            rows = list(zip(*values, strict=True))
        write, transformer = self._write_row, self._transformer(frozenset(converted))
        out = bytearray()
        for row in rows:
            write(row, transformer, out)
        return out

    def _convert_columns(
        self, rows: list[Row], first: int, trusted: frozenset[int] = frozenset()
    ) -> dict[int, list[Any]]:
        """The values of the columns in which not all can go as they are, in another form."""
        converted = {}
        for index, writer in enumerate(self._writers):
            if index not in trusted:
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
            known = self._transformers[converted] = self._make(range(len(self._writers)), converted)
        return known

    def _make(self, columns: Iterable[int], converted: Iterable[int]) -> abc.Transformer:
        transformer = Transformer(self._context)
        if self._is_binary:
            oids = [RAW if index in converted else self._writers[index].oid for index in columns]
            transformer.set_dumper_types(oids, Format.BINARY)
        return transformer

    def _find_unwritable(self, rows: list[Row], first: int, converted: Iterable[int]) -> None:
        """Raise the error for the first value that psycopg cannot write."""
        transformers = [self._make([index], converted) for index in range(len(rows[0]))]
        for number, row in enumerate(rows, first):
            for index, value in enumerate(row):
                if index in converted:
                    continue
                try:
                    self._write_row([value], transformers[index], bytearray())
                except Exception as error:
                    self._refuse(number, index, value, error)

    def _refuse(self, number: int, index: int, value: Any, error: Exception) -> NoReturn:
        if isinstance(error, NoBinaryFormError):
            reason = str(error)
        elif isinstance(error, CannotDump):
            _, _, hint = str(error).partition(": ")
            reason = "which it does not accept" + (f": {hint}" if hint else "")
        else:
            reason = f"which cannot be written ({type(error).__name__})"
        column = self._columns[index] if index < len(self._columns) else None
        place = f"{column.name} is {column.type}" if column else f"value {index}"
        problem = f"row {number}: {place}, and {describe_class(type(value))}, {reason}"
        raise ParameterError(self._query, [problem]) from error


def _with_drivers_dumpers(adapters: AdaptersMap) -> AdaptersMap:
    """The adapters, of which those for text and raw bytes are psycopg's own in any case."""
    copy = AdaptersMap(adapters)
    copy.register_dumper(bytes, BytesBinaryDumper)
    copy.register_dumper(str, StrBinaryDumper)
    return copy

"""Decoding of the rows of a COPY ... TO STDOUT; each message is a row."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg import abc
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus, Format
from psycopg.pq.misc import PGresAttDesc

from raxol_sql.engine.copy.encoder import HEADER, TRAILER
from raxol_sql.engine.core.driver_internals import parse_row_binary, parse_row_text
from raxol_sql.engine.types.formats import Loading
from raxol_sql.errors import QueryKindError
from raxol_sql.text import CopyShape

T = TypeVar("T")

# The type of which psycopg makes a str, whatever loaders there are for others.
_UNKNOWN = 0
# The header may come alone, or with the first row; the trailer comes after the last.
_NO_ROW = (b"", TRAILER)


def check_rows_out(query: str, shape: CopyShape, *, names_result: bool) -> None:
    """Raise `QueryKindError` for a COPY whose rows are available only as bytes."""
    if shape.format == "csv" or shape.layout:
        raise QueryKindError(
            query, f"this COPY sends {shape.look}: give copy() a binary file to write to"
        )
    if shape.format == "binary" and not names_result:
        problem = "this COPY sends binary: give copy() a binary file to write to, or name a record"
        raise QueryKindError(query, f"{problem} in its header, as in :copy -> User")


async def read_texts(
    context: abc.AdaptContext, pieces: AsyncIterable[bytes]
) -> list[tuple[str | None, ...]]:
    """Yield the rows of a COPY in text format, as texts."""
    rows: list[tuple[str | None, ...]] = []
    async for piece in pieces:
        if not rows:
            count = piece.count(b"\t") + 1
            transformer = _transformer(context, [_UNKNOWN] * count, Format.TEXT)
        rows.append(parse_row_text(piece, transformer))
    return rows


class RowDecoder:
    """
    A decoder of rows of a COPY in text or binary format, whose columns have the types ``oids``.

    Loaders that the program has registered on the connection are used. Raises `QueryKindError` for
    a column that cannot be read in binary, such as an unregistered enum. Made for one COPY; belongs
    to the holder of the connection.
    """

    def __init__(
        self,
        context: abc.AdaptContext,
        query: str,
        shape: CopyShape,
        names: Sequence[str],
        oids: Sequence[int],
    ) -> None:
        self._is_binary = shape.format == "binary"
        format = Format.BINARY if self._is_binary else Format.TEXT
        if self._is_binary:
            _check_binary(context, query, names, oids)
        self._transformer = _transformer(context, oids, format)

    async def read(
        self, pieces: AsyncIterable[bytes], build: Callable[[tuple[Any, ...]], T]
    ) -> list[T]:
        """
        Yield what ``build`` makes of each row.

        Raises `psycopg.DataError` for a value that Python cannot represent, with the number of its
        row, counting from 0, in a note.
        """
        parse = parse_row_binary if self._is_binary else parse_row_text
        transformer = self._transformer
        records: list[T] = []
        begun = not self._is_binary
        async for piece in pieces:
            if not begun:
                piece, begun = _without_header(piece), True
            if self._is_binary and piece in _NO_ROW:
                continue
            try:
                records.append(build(parse(piece, transformer)))
            except psycopg.DataError as error:
                error.add_note(f"in row {len(records)} of the COPY")
                raise
        return records


def _transformer(context: abc.AdaptContext, oids: Sequence[int], format: Format) -> abc.Transformer:
    """The loaders for rows of these types, which psycopg counts by the columns of a result."""
    assert context.connection is not None
    result = context.connection.pgconn.make_empty_result(ExecStatus.TUPLES_OK)
    result.set_attributes([PGresAttDesc(b"", 0, 0, format, oid, -1, -1) for oid in oids])
    transformer = Transformer(context)
    transformer.set_pgresult(result, set_loaders=False)
    transformer.set_loader_types(oids, format)
    return transformer


def _without_header(piece: bytes) -> bytes:
    if not piece.startswith(HEADER):
        raise psycopg.DataError(
            "the data of this COPY is not in binary format, or in an unknown version of it"
        )
    return piece[len(HEADER) :]


def _check_binary(
    context: abc.AdaptContext, query: str, names: Sequence[str], oids: Sequence[int]
) -> None:
    loading = Loading(context.adapters)
    unreadable = [
        name
        for name, oid in zip(names, oids, strict=True)
        if loading.format([oid]) is not Format.BINARY
    ]
    if unreadable:
        listed = ", ".join(unreadable)
        raise QueryKindError(
            query, f"cannot read these columns in binary: {listed}; use (format text)"
        )

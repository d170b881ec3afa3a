"""What a caller hands to a COPY, as rows in the order of its columns or as blocks of bytes."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, BinaryIO

import attrs

from raxol_sql.errors import KindError, ParameterError
from raxol_sql.text import CopyShape

Row = tuple[Any, ...]
CopyData = bytes | BinaryIO | Iterable[Any] | AsyncIterable[Any]

BLOCK = 64 * 1024


def ready_blocks(query: str, data: CopyData) -> AsyncIterator[bytes] | None:
    """
    ``data`` in blocks, if it is bytes or a binary file; None if it is rows.

    Raises TypeError for text, and, when a block of it is read, for a file that gives text.
    """
    if isinstance(data, (bytes, bytearray, memoryview)):
        return _blocks([bytes(data)])
    if isinstance(data, str):
        raise TypeError(f"{query}: copy() takes bytes, a binary file or rows; not a str")
    if hasattr(data, "read"):
        file: Any = data
        return _blocks(iter(lambda: _read(query, file), b""))
    return None


def check_rows_in(query: str, shape: CopyShape) -> None:
    """Raises `KindError` for a COPY that takes its data as bytes only."""
    if shape.format == "csv" or shape.layout:
        raise KindError(
            query, f"this COPY reads {shape.look}: hand copy() bytes or a binary file of it"
        )


def blocks_or_rows(query: str, shape: CopyShape, data: CopyData) -> AsyncIterator[Row | bytes]:
    """
    ``data`` piece by piece: bytes and binary files as blocks, everything else as rows.

    A row is a sequence in the order of the columns, a mapping by column, or an attrs record with
    a field for each column. Raises `ParameterError` for a row that does not fit, counting from 0.
    """
    blocks = ready_blocks(query, data)
    if blocks is not None:
        return blocks
    if shape.format != "text":
        raise KindError(
            query, f"this COPY reads {shape.format}: hand copy() bytes or a binary file of it"
        )
    return _rows(query, shape.columns, data)


async def _blocks(blocks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for block in blocks:
        yield block


def _read(query: str, file: BinaryIO) -> bytes:
    block = file.read(BLOCK)
    if not isinstance(block, bytes):
        raise TypeError(f"{query}: open the file for copy() in binary mode, as in open(path, 'rb')")
    return block


async def _rows(
    query: str, columns: tuple[str, ...], rows: Iterable[Any] | AsyncIterable[Any]
) -> AsyncIterator[Row | bytes]:
    if isinstance(rows, AsyncIterable):
        index = 0
        async for row in rows:
            yield _row(query, columns, row, index)
            index += 1
        return
    for index, row in enumerate(rows):
        yield _row(query, columns, row, index)


def _row(query: str, columns: tuple[str, ...], row: Any, index: int) -> Row:
    if isinstance(row, Mapping):
        given: Any = row.keys()
        read: Any = row.__getitem__
    elif attrs.has(type(row)):
        given = [name for name in columns if hasattr(row, name)]
        read = row.__getattribute__
    elif isinstance(row, Sequence) and not isinstance(row, (str, bytes)):
        if columns and len(row) != len(columns):
            problem = f"has {len(row)} values for {len(columns)} columns: {', '.join(columns)}"
            raise ParameterError(query, [f"row {index} {problem}"])
        return tuple(row)
    else:
        raise ParameterError(query, [f"row {index} is a {type(row).__name__}, and no row"])
    if not columns:
        raise ParameterError(query, ["write the columns into the COPY to give rows by name"])
    problems = [f"row {index} has no {name}" for name in columns if name not in given]
    problems += [
        f"row {index} has {name}, which is no column" for name in given if name not in columns
    ]
    if problems:
        raise ParameterError(query, problems)
    return tuple([read(name) for name in columns])

"""The data that a caller gives to a COPY: bytes, in blocks, or rows."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any, BinaryIO

from raxol_sql.errors import QueryKindError
from raxol_sql.text import CopyShape

CopyData = bytes | BinaryIO | Iterable[Any] | AsyncIterable[Any]

BLOCK = 64 * 1024


def iter_blocks(query: str, data: CopyData) -> AsyncIterator[bytes] | None:
    """
    Return ``data`` in blocks if it is bytes or a binary file, None if it is rows.

    Raises TypeError for text, and, when a block is read, for a file opened in text mode.
    """
    if isinstance(data, (bytes, bytearray, memoryview)):
        return _blocks(_slices(bytes(data)))
    if isinstance(data, str):
        raise TypeError(f"{query}: copy() takes bytes, a binary file or rows, not a str")
    if hasattr(data, "read"):
        file: Any = data
        return _blocks(iter(lambda: _read(query, file), b""))
    return None


def check_rows_in(query: str, shape: CopyShape) -> None:
    """Raise `QueryKindError` for a COPY that takes only bytes."""
    if shape.format == "csv" or shape.layout:
        raise QueryKindError(
            query, f"this COPY reads {shape.look}: give copy() bytes or a binary file in it"
        )


async def _blocks(blocks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for block in blocks:
        yield block


def _slices(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), BLOCK):
        yield data[start : start + BLOCK]


def _read(query: str, file: BinaryIO) -> bytes:
    block = file.read(BLOCK)
    if not isinstance(block, bytes):
        raise TypeError(f"{query}: open the file for copy() in binary mode, as in open(path, 'rb')")
    return block

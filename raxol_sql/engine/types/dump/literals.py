"""Literals of arrays, composites, ranges and multiranges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from psycopg.types.range import Range

from raxol_sql.engine.types.dump.dumper import Data, Text


def array_literal(items: Iterable[Text], dimensions: Sequence[int], delimiter: bytes) -> bytes:
    """Return the literal of an array, given its dimensions and all items in one list."""
    tokens = [b"NULL" if item is None else _quote(item) for item in items]
    if not tokens:
        return b"{}"
    for size in reversed(dimensions):
        rows = [tokens[start : start + size] for start in range(0, len(tokens), size)]
        tokens = [b"{" + delimiter.join(row) + b"}" for row in rows]
    return tokens[0]


def record_literal(fields: Iterable[Text]) -> bytes:
    """Return the literal of a composite."""
    return b"(" + b",".join([b"" if field is None else _quote(field) for field in fields]) + b")"


def range_literal(value: Range[Any], bound: Callable[[Any], Text]) -> bytes:
    """Return the literal of a range; ``bound`` returns the text of a bound."""
    if value.isempty:
        return b"empty"
    lower, upper = [
        b"" if text is None else _quote(text) for text in (bound(value.lower), bound(value.upper))
    ]
    opening, closing = b"[" if value.lower_inc else b"(", b"]" if value.upper_inc else b")"
    return opening + lower + b"," + upper + closing


def multirange_literal(value: Iterable[Range[Any]], bound: Callable[[Any], Text]) -> bytes:
    """Return the literal of a multirange."""
    return b"{" + b",".join([range_literal(one, bound) for one in value]) + b"}"


def _quote(text: Data) -> bytes:
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'

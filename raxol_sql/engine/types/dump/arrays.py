"""Lists as arrays."""

from __future__ import annotations

import struct
from typing import Any

import attrs

from raxol_sql.engine.types.dump.dumper import (
    BINARY,
    TEXT,
    CannotDump,
    Data,
    Dumped,
    ValueDumper,
    ValueDumpers,
)
from raxol_sql.engine.types.dump.literals import array_literal

_pack_head = struct.Struct("!III").pack
_pack_dimension = struct.Struct("!II").pack
_pack_length = struct.Struct("!i").pack
_NULL = b"\xff\xff\xff\xff"
_MOST_DIMENSIONS = 6


@attrs.frozen(eq=False, repr=False)
class ArrayDumper:
    """
    The elements of an array.

    ``raw`` elements have the same bytes in either format; ``nests`` are the classes whose values in
    a list form another dimension; ``packed`` is the class of numbers that can be written all at
    once, with their format in `struct`.
    """

    oid: int
    forms: ValueDumpers
    delimiter: bytes
    raw: bool
    nests: tuple[type, ...]
    packed: tuple[type, str] | None = None


def array(elements: ArrayDumper) -> ValueDumper:
    """Return the dumper for lists, tuples and sets; binary if every element is."""

    def dump(value: Any) -> Dumped:
        dimensions, items = _flatten(value, elements.nests)
        dumped = _binary(elements, dimensions, items) if elements.oid else None
        if dumped is not None:
            return dumped, BINARY
        return _text(elements, dimensions, items), TEXT

    def text(value: Any) -> bytes:
        return _text(elements, *_flatten(value, elements.nests))

    return ValueDumper(dump, text)


def _flatten(value: Any, nests: tuple[type, ...]) -> tuple[list[int], list[Any]]:
    """Return the size of each dimension, and all items in one list."""
    items = list(value)
    dimensions = [len(items)]
    while any(issubclass(kind, nests) for kind in set(map(type, items))):
        sizes = {len(item) if issubclass(type(item), nests) else None for item in items}
        size = sizes.pop()
        if sizes or size is None:
            raise CannotDump("the lists within a list must have the same length")
        if not size:  # every empty array is the same, whatever its dimensions
            return [0], []
        dimensions.append(size)
        if len(dimensions) > _MOST_DIMENSIONS:
            raise CannotDump(f"an array has at most {_MOST_DIMENSIONS} dimensions")
        items = [inner for item in items for inner in item]
    return dimensions, items


def _binary(elements: ArrayDumper, dimensions: list[int], items: list[Any]) -> bytes | None:
    if not items:
        return _pack_head(0, 0, elements.oid)
    sizes = [_pack_dimension(size, 1) for size in dimensions]
    if (packed := _pack_numbers(elements, items)) is not None:
        return b"".join([_pack_head(len(dimensions), 0, elements.oid), *sizes, packed])
    forms, raw = elements.forms, elements.raw
    parts: list[Data] = [b"", *sizes]
    nulls = 0
    for item in items:
        data, format = forms[type(item)](item)
        if data is None:
            nulls = 1
            parts.append(_NULL)
        elif format == BINARY or raw:
            parts.append(_pack_length(len(data)))
            parts.append(data)
        else:
            return None
    parts[0] = _pack_head(len(dimensions), nulls, elements.oid)
    return b"".join(parts)


def _pack_numbers(elements: ArrayDumper, items: list[Any]) -> bytes | None:
    """Pack numbers of one class, each after its length; None if they are not, or out of range."""
    if elements.packed is None or set(map(type, items)) != {elements.packed[0]}:
        return None
    code = elements.packed[1]
    numbers = [struct.calcsize(f"!{code}")] * (2 * len(items))
    numbers[1::2] = items
    try:
        return struct.pack("!" + f"i{code}" * len(items), *numbers)
    except struct.error:
        return None


def _text(elements: ArrayDumper, dimensions: list[int], items: list[Any]) -> bytes:
    texts = [elements.forms.text(item) for item in items]
    return array_literal(texts, dimensions, elements.delimiter)

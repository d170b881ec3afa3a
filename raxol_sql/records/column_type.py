"""The type of a column, as far as it decides what a field can take."""

from __future__ import annotations

import enum

import attrs


class TypeKind(enum.Enum):
    """
    What values of a type are before a field has its say.

    TEXT is a type whose values come as their texts, as those of a full-text vector do. OWN is one
    that the program has a loader for, so that nothing is known of its values.
    """

    VALUE = "value"
    TEXT = "text"
    ENUM = "enum"
    COMPOSITE = "composite"
    ARRAY = "array"
    RANGE = "range"
    MULTIRANGE = "multirange"
    JSON = "json"
    OWN = "own"


@attrs.frozen
class ColumnType:
    """
    A type of the server, and the Python values that come of it.

    ``name`` is the one in SQL. ``classes`` are those of the values, where they are known; ``part``
    is the type of the elements of an array, of the bounds of a range or of the ranges of a
    multirange. ``labels`` are those of an enum, ``fields`` the attributes of a composite.
    """

    kind: TypeKind
    name: str
    classes: tuple[type, ...] = ()
    part: ColumnType | None = None
    labels: tuple[str, ...] = ()
    fields: tuple[tuple[str, ColumnType], ...] = ()

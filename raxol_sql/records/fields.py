"""The fields of a record, as the columns of a row see them."""

from __future__ import annotations

import types
import typing
from typing import Any

import attrs


@attrs.frozen
class Field:
    """
    A field that a column can fill.

    ``name`` is the name that the record's constructor takes: a private ``_token`` is ``token``.
    ``record`` is the attrs class in its type, if there is one, and ``nullable`` whether its type
    allows None.
    """

    name: str
    required: bool
    annotation: str
    record: type | None
    nullable: bool


def fields_of(record: type) -> dict[str, Field]:
    """The fields of an attrs class that its constructor takes, by name, in their order."""
    hints = _hints(record)
    fields = {}
    for attribute in attrs.fields(record):
        if not attribute.init:
            continue
        name = attribute.alias or attribute.name
        hint = hints.get(attribute.name, attribute.type)
        members = _members(hint)
        fields[name] = Field(
            name=name,
            required=attribute.default is attrs.NOTHING,
            annotation=getattr(hint, "__name__", str(hint)),
            record=next((member for member in members if _is_record(member)), None),
            nullable=type(None) in members or hint is Any or hint is None,
        )
    return fields


def _hints(record: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(record)
    except NameError:
        # A name that only a type checker sees: the types stay as they are written, which is
        # enough for every field that holds no record.
        return {}


def _members(hint: Any) -> tuple[Any, ...]:
    """The types in a union, or the type itself."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def _is_record(member: Any) -> bool:
    return isinstance(member, type) and attrs.has(member)

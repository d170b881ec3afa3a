"""The fields of a record that columns can fill, and their types."""

from __future__ import annotations

import enum
import sys
import types
import typing
from typing import Any
from weakref import WeakKeyDictionary

import attrs

from raxol_sql.records.names import argument_name

_known_hints: WeakKeyDictionary[type, dict[str, Any]] = WeakKeyDictionary()


@attrs.frozen
class Field:
    """
    A field that a column can fill.

    ``name`` is the name of its argument in the constructor: a private ``_token`` is ``token``.
    ``record`` is the attrs class in its type, if any, ``sequence`` the list or tuple in it, and
    ``item`` the attrs class of the items of that; ``nullable`` is whether its type, the ``hint``,
    allows None, and ``converts`` whether the field has a converter that takes the value.
    """

    name: str
    required: bool
    annotation: str
    record: type | None
    nullable: bool
    item: type | None = None
    sequence: type | None = None
    hint: Any = None
    converts: bool = False

    @property
    def holds_records(self) -> bool:
        """Return whether the field can hold records, one or many."""
        return self.record is not None or self.item is not None


def fields_of(record: type) -> dict[str, Field]:
    """Return the fields that the constructor of an attrs class takes, by name, in their order."""
    hints = hints_of(record)
    fields = {}
    for attribute in attrs.fields(record):
        if not attribute.init:
            continue
        name = argument_name(attribute)
        hint = hints.get(attribute.name, attribute.type)
        members = _members(hint)
        item, sequence = _sequence_of(members)
        fields[name] = Field(
            name=name,
            required=attribute.default is attrs.NOTHING,
            annotation=_format_hint(hint),
            record=next((member for member in members if _is_record(member)), None),
            nullable=type(None) in members or hint is Any or hint is None,
            item=item,
            sequence=sequence,
            hint=hint,
            converts=attribute.converter is not None,
        )
    return fields


def _format_hint(hint: Any) -> str:
    is_class = isinstance(hint, type) and typing.get_origin(hint) is None
    return hint.__name__ if is_class else str(hint)


def hints_of(record: type) -> dict[str, Any]:
    """
    Return the types of the fields.

    An annotation that only a type checker can evaluate stays a string, which is enough for every
    field that holds no record; it does not affect the other fields. Evaluating the annotations
    takes longer than the rest of a changeset, so the result is cached for each class, unless an
    annotation may become defined later.
    """
    known = _known_hints.get(record)
    if known is None:
        try:
            known = typing.get_type_hints(record)
        except Exception:  # Evaluating an annotation may raise anything.
            return {one.name: _hint(record, one) for one in attrs.fields(record)}
        _known_hints[record] = known
    return known


def _hint(record: type, attribute: attrs.Attribute[Any]) -> Any:
    owner = next((base for base in record.__mro__ if _defines(base, attribute.name)), record)
    alone = types.SimpleNamespace(__annotations__={attribute.name: attribute.type})
    try:
        return typing.get_type_hints(alone, vars(sys.modules[owner.__module__]))[attribute.name]
    except Exception:
        return attribute.type


def _defines(base: type, name: str) -> bool:
    if not attrs.has(base):
        return False
    # The type stubs of attrs leave `inherited` out.
    return not getattr(attrs.fields_dict(base).get(name), "inherited", True)


def is_union(hint: Any) -> bool:
    """Return whether a type hint is a union."""
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def type_behind(hint: Any) -> Any:
    """Return the type behind ``Annotated``, ``NewType`` or a type alias."""
    while True:
        if typing.get_origin(hint) is typing.Annotated:
            hint = typing.get_args(hint)[0]
            continue
        behind = getattr(hint, "__supertype__", None) or getattr(hint, "__value__", None)
        if behind is None or isinstance(hint, enum.EnumMeta):
            return hint
        hint = behind


def _members(hint: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the type itself."""
    return typing.get_args(hint) if is_union(hint) else (hint,)


def _sequence_of(members: tuple[Any, ...]) -> tuple[type | None, type | None]:
    """Return the record class of the items, if any, and the list or tuple among ``members``."""
    found: tuple[type | None, type | None] = (None, None)
    for member in members:
        kind, arguments = typing.get_origin(member) or member, typing.get_args(member)
        if kind not in (list, tuple):
            continue
        sequence = list if kind is list else tuple
        is_many = kind is list or arguments[1:] == (Ellipsis,)
        if is_many and arguments and _is_record(arguments[0]):
            return arguments[0], sequence
        found = (None, sequence)
    return found


def _is_record(member: Any) -> bool:
    return isinstance(member, type) and attrs.has(member)

"""The fields of a record, as the columns of a row see them."""

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

    ``name`` is the name that the record's constructor takes: a private ``_token`` is ``token``.
    ``record`` is the attrs class in its type, if there is one, ``sequence`` the list or tuple in
    it, and ``item`` the attrs class that this is of; ``nullable`` says whether its type, the
    ``hint``, allows None, and ``converts`` whether the field's converter takes the value.
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
        """Whether records can be in it, one or many."""
        return self.record is not None or self.item is not None


def fields_of(record: type) -> dict[str, Field]:
    """The fields of an attrs class that its constructor takes, by name, in their order."""
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
            annotation=_written(hint),
            record=next((member for member in members if _is_record(member)), None),
            nullable=type(None) in members or hint is Any or hint is None,
            item=item,
            sequence=sequence,
            hint=hint,
            converts=attribute.converter is not None,
        )
    return fields


def _written(hint: Any) -> str:
    is_class = isinstance(hint, type) and typing.get_origin(hint) is None
    return hint.__name__ if is_class else str(hint)


def hints_of(record: type) -> dict[str, Any]:
    """
    The types of the fields.

    One that says what only a type checker understands stays as it is written, which is enough
    for every field that holds no record; it takes nothing from the others. To evaluate them takes
    longer than all else of a changeset, so those of a class are kept, unless one may yet come to
    mean something.
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
    # The types that attrs ships leave `inherited` out.
    return not getattr(attrs.fields_dict(base).get(name), "inherited", True)


def is_union(hint: Any) -> bool:
    """Whether a type hint has alternatives."""
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def type_behind(hint: Any) -> Any:
    """What a hint with annotations, a new type or the name of a type stands for."""
    while True:
        if typing.get_origin(hint) is typing.Annotated:
            hint = typing.get_args(hint)[0]
            continue
        behind = getattr(hint, "__supertype__", None) or getattr(hint, "__value__", None)
        if behind is None or isinstance(hint, enum.EnumMeta):
            return hint
        hint = behind


def _members(hint: Any) -> tuple[Any, ...]:
    """The types in a union, or the type itself."""
    return typing.get_args(hint) if is_union(hint) else (hint,)


def _sequence_of(members: tuple[Any, ...]) -> tuple[type | None, type | None]:
    """The list or tuple among ``members``, after the record that all of its items are, if so."""
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

"""Records out of the JSON that a query puts together."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from typing import Any

from raxol_sql.errors import RecordError
from raxol_sql.records.casting import CastError, caster_of
from raxol_sql.records.constructor import initialiser, is_generated
from raxol_sql.records.fields import Field, fields_of

Read = Callable[[Any], Any]

# What the driver makes of JSON. A composite type that it makes a record of comes as that.
_OF_JSON = (dict, list, str, int, float, bool)


class _MisfitError(Exception):
    """JSON that does not fit, and where in the value that is."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.place = ""


def json_reader(
    fail: Callable[[str], RecordError], column: str, field: Field, *, validate: bool
) -> Read:
    """
    The function from the value of a ``column`` to that of a ``field`` which holds records.

    JSON is made into the records that the field's type says, with values of their fields' types;
    what comes as a record already stays as it is, as NULL does, unless it stands for a list that
    may not be None. Raises what ``fail`` makes for JSON that makes no such record, with the place
    in it and without the value. ``validate`` runs the validators of attrs.
    """
    cast = _reader(field.hint, validate, {})
    wants_list = field.item is not None and not field.nullable

    def read(value: Any) -> Any:
        if not isinstance(value, _OF_JSON):
            if value is None and wants_list:
                raise fail(
                    f"the column {column!r} is NULL, and its field is {field.annotation}: "
                    "where there is nothing, coalesce(..., '[]') gives an empty list"
                )
            return value
        try:
            return cast(value)
        except _MisfitError as error:
            place, problem = error.place.removeprefix(".") or "it", str(error)
        # Not inside of the block, where the error of a cast would be told along.
        raise fail(
            f"the JSON in the column {column!r} makes no {field.annotation}: {place} is {problem}"
        )

    return read


def _reader(hint: Any, validate: bool, known: dict[type, Read]) -> Read:
    """The function from JSON to a type, which raises `_MisfitError`."""
    members = typing.get_args(hint) if _is_union(hint) else (hint,)
    solid = [member for member in members if member is not type(None)]
    if len(solid) != 1:
        return _leaf(hint)
    (only,) = solid
    kind, arguments = typing.get_origin(only), typing.get_args(only)
    if kind is list or (kind is tuple and arguments[1:] == (Ellipsis,)):
        read = _items(kind, _reader(arguments[0], validate, known))
    elif isinstance(only, type) and hasattr(only, "__attrs_attrs__"):
        read = known.get(only) or _record(only, validate, known)
    else:
        return _leaf(hint)
    if len(members) == 1:
        return read
    return lambda value: None if value is None else read(value)


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _items(kind: type, read: Read) -> Read:
    def read_items(value: Any) -> Any:
        if not isinstance(value, list):
            raise _MisfitError("no list" if value is not None else "null, and no list")
        items = []
        for number, item in enumerate(value):
            try:
                items.append(read(item))
            except _MisfitError as error:
                error.place = f"[{number}]{error.place}"
                raise
        return kind(items)

    return read_items


def _record(record: type, validate: bool, known: dict[type, Read]) -> Read:
    fields = fields_of(record)
    needed = [name for name, field in fields.items() if field.required]
    make = _maker(record, validate)
    reads: dict[str, Read] = {}

    def read(value: Any) -> Any:
        if value is not None and not isinstance(value, _OF_JSON):
            return value
        if not isinstance(value, dict):
            raise _MisfitError(f"no object{', but null' if value is None else ''}")
        missing = [name for name in needed if name not in value]
        if missing:
            raise _MisfitError(f"an object without {', '.join(missing)}")
        values = {}
        for name, inner in value.items():
            if name not in reads:
                # A name may come from a value, so it is not shown.
                raise _MisfitError(
                    f"an object with a name that is no field of {record.__name__}, "
                    f"which has {', '.join(reads)}"
                )
            try:
                values[name] = reads[name](inner)
            except _MisfitError as error:
                error.place = f".{name}{error.place}"
                raise
        return make(**values)

    # Before its fields are looked at, which may hold records of the same class.
    known[record] = read
    reads.update({name: _reader(one.hint, validate, known) for name, one in fields.items()})
    return read


def _maker(record: type, validate: bool) -> Callable[..., Any]:
    """What makes a record of its values, without validators unless they are asked for."""
    if validate or not is_generated(record):
        return record
    initialise = initialiser(record)

    def make(**values: Any) -> Any:
        made: Any = object.__new__(record)
        initialise(made, **values)
        return made

    return make


def _leaf(hint: Any) -> Read:
    cast = caster_of(hint)
    shown = hint.__name__ if type(hint) is type else str(hint)

    def read(value: Any) -> Any:
        try:
            return cast(value)
        except CastError:
            more = "; a number with more than 15 digits is exact only as text: amount::text"
            is_long = isinstance(value, float) and "Decimal" in shown
            raise _MisfitError(f"no {shown}{more if is_long else ''}") from None

    return read

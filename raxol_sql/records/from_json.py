"""Records from the JSON that a query aggregates."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any

from raxol_sql.errors import RecordError
from raxol_sql.records.casting import CastError, caster_of
from raxol_sql.records.constructor import initialiser, is_generated
from raxol_sql.records.fields import Field, fields_of, is_union
from raxol_sql.records.json_text import JsonText

Read = Callable[[Any], Any]

# What the driver returns for JSON. A composite type registered as a record arrives as that record.
_OF_JSON = (dict, list, str, int, float, bool)


class MisfitError(Exception):
    """A value that does not fit a field, with its place in the JSON and a description of it."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.place = ""


def json_reader(
    fail: Callable[[str], RecordError], column: str, field: Field, *, validate: bool
) -> Read:
    """
    Return the function from the value of a ``column`` to that of a ``field`` that holds records.

    The function converts JSON to the records in the field's type, and their values to the types
    of their fields. A value that is a record already stays as it is, and so does NULL, unless the
    field is a list that cannot be None. It raises the error that ``fail`` makes for JSON that
    does not fit, with the place in it and without the value. ``validate`` runs the validators of
    attrs.
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
            return cast(str(value) if isinstance(value, JsonText) else value)
        except MisfitError as error:
            place, problem = error.place.removeprefix(".") or "it", str(error)
        # Outside of the except block, so that the error of the cast is not its context.
        raise fail(
            f"the JSON in the column {column!r} makes no {field.annotation}: {place} is {problem}"
        )

    return read


def _reader(hint: Any, validate: bool, known: dict[type, Read]) -> Read:
    """Return the function from JSON to a type, which raises `MisfitError`."""
    members = typing.get_args(hint) if is_union(hint) else (hint,)
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


def plain_json(hint: Any, *, validate: bool) -> Read | None:
    """
    Return the function from a JSON value of the driver to a type; None if the type accepts all.

    It raises `MisfitError`. An object that the program's own JSON loader made stays as it is.
    """
    if hint in (Any, object, None):
        return None
    kind, arguments = typing.get_origin(hint) or hint, typing.get_args(hint)
    if (
        kind in (dict, list)
        and all(one in (Any, object) for one in arguments[-1:])
        and (kind is list or arguments[:1] in ((), (str,), (Any,)))
    ):
        # Without checking each value: there may be very many.
        return lambda value: _instance(kind, value)
    if _takes_text(hint):
        # So that it is written as the same JSON again.
        keep: tuple[type, ...] = (JsonText,)
    else:
        keep = ()
    cast = _reader(hint, validate, {})

    def read(value: Any) -> Any:
        if isinstance(value, keep) or not isinstance(value, _OF_JSON):
            return value
        return cast(str(value) if isinstance(value, JsonText) else value)

    return read


def _takes_text(hint: Any) -> bool:
    return hint is str or (is_union(hint) and str in typing.get_args(hint))


def _instance(kind: type, value: Any) -> Any:
    if isinstance(value, _OF_JSON) and not isinstance(value, kind):
        raise MisfitError(f"no {'object' if kind is dict else 'list'}")
    return value


def _items(kind: type, read: Read) -> Read:
    def read_items(value: Any) -> Any:
        if not isinstance(value, list):
            raise MisfitError("no list" if value is not None else "null, and no list")
        items = []
        for number, item in enumerate(value):
            try:
                items.append(read(item))
            except MisfitError as error:
                error.place = f"[{number}]{error.place}"
                raise
        return kind(items)

    return read_items


def _record(record: type, validate: bool, known: dict[type, Read]) -> Read:
    fields = fields_of(record)
    needed = [name for name, field in fields.items() if field.required]
    make = make_of(record, validate)
    reads: dict[str, Read] = {}

    def read(value: Any) -> Any:
        if value is not None and not isinstance(value, _OF_JSON):
            return value
        if not isinstance(value, dict):
            raise MisfitError(f"no object{', but null' if value is None else ''}")
        missing = [name for name in needed if name not in value]
        if missing:
            raise MisfitError(f"an object without {', '.join(missing)}")
        values = {}
        for name, inner in value.items():
            if name not in reads:
                # The name may come from data, so the message does not show it.
                raise MisfitError(
                    f"an object with a name that is no field of {record.__name__}, "
                    f"which has {', '.join(reads)}"
                )
            try:
                values[name] = reads[name](inner)
            except MisfitError as error:
                error.place = f".{name}{error.place}"
                raise
        return make(**values)

    # Before the fields are read, which may hold records of the same class.
    known[record] = read
    reads.update({name: _reader(one.hint, validate, known) for name, one in fields.items()})
    return read


def make_of(record: type, validate: bool) -> Callable[..., Any]:
    """Return the function that makes a record of its values, with validators if ``validate``."""
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
            raise MisfitError(f"no {shown}{more if is_long else ''}") from None

    return read

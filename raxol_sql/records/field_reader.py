"""Conversion of the values of columns to the types of fields."""

from __future__ import annotations

import enum
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs

from raxol_sql.errors import RecordError, with_article
from raxol_sql.records.column_type import ColumnType, TypeKind
from raxol_sql.records.fields import Field, fields_of, is_union, type_behind
from raxol_sql.records.from_json import MisfitError, json_reader, make_of, plain_json

Read = Callable[[Any], Any]

_NONE = type(None)
_TYPE = type
_ANYTHING = (Any, object, None, type(None))
_LISTS = (list, Sequence, Iterable)
_RANGES = (TypeKind.RANGE, TypeKind.MULTIRANGE)
_TEXTS = (TypeKind.TEXT, TypeKind.ENUM)


class UnfitError(Exception):
    """A field whose type cannot hold the values of its column; the message says why, and a fix."""


def field_reader(
    fail: Callable[[str], RecordError],
    column: str,
    field: Field,
    type: ColumnType | None,
    *,
    validate: bool,
) -> Read | None:
    """
    Return the function from the value of a ``column`` to that of a ``field``; None if it is equal.

    If the ``type`` of the column is not known, only JSON is converted to records. Raises the error
    that ``fail`` makes if no value of the column fits the type of the field. The function raises
    it for a value that does not fit, with its place and never the value itself. NULL stays None,
    unless the field is a list of records. ``validate`` runs the validators of attrs.
    """
    if field.converts:
        return None
    is_json = type is None or type.kind in (TypeKind.JSON, TypeKind.OWN)
    if is_json and field.holds_records:
        return json_reader(fail, column, field, validate=validate)
    if type is None or type.kind is TypeKind.OWN:
        return None
    try:
        cast = reader_of(field.hint, type, validate=validate)
    except UnfitError as error:
        problem = f"the field {field.name} is {field.annotation}, and the column {column!r} is"
        unfit = fail(f"{problem} {type.name}: {error}, or cast the column in the query")
    else:
        return None if cast is None else _check_type(fail, column, field, type, cast)
    raise unfit


def reader_of(hint: Any, type: ColumnType, *, validate: bool = False) -> Read | None:
    """
    Return the function from values of a type to those of a type hint; None if they are equal.

    The caller does not pass None. Raises `UnfitError` if no value of the type fits the hint; the
    function raises `MisfitError` for a value that does not fit.
    """
    hint = type_behind(hint)
    if hint in _ANYTHING or isinstance(hint, (str, typing.TypeVar, typing.ForwardRef)):
        return None
    if type.kind is TypeKind.OWN:
        return None
    if type.kind is TypeKind.JSON:
        return plain_json(hint, validate=validate)
    if is_union(hint):
        return _one_of(hint, type, validate)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        if type.kind not in (*_TEXTS, TypeKind.VALUE):
            raise UnfitError(_instead(type))
        classes = (str,) if type.kind in _TEXTS else type.classes
        if not any(isinstance(one, classes) for one in arguments):
            raise UnfitError(_instead(type))
        return None
    kind = origin or hint
    if type.kind is TypeKind.ARRAY:
        return _array(kind, arguments, type, validate)
    if type.kind in _RANGES:
        return _range(kind, arguments, type, validate)
    if isinstance(kind, _TYPE) and issubclass(kind, enum.Enum) and not _is_one(type.classes, kind):
        return _enum(kind, type)
    if type.kind is TypeKind.COMPOSITE:
        return _composite(kind, arguments, type, validate)
    classes = (str,) if type.kind in _TEXTS else type.classes
    if kind is float and classes == (int,):
        return None  # as type checkers see it
    if not _is_one(classes, kind):
        raise UnfitError(_instead(type))
    return None


def _check_type(
    fail: Callable[[str], RecordError], column: str, field: Field, type: ColumnType, cast: Read
) -> Read:
    wants_list = field.item is not None and not field.nullable

    def read(value: Any) -> Any:
        if value is None:
            if wants_list:
                raise fail(
                    f"the column {column!r} is NULL, and its field is {field.annotation}: "
                    "where there is nothing, coalesce(..., '{}') gives an empty list"
                )
            return None
        try:
            return cast(value)
        except MisfitError as error:
            place, problem = error.place.removeprefix(".") or "it", str(error)
        # Outside of the except block, so that the error of the cast is not its context.
        what = "JSON" if type.kind is TypeKind.JSON else type.name
        raise fail(
            f"the {what} in the column {column!r} makes no {field.annotation}: {place} is {problem}"
        )

    return read


def _one_of(hint: Any, type: ColumnType, validate: bool) -> Read | None:
    """Return the reader of the first member of a union that needs none, or else that can read."""
    found: list[Read] = []
    unfit: UnfitError | None = None
    for member in typing.get_args(hint):
        if member is _NONE:
            continue
        try:
            cast = reader_of(member, type, validate=validate)
        except UnfitError as error:
            unfit = unfit or error
            continue
        if cast is None:
            return None
        found.append(cast)
    if found:
        return found[0]
    raise unfit or UnfitError(_instead(type))


def _is_one(classes: tuple[type, ...], kind: Any) -> bool:
    """Return whether all these classes are known to be subclasses of ``kind``."""
    try:
        return bool(classes) and all(issubclass(one, kind) for one in classes)
    except TypeError:  # a protocol, or no class at all
        return True


def _instead(type: ColumnType) -> str:
    """Return the remedy: an annotation that fits such a column."""
    if type.kind is TypeKind.ENUM:
        return "annotate it as str, or as an Enum whose values are the labels"
    if type.kind is TypeKind.COMPOSITE:
        fields = ", ".join(name for name, _ in type.fields)
        return f"annotate it as an attrs class with the fields {fields}, or as a tuple"
    if type.kind is TypeKind.ARRAY:
        return f"annotate it as {_describe(type)}"
    if type.kind is TypeKind.TEXT:
        return "its values come as text: annotate it as str, or give the field a converter"
    return f"annotate it as {_describe(type)}"


def _describe(type: ColumnType) -> str:
    if type.kind is TypeKind.ARRAY and type.part is not None:
        return f"list[{_describe(type.part)}]"
    if type.kind is TypeKind.COMPOSITE:
        return "tuple"
    if type.kind in _RANGES:
        return "Range" if type.kind is TypeKind.RANGE else "Multirange"
    return " | ".join(one.__name__ for one in type.classes) or "str"


def _array(kind: Any, arguments: tuple[Any, ...], type: ColumnType, validate: bool) -> Read | None:
    assert type.part is not None
    if kind is tuple and arguments and arguments[1:] != (Ellipsis,):
        raise UnfitError("an array has any number of elements: annotate it as tuple[..., ...]")
    if kind not in (*_LISTS, tuple):
        raise UnfitError(_instead(type))
    item = arguments[0] if arguments else Any
    # The type of an array does not say how many dimensions it has.
    is_nested = type.part.kind is not TypeKind.COMPOSITE and _is_list(item)
    read = reader_of(item, type if is_nested else type.part, validate=validate)
    if read is None:
        return tuple if kind is tuple else None
    make = tuple if kind is tuple else list

    def read_items(values: Any) -> Any:
        return make(_each(values, read))

    return read_items


def _is_list(hint: Any) -> bool:
    hint = type_behind(hint)
    return (typing.get_origin(hint) or hint) in (*_LISTS, tuple)


def _each(values: Any, read: Read) -> list[Any]:
    if not isinstance(values, list):
        raise MisfitError("no list")
    made = []
    for number, one in enumerate(values):
        try:
            made.append(None if one is None else read(one))
        except MisfitError as error:
            error.place = f"[{number}]{error.place}"
            raise
    return made


def _range(kind: Any, arguments: tuple[Any, ...], type: ColumnType, validate: bool) -> Read | None:
    assert type.part is not None
    if not _is_one(type.classes, kind):
        raise UnfitError(_instead(type))
    if not arguments:
        return None
    if type.kind is TypeKind.MULTIRANGE:
        bounds = type.part.part
        assert bounds is not None
        one = _range_reader(reader_of(arguments[0], bounds, validate=validate))
        return None if one is None else lambda value: value.__class__(map(one, value))
    return _range_reader(reader_of(arguments[0], type.part, validate=validate))


def _range_reader(bound: Read | None) -> Read | None:
    if bound is None:
        return None

    def read(value: Any) -> Any:
        if value.isempty:
            return value
        lower, upper = (None if one is None else bound(one) for one in (value.lower, value.upper))
        return value.__class__(lower, upper, value.bounds)

    return read


def _enum(kind: type[enum.Enum], type: ColumnType) -> Read:
    """Return the function from values to the members of an enum."""
    classes = (str,) if type.kind in _TEXTS else type.classes
    known = {member.value: member for member in kind if isinstance(member.value, classes)}
    # A class may accept more values than those of its members, by `_missing_`.
    is_open = "_missing_" in vars(kind) or issubclass(kind, enum.Flag)
    if not is_open and (not known or (type.labels and not known.keys() & set(type.labels))):
        what = "label of the type" if type.labels else f"{_describe(type)}"
        raise UnfitError(f"no member of {kind.__name__} has {with_article(what)} as its value")

    def read(value: Any) -> Any:
        member = known.get(value)
        if member is not None:
            return member
        try:
            return kind(value)
        except ValueError:
            raise MisfitError(f"no value of a member of {kind.__name__}") from None

    return read


def _composite(kind: Any, arguments: tuple[Any, ...], type: ColumnType, validate: bool) -> Read:
    if attrs.has(kind):
        return _record(kind, type, validate)
    if not (isinstance(kind, _TYPE) and issubclass(kind, tuple)):
        raise UnfitError(_instead(type))
    hints: Mapping[str, Any] = getattr(kind, "__annotations__", {}) if kind is not tuple else {}
    if arguments[1:] == (Ellipsis,):
        arguments = arguments[:1] * len(type.fields)
    elif kind is not tuple:
        names = getattr(kind, "_fields", ())
        arguments = tuple(hints.get(name, Any) for name in names)
    if (arguments or kind is not tuple) and len(arguments) != len(type.fields):
        raise UnfitError(f"it has {len(type.fields)} attributes, and the field {len(arguments)}")
    if not arguments:
        arguments = (Any,) * len(type.fields)
    reads = [
        (name, _attribute(name, hint, part, validate))
        for (name, part), hint in zip(type.fields, arguments, strict=True)
    ]
    make: Any = tuple if kind is tuple else getattr(kind, "_make", kind)

    def read(value: Any) -> Any:
        return make(_values(value, reads))

    return read


def _record(record: Any, type: ColumnType, validate: bool) -> Read:
    fields = fields_of(record)
    names = [name for name, _ in type.fields]
    missing = [name for name, one in fields.items() if one.required and name not in names]
    extra = [name for name in names if name not in fields]
    if missing or extra:
        problems = [f"{record.__name__} has no field {name}" for name in extra]
        problems += [f"the type has no attribute {name}" for name in missing]
        raise UnfitError("; ".join(problems))
    reads = [
        (name, None)
        if fields[name].converts
        else (name, _attribute(name, fields[name].hint, part, validate))
        for name, part in type.fields
    ]
    make = make_of(record, validate)

    def read(value: Any) -> Any:
        return make(**dict(zip(names, _values(value, reads), strict=True)))

    return read


def _attribute(name: str, hint: Any, part: ColumnType, validate: bool) -> Read | None:
    try:
        return reader_of(hint, part, validate=validate)
    except UnfitError as error:
        raise UnfitError(f"its attribute {name} is {part.name}: {error}") from None


def _values(value: Any, reads: list[tuple[str, Read | None]]) -> list[Any]:
    if not isinstance(value, tuple) or len(value) != len(reads):
        raise MisfitError("no value of that type, which was altered")
    made = []
    for one, (name, read) in zip(value, reads, strict=True):
        try:
            made.append(one if one is None or read is None else read(one))
        except MisfitError as error:
            error.place = f".{name}{error.place}"
            raise
    return made

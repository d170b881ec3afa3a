"""Casts from the values of JSON or of a form to the type of a field."""

from __future__ import annotations

import datetime as dt
import enum
import math
import re
import types
import typing
import uuid
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

import attrs

from raxol_sql.records.fields import hints_of
from raxol_sql.records.names import argument_name

Cast = Callable[[Any], Any]

_WHOLE = re.compile(r"[+-]?[0-9]{1,1000}", re.ASCII)
_TRUE_OR_FALSE = {"true": True, "1": True, "false": False, "0": False}
# A double keeps every decimal number of up to so many digits.
_EXACT_DIGITS = 15
# The exponents of the first and of the last digit that PostgreSQL's numeric holds.
_LARGEST_EXPONENT, _SMALLEST_EXPONENT = 131071, -16383
# Python accepts more than that: underscores, 0x and the digits of every script.
_UUID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
# JSON's own types; in a union, a value of one of these keeps its type.
_OWN = (str, int, float, bool)
_INTERVAL = re.compile(
    r"(?:(?P<years>-?\d+) years?(?: |$))?(?:(?P<months>-?\d+) mons?(?: |$))?"
    r"(?:(?P<days>[+-]?\d+) days?(?: |$))?"
    r"(?:(?P<sign>[+-]?)(?P<hours>\d+):(?P<minutes>\d\d):(?P<seconds>\d\d(?:\.\d{1,6})?))?",
    re.ASCII,
)
_ISO_DURATION = re.compile(
    r"P(?:(?P<days>-?\d+)D)?(?:T(?:(?P<hours>-?\d+)H)?(?:(?P<minutes>-?\d+)M)?"
    r"(?:(?P<seconds>-?\d+(?:\.\d{1,6})?)S)?)?",
    re.ASCII,
)


class CastError(ValueError):
    """A value that does not fit a type; the message does not show the value."""


def caster_of(hint: Any) -> Cast:
    """
    Return the function that casts a value of JSON, of a form, or of the type itself to the type.

    Integers are accepted as int or text, never as a float or a bool; booleans also as true, false,
    "1" and "0"; numbers with a fraction also as text; times, durations, UUIDs and bytes as
    PostgreSQL writes them in JSON, or in ISO 8601; enums by value; lists, tuples, dicts and attrs
    classes by their parts. In a union, the type of the value itself comes first, then the first
    member that accepts it: ``"42"`` stays text for ``int | str``. Text with a NUL or a lone
    surrogate is rejected, because no database stores it, and so is a value that PostgreSQL does
    not have, such as NaN for an integer. For a type that is not known here, only its own instances
    are accepted. The function raises `CastError`. Safe to call from any thread.
    """
    try:
        # Unions that differ only in their order are equal, but the order matters here.
        return _cached_cast(hint, "" if isinstance(hint, type) else repr(hint))
    except TypeError:  # not hashable, such as a Literal of a list
        return _make(hint)


@cache
def _cached_cast(hint: Any, _written: str) -> Cast:
    return _make(hint)


def _make(hint: Any) -> Cast:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or hint is None or hint is object:
        return _sound
    if origin in (typing.Union, types.UnionType):
        return _one_of(arguments)
    if origin is typing.Annotated:
        return caster_of(arguments[0])
    if origin is typing.Literal:
        return _literal(arguments)
    kind = origin or hint
    kind = list if kind is Sequence else dict if kind is Mapping else kind
    if kind in (list, tuple, dict):
        return _container(kind, arguments)
    if typing.is_typeddict(hint):
        return _typed_dict(hint)
    if isinstance(hint, typing.NewType):
        return caster_of(hint.__supertype__)
    if isinstance(origin, type):
        return caster_of(origin)
    if not isinstance(hint, type):
        return _alias(hint) if hasattr(hint, "__value__") else _sound
    known = _CASTS.get(hint)
    if known is not None:
        return known
    if issubclass(hint, enum.Enum):
        return _enum(hint)
    return _record(hint) if attrs.has(hint) else _instance(hint)


def _alias(alias: Any) -> Cast:
    """Return the cast for the type that a ``type`` statement names, which may be recursive."""

    def cast(value: Any) -> Any:
        try:
            return caster_of(alias.__value__)(value)
        except RecursionError:
            raise CastError("is invalid") from None

    return cast


def _one_of(arguments: tuple[Any, ...]) -> Cast:
    casts = [caster_of(one) for one in arguments if one is not type(None)]
    own = {one: caster_of(one) for one in arguments if one in _OWN}

    def cast(value: Any) -> Any:
        if value is None and type(None) in arguments:
            return None
        first = own.get(type(value))
        for one in casts if first is None else (first, *casts):
            try:
                return one(value)
            except CastError:
                continue
        raise CastError("is invalid")

    return cast


def _literal(choices: tuple[Any, ...]) -> Cast:
    def cast(value: Any) -> Any:
        for choice in choices:
            if type(choice) is type(value) and choice == value:
                return choice
        raise CastError("is invalid")

    return cast


def _container(kind: type, arguments: tuple[Any, ...]) -> Cast:
    if kind is dict:
        key, value = map(caster_of, arguments or (Any, Any))

        def cast_dict(given: Any) -> Any:
            if not isinstance(given, Mapping):
                raise CastError("is invalid")
            return {key(name): value(one) for name, one in given.items()}

        return cast_dict
    if kind is tuple and arguments and arguments[-1] is not Ellipsis:
        parts = [caster_of(one) for one in arguments]

        def cast_parts(given: Any) -> Any:
            if not isinstance(given, list | tuple) or len(given) != len(parts):
                raise CastError("is invalid")
            return tuple(part(one) for part, one in zip(parts, given, strict=True))

        return cast_parts
    part = caster_of(arguments[0] if arguments else Any)

    def cast_list(given: Any) -> Any:
        if not isinstance(given, list | tuple):
            raise CastError("is invalid")
        return kind(part(one) for one in given)

    return cast_list


def _typed_dict(kind: Any) -> Cast:
    def cast(value: Any) -> Any:
        hints = typing.get_type_hints(kind)
        if not isinstance(value, Mapping) or not (
            kind.__required_keys__ <= value.keys() <= hints.keys()
        ):
            raise CastError("is invalid")
        return {name: caster_of(hints[name])(one) for name, one in value.items()}

    return cast


def _enum(kind: type[enum.Enum]) -> Cast:
    def cast(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        for member in kind:
            if type(member.value) is type(value) and member.value == value:
                return member
        raise CastError("is invalid")

    return cast


def _record(kind: type) -> Cast:
    @cache
    def casts() -> tuple[dict[str, Cast], set[str]]:
        # Lazily: a record may hold records of the same class.
        hints = hints_of(kind)
        fields = {argument_name(one): one for one in attrs.fields(kind) if one.init}
        needed = {name for name, one in fields.items() if one.default is attrs.NOTHING}
        return {name: caster_of(hints.get(one.name, Any)) for name, one in fields.items()}, needed

    def cast(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        known, needed = casts()
        if not isinstance(value, Mapping) or not needed <= value.keys() <= known.keys():
            raise CastError("is invalid")
        try:
            return kind(**{name: known[name](one) for name, one in value.items()})
        except Exception:  # a validator or a converter of the record may raise anything
            raise CastError("is invalid") from None

    return cast


def _instance(kind: type) -> Cast:
    def cast(value: Any) -> Any:
        try:
            is_one = isinstance(value, kind)
        except TypeError:  # a protocol that does not support isinstance
            is_one = True
        if not is_one:
            raise CastError("is invalid")
        return value

    return cast


def _sound(value: Any) -> Any:
    """Return any value, after checking all texts in it."""
    try:
        return _copy(value)
    except RecursionError:  # nested too deep for JSON, or contains itself
        raise CastError("is invalid") from None


def _copy(value: Any) -> Any:
    if isinstance(value, str):
        return _str(value)
    if isinstance(value, Mapping):
        return {_copy(name): _copy(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_copy(one) for one in value]
    return value


def _str(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise CastError("is invalid")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise CastError("is invalid") from None
    return value


def _int(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    raise CastError("is invalid")


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in _TRUE_OR_FALSE:
        return _TRUE_OR_FALSE[value]
    raise CastError("is invalid")


def _float(value: Any) -> float:
    if isinstance(value, float):
        return value
    try:
        if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
            number = float(_number_text(value) if isinstance(value, str) else value)
            if math.isfinite(number):
                return number
    except (ValueError, OverflowError):
        pass
    raise CastError("is invalid")


def _decimal(value: Any) -> Decimal:
    try:
        if isinstance(value, Decimal):
            number = value
        elif isinstance(value, str):
            number = Decimal(_number_text(value))
        elif isinstance(value, int) and not isinstance(value, bool):
            number = Decimal(value)
        elif isinstance(value, float) and len(Decimal(repr(value)).as_tuple().digits) <= (
            _EXACT_DIGITS
        ):
            number = Decimal(repr(value))
        else:
            raise CastError("is invalid")
    except (InvalidOperation, ValueError):
        raise CastError("is invalid") from None
    # A text of a few characters can denote more digits than fit into memory.
    exponent = number.as_tuple().exponent
    if (
        not isinstance(exponent, int)  # NaN, or infinite
        or exponent < _SMALLEST_EXPONENT
        or number.adjusted() > _LARGEST_EXPONENT
    ):
        raise CastError("is invalid")
    return number


def _number_text(value: str) -> str:
    # Python accepts underscores, spaces and the digits of every script.
    if not value.isascii() or "_" in value or value != value.strip():
        raise ValueError("no number as PostgreSQL writes one")
    return value


def _iso(kind: Any) -> Cast:
    def cast(value: Any) -> Any:
        # In Python, a datetime is an instance of date.
        if isinstance(value, kind) and (kind is dt.datetime or not isinstance(value, dt.datetime)):
            return value
        try:
            if isinstance(value, str) and value.isascii():
                return kind.fromisoformat(value)
        except (ValueError, OverflowError):
            pass
        raise CastError("is invalid")

    return cast


def _timedelta(value: Any) -> dt.timedelta:
    if isinstance(value, dt.timedelta):
        return value
    if isinstance(value, str) and value:
        found = _ISO_DURATION.fullmatch(value) or _INTERVAL.fullmatch(value)
        parts = {} if found is None else {k: v for k, v in found.groupdict().items() if v}
        sign = -1 if parts.pop("sign", "") == "-" else 1
        # A month has no fixed length.
        if parts and "years" not in parts and "months" not in parts:
            try:
                days = dt.timedelta(days=int(parts.pop("days", 0)))
                return days + sign * dt.timedelta(**{k: float(v) for k, v in parts.items()})
            except (OverflowError, ValueError):
                pass
    raise CastError("is invalid")


def _uuid(value: Any) -> uuid.UUID:
    if isinstance(value, uuid.UUID):
        return value
    if isinstance(value, str):
        inner = value[1:-1] if value[:1] + value[-1:] == "{}" else value
        if _UUID.fullmatch(inner):
            return uuid.UUID(inner)
    raise CastError("is invalid")


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        if isinstance(value, str) and value.startswith("\\x"):
            return bytes.fromhex(value[2:])
    except ValueError:
        pass
    raise CastError("is invalid")


_CASTS: dict[Any, Cast] = {
    str: _str,
    int: _int,
    bool: _bool,
    float: _float,
    Decimal: _decimal,
    dt.datetime: _iso(dt.datetime),
    dt.date: _iso(dt.date),
    dt.time: _iso(dt.time),
    dt.timedelta: _timedelta,
    uuid.UUID: _uuid,
    bytes: _bytes,
}

"""Numbers: exactly what the server would read from their decimal text, or an error."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg

from raxol_sql.engine.types.dump.dumper import (
    BINARY,
    TEXT,
    CannotDump,
    Dumped,
    ValueDumper,
    text_dumper,
)
from raxol_sql.engine.types.dump.pg_type import TargetType, describe_class, oids

_types = psycopg.postgres.types
_INTEGERS = {"int2": "h", "int4": "i", "int8": "q", "oid": "I", "xid": "I", "cid": "I", "xid8": "Q"}
_PACKED = {_types[name].oid: struct.Struct(f"!{code}").pack for name, code in _INTEGERS.items()}
# The class of the numbers, and their format in struct.
PACKED: dict[int, tuple[type, str]] = {
    _types["float8"].oid: (float, "d"),
    **{_types[name].oid: (int, code) for name, code in _INTEGERS.items()},
}
_BOOL = _types["bool"].oid
_FLOAT4 = _types["float4"].oid
_FLOAT8 = _types["float8"].oid
_pack_float4 = struct.Struct("!f").pack
_pack_float8 = struct.Struct("!d").pack
_ZEROS = (_pack_float4(0.0), _pack_float4(-0.0))
# Money is read by the locale, in which a point may not be the decimal separator.
_WHOLE = frozenset(_PACKED) | oids(
    "money",
    "regclass",
    "regcollation",
    "regconfig",
    "regdictionary",
    "regnamespace",
    "regoper",
    "regoperator",
    "regproc",
    "regprocedure",
    "regrole",
    "regtype",
)
# Elsewhere a number is a mistake, and its text might be taken all the same: 20240101 is a date.
_NUMERIC = _WHOLE | oids("bool", "numeric", "float4", "float8")


def boolean(target: TargetType, kind: type) -> ValueDumper:
    """Return the dumper for bool."""
    if target.is_closed and target.oid not in _NUMERIC:
        raise target.refusal(kind)
    if target.oid != _BOOL:
        return text_dumper(_boolean_text)
    return ValueDumper(lambda value: (b"\x01" if value else b"\x00", BINARY), _boolean_text)


def integer(target: TargetType, kind: type) -> ValueDumper:
    """Return the dumper for integers."""
    if target.is_closed and target.oid not in _NUMERIC:
        raise target.refusal(kind)
    if target.oid in _PACKED:
        return _or_text(_PACKED[target.oid])
    if target.oid == _FLOAT8:
        return _or_text(_pack_float8)
    return text_dumper(_integer_text)


def real(target: TargetType, kind: type) -> ValueDumper:
    """Return the dumper for floats and Decimals."""
    if target.is_closed and target.oid not in _NUMERIC:
        raise target.refusal(kind)
    text = _text_of(kind)
    if target.oid in _WHOLE:
        return _whole(target, kind)
    if issubclass(kind, Decimal):
        return text_dumper(text)
    if target.oid == _FLOAT8:
        return ValueDumper(lambda value: (_pack_float8(value), BINARY), text)
    if target.oid == _FLOAT4:
        return _single(text)
    return text_dumper(text)


def _or_text(pack: Callable[[Any], bytes]) -> ValueDumper:
    """Send numbers out of range as text, so that the server's own error is raised."""

    def dump(value: Any) -> Dumped:
        try:
            return pack(value), BINARY
        except struct.error:
            return _integer_text(value), TEXT

    return ValueDumper(dump, _integer_text)


def _single(text: Callable[[Any], bytes]) -> ValueDumper:
    def dump(value: Any) -> Dumped:
        try:
            packed = _pack_float4(value)
        except OverflowError:
            return text(value), TEXT
        # The server takes no number for zero that is none.
        if packed in _ZEROS and value != 0:
            return text(value), TEXT
        return packed, BINARY

    return ValueDumper(dump, text)


def _whole(target: TargetType, kind: type) -> ValueDumper:
    """Return the dumper for floats and Decimals as integers, which must be whole numbers."""
    form = integer(target, int)

    def whole(value: Any) -> int:
        number = int(value) if _is_finite(value) else None
        if number is None or number != value:
            raise target.misfit(f"{describe_class(kind)} that is not a whole number: round it")
        return number

    return ValueDumper(lambda value: form.dump(whole(value)), lambda value: form.text(whole(value)))


def _is_finite(value: Any) -> bool:
    # A Decimal may have more digits than fit in a float, and than anybody wants to see as an int.
    try:
        return math.isfinite(value)
    except (ValueError, OverflowError):
        return False


def _boolean_text(value: Any) -> bytes:
    return b"true" if value else b"false"


def _integer_text(value: Any) -> bytes:
    try:
        return str(int(value)).encode()
    except ValueError:
        raise CannotDump(
            "an int was given with more digits than Python converts to text: raise the limit with "
            "sys.set_int_max_str_digits()"
        ) from None


def _text_of(kind: type) -> Callable[[Any], bytes]:
    if issubclass(kind, Decimal):
        return lambda value: b"NaN" if value.is_nan() else str(value).encode()
    if issubclass(kind, float):
        # A subclass may have another str().
        return lambda value: float.__repr__(value).encode()
    return lambda value: str(value).encode()

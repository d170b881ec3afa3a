"""Dates and times: the same point in time for the server as for Python, or an error."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg.abc import Transformer
from psycopg.adapt import PyFormat

from raxol_sql.engine.types.dump.dumper import (
    BINARY,
    TEXT,
    CannotDump,
    Data,
    Dumped,
    ValueDumper,
    text_dumper,
)
from raxol_sql.engine.types.dump.pg_type import TargetType, describe_class, oids

_types = psycopg.postgres.types
_DATE = _types["date"].oid
_TIME = _types["time"].oid
_TIMETZ = _types["timetz"].oid
_TIMESTAMP = _types["timestamp"].oid
_TIMESTAMPTZ = _types["timestamptz"].oid
_INTERVAL = _types["interval"].oid
# Types that the server would convert to each other without loss.
_FROM_DATE = oids("date", "timestamp", "timestamptz")
_FROM_DATETIME = oids("timestamp", "timestamptz")
# Types that it would also convert to, silently dropping a part.
_PARTS = {
    _DATE: "whose time of day would be lost: give its .date()",
    _TIME: "whose date would be lost: give its .time()",
    _TIMETZ: "whose date would be lost: give its .timetz()",
}
_FROM_TIME = oids("time", "timetz", "interval")

_WITH_OFFSET = (
    "a datetime was given with a time zone, which would be lost: give one without, as "
    "value.astimezone(UTC).replace(tzinfo=None) does, or write the type into the SQL, as in "
    ":name::timestamptz"
)
_pack_interval = struct.Struct("!qii").pack
_AWARE = datetime(2000, 1, 1, tzinfo=UTC)
_NAIVE = datetime(2000, 1, 1)


def moment(transformer: Transformer, target: TargetType, kind: type) -> ValueDumper:
    """Return the dumper for a class of `datetime`."""
    if issubclass(kind, datetime):
        return _datetime(transformer, target, kind)
    if issubclass(kind, date):
        return _date(transformer, target, kind)
    if issubclass(kind, time):
        return _time(transformer, target, kind)
    return _timedelta(transformer, target, kind)


def _binary(transformer: Transformer, example: Any) -> Callable[[Any], Data]:
    """What writes values that are like the example in the binary format."""
    dump: Any = transformer.get_dumper(example, PyFormat.BINARY).dump
    return dump  # type: ignore[no-any-return]  # they are bytes for all of these


def _date(transformer: Transformer, target: TargetType, kind: type) -> ValueDumper:
    if target.is_closed and target.oid not in _FROM_DATE:
        raise target.refusal(kind)
    if target.oid != _DATE:
        return text_dumper(_text)
    binary = _binary(transformer, _NAIVE.date())
    return ValueDumper(lambda value: (binary(value), BINARY), _text)


def _timedelta(transformer: Transformer, target: TargetType, kind: type) -> ValueDumper:
    if target.is_closed and target.oid != _INTERVAL:
        raise target.refusal(kind)
    if target.oid != _INTERVAL:
        return text_dumper(_interval_text)
    return ValueDumper(lambda value: (_interval(value), BINARY), _interval_text)


def _datetime(transformer: Transformer, target: TargetType, kind: type) -> ValueDumper:
    if target.oid in _PARTS:
        raise target.misfit(
            f"{describe_class(kind)}, {_PARTS[target.oid]}, or write the type into the SQL, as in "
            f":name::timestamptz::{target.name.split()[0]}"
        )
    if target.is_closed and target.oid not in _FROM_DATETIME:
        raise target.refusal(kind)
    connection = transformer.connection

    def text(value: datetime) -> bytes:
        # A type without a zone ignores the one that a text names, where the server's own cast
        # would first convert it to the session's.
        if value.utcoffset() is not None:
            if target.oid == _TIMESTAMP:
                raise target.misfit(_WITH_OFFSET)
            value = _in(session_zone(connection), value)
        return str(value).encode()

    if target.oid not in (_TIMESTAMP, _TIMESTAMPTZ):
        return text_dumper(text)
    with_zone = target.oid == _TIMESTAMPTZ
    binary = _binary(transformer, _AWARE if with_zone else _NAIVE)

    def dump(value: datetime) -> Dumped:
        if (value.tzinfo is not None) is with_zone:
            return binary(value), BINARY
        return text(value), TEXT

    return ValueDumper(dump, text)


def _time(transformer: Transformer, target: TargetType, kind: type) -> ValueDumper:
    if target.is_closed and target.oid not in _FROM_TIME:
        raise target.refusal(kind)

    def text(value: time) -> bytes:
        check(value)
        return str(value).encode()

    def check(value: time) -> None:
        if value.tzinfo is None:
            return
        if target.oid in (_TIME, _INTERVAL):
            raise target.misfit("a time with a time zone was given, which would be lost")
        if value.utcoffset() is None:
            raise target.misfit("a time was given whose time zone has no fixed UTC offset")

    if target.oid not in (_TIME, _TIMETZ):
        return text_dumper(text)
    with_zone = target.oid == _TIMETZ
    binary = _binary(transformer, _AWARE.timetz() if with_zone else _NAIVE.time())

    def dump(value: time) -> Dumped:
        check(value)
        if (value.tzinfo is not None) is with_zone:
            return binary(value), BINARY
        return text(value), TEXT

    return ValueDumper(dump, text)


def _text(value: Any) -> bytes:
    return str(value).encode()


def _split_interval(value: timedelta) -> tuple[int, int]:
    """
    The days and the microseconds of an interval, of one sign.

    Python has -3 hours as -1 day and 21 hours, which is another time where clocks change.
    """
    sign = -1 if value.days < 0 else 1
    whole = abs(value)
    return sign * whole.days, sign * (whole.seconds * 1_000_000 + whole.microseconds)


def _interval(value: timedelta) -> bytes:
    days, micros = _split_interval(value)
    return _pack_interval(micros, days, 0)


def _interval_text(value: timedelta) -> bytes:
    # Every sign is written: in the style of the SQL standard the first one holds for all.
    return b"%+d day %+d microsecond" % _split_interval(value)


def _in(zone: tzinfo, value: datetime) -> datetime:
    try:
        # By way of UTC: in its own zone a datetime stays as it is, and may be in the hour that
        # is left out when clocks go forward.
        return value.astimezone(UTC).astimezone(zone)
    except OverflowError:
        raise CannotDump(
            "a datetime was given that is out of range in the session's time zone"
        ) from None


def session_zone(connection: Any) -> tzinfo:
    """Return the time zone of the session; raises `CannotDump` if Python does not know it."""
    name = connection.pgconn.parameter_status(b"TimeZone") or b"UTC"
    return _zone(name)


@cache
def _zone(name: bytes) -> tzinfo:
    if name == b"UTC":
        return UTC
    try:
        return ZoneInfo(name.decode())
    except (KeyError, ValueError, OSError):
        raise CannotDump(
            f"Python does not know the session's time zone {name.decode()!r}, so it cannot convert "
            "a datetime to it: give one without a time zone"
        ) from None

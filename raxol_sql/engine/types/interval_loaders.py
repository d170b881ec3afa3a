"""Loaders for values that psycopg would read incorrectly."""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import psycopg
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import AdaptersMap, Loader
from psycopg.pq import Format
from psycopg.types.datetime import IntervalLoader

from raxol_sql.engine.types.adapters import is_builtin_adapter
from raxol_sql.records import JsonText

_INTERVAL = psycopg.postgres.types["interval"].oid
_known = psycopg.adapters.get_loader(_INTERVAL, Format.TEXT)
# The fast one, unless the program put its own in that place before.
_USUAL = _known if _known is not None and is_builtin_adapter(_known) else IntervalLoader
_unpack = struct.Struct("!qii").unpack
# The days of an interval that is infinite, less one.
_INFINITE = 2**31 - 1
_MONTHS = (
    "an interval has months or years, which a timedelta cannot represent, because their length "
    "varies: select it as text, or its seconds with extract(epoch from ...)"
)
# What a date or a timestamp can become that Python does not have.
INFINITY = ("error", "clamp", "none")
_DOCUMENTS = [psycopg.postgres.types[name].oid for name in ("json", "jsonb")]
_DATE = psycopg.postgres.types["date"].oid
_BOUNDS: dict[int, tuple[date, date]] = {
    _DATE: (date.min, date.max),
    psycopg.postgres.types["timestamp"].oid: (datetime.min, datetime.max),
    psycopg.postgres.types["timestamptz"].oid: (
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
    ),
}


class ExactIntervalLoader(Loader):
    """
    An interval as text.

    psycopg reads an infinite one, which PostgreSQL has since 17, as an empty one, and a month as
    30 days. Months differ, and a timedelta has none.
    """

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        self._usual = _USUAL(oid, context).load

    def load(self, data: Buffer) -> timedelta:
        text = bytes(data)
        if b"inf" in text:
            raise psycopg.DataError(
                "a timedelta cannot represent an infinite interval: select it as text"
            )
        if b"year" in text or b"mon" in text:
            raise psycopg.DataError(_MONTHS)
        loaded: timedelta = self._usual(text)
        return loaded


class ExactIntervalBinaryLoader(Loader):
    """The same in the binary format."""

    format = Format.BINARY

    def load(self, data: Buffer) -> timedelta:
        micros, days, months = _unpack(data)
        if months and abs(days) < _INFINITE:
            raise psycopg.DataError(_MONTHS)
        try:
            return timedelta(days, 0, micros)
        except OverflowError:
            raise psycopg.DataError(
                "an interval is infinite or too long for a timedelta: select it as text"
            ) from None


class _BoundedLoader(Loader):
    """
    A date or a timestamp, also one that Python has no value for: infinite, before 1 or after 9999.

    Such a one becomes the first or the last of its class, or None if there is no such one.
    """

    usual: type[Any]
    bounds: tuple[date, date] | None

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        self._usual = self.usual(oid, context).load

    def load(self, data: Buffer) -> date | None:
        try:
            loaded: date = self._usual(data)
        except psycopg.DataError:
            return None if self.bounds is None else self.bounds[not self._is_early(bytes(data))]
        return loaded

    def _is_early(self, data: bytes) -> bool:
        if self.format == Format.TEXT:
            return data.startswith(b"-") or data.endswith(b"BC")
        return data[0] >= 0x80  # negative, and so before 2000


class _JsonLoader(Loader):
    """JSON; a text that stands alone in it is known as such, to be written as that again."""

    usual: type[Any]

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        self._usual = self.usual(oid, context).load

    def load(self, data: Buffer) -> Any:
        value = self._usual(data)
        return JsonText(value) if type(value) is str else value


def clamps(adapters: AdaptersMap) -> bool:
    """Return whether Python's first and last dates stand for infinite ones."""
    loader = adapters.get_loader(_DATE, Format.TEXT)
    return loader is not None and issubclass(loader, _BoundedLoader) and loader.bounds is not None


def guard(connection: AdaptContext, infinity: str = "error") -> None:
    """Register the loaders of this module on a connection, unless the program has its own."""
    adapters = connection.adapters
    for loader in (ExactIntervalLoader, ExactIntervalBinaryLoader):
        known = adapters.get_loader(_INTERVAL, loader.format)
        if known is None or is_builtin_adapter(known):
            adapters.register_loader(_INTERVAL, loader)
    for oid in _DOCUMENTS:
        for format in (Format.TEXT, Format.BINARY):
            known = adapters.get_loader(oid, format)
            if known is not None and is_builtin_adapter(known):
                adapters.register_loader(oid, _json_loader(known, format))
    if infinity == "error":
        return
    for oid, bounds in _BOUNDS.items():
        for format in (Format.TEXT, Format.BINARY):
            known = adapters.get_loader(oid, format)
            if known is not None and is_builtin_adapter(known):
                made = _make_bounded(known, format, bounds if infinity == "clamp" else None)
                adapters.register_loader(oid, made)


@cache
def _json_loader(usual: type[Any], format: Format) -> type[_JsonLoader]:
    names = {"usual": usual, "format": format, "__module__": __name__}
    return type("_JsonLoader", (_JsonLoader,), names)


@cache
def _make_bounded(
    usual: type[Any], format: Format, bounds: tuple[date, date] | None
) -> type[_BoundedLoader]:
    names = {"usual": usual, "format": format, "bounds": bounds, "__module__": __name__}
    return type("_BoundedLoader", (_BoundedLoader,), names)

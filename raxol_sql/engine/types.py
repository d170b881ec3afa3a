"""Values that psycopg would read wrongly, and that are an error instead."""

from __future__ import annotations

import struct
from datetime import timedelta

import psycopg
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format
from psycopg.types.datetime import IntervalLoader

from raxol_sql.engine.driver import is_driver

_INTERVAL = psycopg.postgres.types["interval"].oid
_known = psycopg.adapters.get_loader(_INTERVAL, Format.TEXT)
# The fast one, unless the program put its own in that place before.
_USUAL = _known if _known is not None and is_driver(_known) else IntervalLoader
_unpack = struct.Struct("!qii").unpack


class ExactIntervalLoader(Loader):
    """
    An interval as text.

    psycopg reads an infinite one, which PostgreSQL has since 17, as an empty one, and its loader
    in C counts the days of millions of years in too few bits; the one in Python does not.
    """

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        self._usual = _USUAL(oid, context).load
        self._exact = IntervalLoader(oid, context).load

    def load(self, data: Buffer) -> timedelta:
        text = bytes(data)
        if b"inf" in text:
            raise psycopg.DataError("an infinite interval is no timedelta: select it as text")
        loaded: timedelta = (self._exact if b"year" in text else self._usual)(text)
        return loaded


class ExactIntervalBinaryLoader(Loader):
    """The same in the binary format: a year has 365 days, as psycopg has it, and a month 30."""

    format = Format.BINARY

    def load(self, data: Buffer) -> timedelta:
        micros, days, months = _unpack(data)
        if months:
            years, rest = divmod(abs(months), 12)
            days += (365 * years + 30 * rest) * (1 if months > 0 else -1)
        try:
            return timedelta(days, 0, micros)
        except OverflowError:
            raise psycopg.DataError(
                "an interval is too long for a timedelta, or infinite: select it as text"
            ) from None


def guard(context: AdaptContext) -> None:
    """Sets a connection up with the loaders of this module, unless the program has its own."""
    adapters = context.adapters
    for loader in (ExactIntervalLoader, ExactIntervalBinaryLoader):
        known = adapters.get_loader(_INTERVAL, loader.format)
        if known is None or is_driver(known):
            adapters.register_loader(_INTERVAL, loader)

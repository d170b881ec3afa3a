"""Values that psycopg would read wrongly, and that are an error instead."""

from __future__ import annotations

from datetime import timedelta

import psycopg
from psycopg.abc import Buffer
from psycopg.pq import Format
from psycopg.types.datetime import IntervalLoader

from raxol_sql.engine.colour import Connection

_INTERVAL = psycopg.postgres.types["interval"].oid
_USUAL = psycopg.adapters.get_loader(_INTERVAL, Format.TEXT)


class FiniteIntervalLoader(IntervalLoader):
    """psycopg reads an infinite interval, which PostgreSQL has since 17, as an empty one."""

    def load(self, data: Buffer) -> timedelta:
        if b"infinity" in bytes(data):
            raise psycopg.DataError("an infinite interval is no timedelta: select it as text")
        return super().load(data)


def guard(connection: Connection) -> None:
    """Sets a connection up with the loaders of this module, unless the program has its own."""
    if connection.adapters.get_loader(_INTERVAL, Format.TEXT) is _USUAL:
        connection.adapters.register_loader(_INTERVAL, FiniteIntervalLoader)

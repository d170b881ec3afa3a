"""
Every private name of psycopg and psycopg_pool that raxol_sql uses, each with its reason.

Because of them setup.cfg allows only the minor version of psycopg that they were checked with, from
the release on in which they are as they are used here: `_connect_gen` was another before 3.3.6. A
private name is used nowhere else, apart from the methods in `OVERRIDDEN`.
"""

from __future__ import annotations

from typing import Any

from psycopg._copy_base import (
    format_row_binary,
    format_row_text,
    parse_row_binary,
    parse_row_text,
)
from psycopg.adapt import AdaptersMap
from psycopg.types.composite import _parse_binary_record as parse_binary_record
from psycopg.types.composite import _parse_text_record as parse_text_record

__all__ = [
    "HANDLERS",
    "OVERRIDDEN",
    "enum_labels",
    "format_row_binary",
    "format_row_text",
    "idle_connections",
    "parse_binary_record",
    "parse_row_binary",
    "parse_row_text",
    "parse_text_record",
    "replace_adapters",
]

# format_row_* and parse_row_*: one row of a COPY, in C where psycopg has its C extension. psycopg's
# public Copy needs a cursor, and reads and writes one row at a time.
#
# parse_*_record: the attributes of a composite value. psycopg's public loaders of composites look
# up the type of each attribute for each value, and take no nested type that was altered.

# The lists of a connection's notice and notification handlers. psycopg has methods that add and
# remove one handler, and none that returns them all, so a lease could not restore them.
HANDLERS = ("_notice_handlers", "_notify_handlers")

# Methods of psycopg that a class of raxol_sql overrides, with the reason.
OVERRIDDEN = {
    "_connect_gen": "the SQLSTATE of a connection error is read while the connection is made",
}


def replace_adapters(connection: Any, adapters: AdaptersMap) -> None:
    """Give a connection a map of adapters; the public property `adapters` is read-only."""
    connection._adapters = adapters


def enum_labels(loader: Any) -> dict[bytes, Any]:
    """Return the members by label of psycopg's loader of an enum, which has no public accessor."""
    found: dict[bytes, Any] = getattr(loader, "_load_map", {})
    return found


def idle_connections(pool: Any) -> list[Any]:
    """Return the idle connections of a psycopg_pool, to close those that its `close` has left."""
    return [*pool._pool]

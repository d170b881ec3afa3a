"""The formats in which types can be read, and the settings that loading depends on."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg.adapt import AdaptersMap
from psycopg.pq import Format
from psycopg.types.composite import CompositeInfo
from psycopg.types.multirange import MultirangeInfo
from psycopg.types.range import RangeInfo

from raxol_sql.engine.types.adapters import is_builtin_adapter
from raxol_sql.engine.types.type_infos import DomainInfo

_types = psycopg.postgres.types
# A value should not depend on what other columns there are, and these are something else in
# binary: a float4, in text the shortest number that means it, has the digits of a float8; a
# record is not made of texts; a "char" may be a NUL, or half a letter.
_TEXT_ONLY = frozenset(_types[name].oid for name in ("float4", "record", '"char"'))
# What psycopg reads without asking the session for anything. The text of a date or an interval
# depends on its settings, their binary form does not.
_PLAIN = frozenset(
    _types[name].oid
    for name in (
        *("bool", "int2", "int4", "int8", "oid", "float4", "float8", "numeric"),
        *("text", "varchar", "bpchar", "name", '"char"', "bytea", "uuid"),
        *("time", "timetz", "inet", "cidr", "json", "jsonb"),
    )
)
_PLAIN_IN_BINARY = _PLAIN | {_types[name].oid for name in ("date", "timestamp", "interval")}


class Loading:
    """What the loaders registered on a connection mean for the reading of results."""

    def __init__(self, adapters: AdaptersMap) -> None:
        self._adapters = adapters

    def format(self, oids: Sequence[int]) -> Format:
        """Return the format for columns of these types: binary if each can be read in it."""
        return Format.BINARY if all(map(self._is_binary, oids)) else Format.TEXT

    def settings(self, oids: Sequence[int], format: Format) -> tuple[bytes, ...]:
        """Return the session settings that the loaders of these types depend on."""
        plain = _PLAIN_IN_BINARY if format else _PLAIN
        if all(self._is_plain(oid, plain) for oid in oids):
            return ()
        return (b"TimeZone",) if format else (b"TimeZone", b"DateStyle", b"IntervalStyle")

    def _is_binary(self, oid: int) -> bool:
        loader = self._adapters.get_loader(oid, Format.BINARY)
        if loader is None or oid in _TEXT_ONLY:
            return False
        text = self._adapters.get_loader(oid, Format.TEXT)
        if text is not None and not _is_ours(text) and _is_ours(loader):
            return False
        return all(map(self._is_binary, self._parts(oid)))

    def _is_plain(self, oid: int, plain: frozenset[int]) -> bool:
        parts = self._parts(oid)
        if parts:
            return all(self._is_plain(part, plain) for part in parts)
        return oid in plain

    def _parts(self, oid: int) -> tuple[int, ...]:
        """The types that values of a type are made of; none for a simple one."""
        info = self._adapters.types.get(oid)
        if info is None:
            return ()
        if info.array_oid == oid:
            return (info.oid,)
        if isinstance(info, DomainInfo):
            return (info.base_oid,)
        if isinstance(info, (RangeInfo, MultirangeInfo)):
            return (info.subtype_oid,)
        return info.field_types if isinstance(info, CompositeInfo) else ()


def _is_ours(loader: type) -> bool:
    return is_builtin_adapter(loader) or loader.__module__.startswith("raxol_sql.engine.")

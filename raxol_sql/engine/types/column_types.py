"""The Python types of result columns, by the registered loaders."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from psycopg import pq
from psycopg.adapt import AdaptersMap
from psycopg.types import TypeInfo
from psycopg.types.composite import CompositeInfo
from psycopg.types.enum import EnumInfo
from psycopg.types.multirange import Multirange, MultirangeInfo
from psycopg.types.range import Range, RangeInfo

from raxol_sql.engine.types.adapters import is_builtin_adapter
from raxol_sql.engine.types.type_infos import DomainInfo, python_class
from raxol_sql.records import ColumnType, TypeKind

_NAMED: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("int2", "int4", "int8", "oid"), (int,)),
    **dict.fromkeys(("text", "varchar", "bpchar", "name"), (str,)),
    **dict.fromkeys(("float4", "float8"), (float,)),
    **dict.fromkeys(("timestamp", "timestamptz"), (datetime.datetime,)),
    **dict.fromkeys(("time", "timetz"), (datetime.time,)),
    "bool": (bool,),
    "numeric": (Decimal,),
    "date": (datetime.date,),
    "interval": (datetime.timedelta,),
    "uuid": (UUID,),
    "bytea": (bytes,),
    "record": (tuple,),
    "cidr": (ipaddress.IPv4Network, ipaddress.IPv6Network),
    "inet": (
        ipaddress.IPv4Address,
        ipaddress.IPv6Address,
        ipaddress.IPv4Interface,
        ipaddress.IPv6Interface,
    ),
}
_CLASSES = {psycopg.postgres.types[name].oid: classes for name, classes in _NAMED.items()}
_JSON = frozenset(psycopg.postgres.types[name].oid for name in ("json", "jsonb"))


def column_type(adapters: AdaptersMap, oid: int) -> ColumnType:
    """Return the Python type of a column; a type without a loader is read as text."""
    info = adapters.types.get(oid)
    loader = adapters.get_loader(oid, pq.Format.TEXT)
    if info is not None and info.array_oid == oid and oid != info.oid:
        if _is_own(loader):
            return ColumnType(TypeKind.OWN, f"{info.regtype}[]")
        return ColumnType(
            TypeKind.ARRAY, f"{info.regtype}[]", (list,), column_type(adapters, info.oid)
        )
    name = f"a type with the OID {oid}" if info is None else info.regtype
    binary = adapters.get_loader(oid, pq.Format.BINARY)
    return _of_loaders(adapters, oid, name, info, loader, binary)


def column_types(adapters: AdaptersMap, oids: Iterable[int]) -> tuple[ColumnType, ...]:
    """Return the Python types of columns."""
    return tuple([column_type(adapters, oid) for oid in oids])


def _of_loaders(
    adapters: AdaptersMap,
    oid: int,
    name: str,
    info: TypeInfo | None,
    loader: type[Any] | None,
    binary: type[Any] | None,
) -> ColumnType:
    made = python_class(loader)
    if made is not None:
        return ColumnType(TypeKind.VALUE, name, (made,))
    if _is_own(loader) or _is_own(binary):
        return ColumnType(TypeKind.OWN, name)
    if isinstance(info, EnumInfo):
        if info.enum is not None:
            return ColumnType(TypeKind.VALUE, name, (info.enum,))
        return ColumnType(TypeKind.ENUM, name, (str,), labels=tuple(info.labels))
    if isinstance(info, DomainInfo):
        return column_type(adapters, info.base_oid)
    if isinstance(info, CompositeInfo):
        if info.python_type is not None:
            return ColumnType(TypeKind.OWN, name)
        fields = zip(info.field_names, info.field_types, strict=True)
        typed = tuple((field, column_type(adapters, one)) for field, one in fields)
        return ColumnType(TypeKind.COMPOSITE, name, (tuple,), fields=typed)
    if isinstance(info, RangeInfo):
        part = column_type(adapters, info.subtype_oid)
        return ColumnType(TypeKind.RANGE, name, (Range,), part)
    if isinstance(info, MultirangeInfo):
        part = column_type(adapters, info.range_oid)
        return ColumnType(TypeKind.MULTIRANGE, name, (Multirange,), part)
    if oid in _JSON:
        return ColumnType(TypeKind.JSON, name)
    if oid in _CLASSES:
        return ColumnType(TypeKind.VALUE, name, _CLASSES[oid])
    # psycopg has loaders for types that programs register, such as hstore and shapely geometries.
    if loader is not None and info is not None and not _reads_text(adapters, loader):
        return ColumnType(TypeKind.OWN, name)
    return ColumnType(TypeKind.TEXT, name, (str,))


def _reads_text(adapters: AdaptersMap, loader: type[Any]) -> bool:
    return loader in (
        adapters.get_loader(psycopg.postgres.types["text"].oid, pq.Format.TEXT),
        adapters.get_loader(0, pq.Format.TEXT),
    )


def _is_own(loader: type[Any] | None) -> bool:
    """Return whether a loader belongs to the program."""
    if loader is None or is_builtin_adapter(loader):
        return False
    return not loader.__module__.startswith("raxol_sql.engine.")

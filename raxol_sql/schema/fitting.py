"""Whether what a column gives can be in a field of a record."""

from __future__ import annotations

import datetime
import types
import typing
from decimal import Decimal
from typing import Any
from uuid import UUID

import attrs
from psycopg import pq
from psycopg.adapt import AdaptersMap

from raxol_sql.records import Field, fields_of

_GIVEN: dict[str, type] = {
    **dict.fromkeys(("int2", "int4", "int8", "oid"), int),
    **dict.fromkeys(("text", "varchar", "bpchar", "name"), str),
    **dict.fromkeys(("float4", "float8"), float),
    **dict.fromkeys(("timestamp", "timestamptz"), datetime.datetime),
    **dict.fromkeys(("time", "timetz"), datetime.time),
    "bool": bool,
    "numeric": Decimal,
    "date": datetime.date,
    "interval": datetime.timedelta,
    "uuid": UUID,
    "bytea": bytes,
}
_PLAIN = frozenset(_GIVEN.values())
_CONTAINERS = frozenset([list, dict, tuple, set, frozenset])


@attrs.frozen
class Target:
    """The field of a record that a column goes to, however deep inside the query's record."""

    record: type
    attribute: attrs.Attribute[Any]
    field: Field

    def __str__(self) -> str:
        return f"{self.record.__name__}.{self.field.name}"


def target_of(record: type, column: str) -> Target | None:
    """The field that a column of a row goes to: ``name``, or ``a.b`` in the record in ``a``."""
    outer, _, rest = column.partition(".")
    field = fields_of(record).get(outer)
    if field is None:
        return None
    if rest:
        inside = field.item or field.record
        return None if inside is None else target_of(inside, rest)
    attribute = next(one for one in attrs.fields(record) if (one.alias or one.name) == outer)
    return Target(record, attribute, field)


def type_given(adapters: AdaptersMap, oid: int) -> Any:
    """
    The Python type of the values of a type of the server, as in ``int`` or ``list[int]``.

    None for those that the program has loaders of its own for, and for all that are not plain.
    """
    info = adapters.types.get(oid)
    loader = adapters.get_loader(oid, pq.Format.BINARY)
    if info is None or loader is None or not loader.__module__.startswith("psycopg"):
        return None
    given = _GIVEN.get(info.name)
    if given is None:
        return None
    return list[given] if oid == info.array_oid else given  # type: ignore[valid-type]


def takes(target: Target, given: Any) -> bool:
    """
    Whether values of the type ``given`` can be in a field.

    False is certain: a field with a converter, one that holds records, and one whose type says
    nothing plain take everything.
    """
    if target.attribute.converter is not None or target.field.holds_records:
        return True
    return _fits(target.field.hint, given)


def _fits(hint: Any, given: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    is_list = typing.get_origin(given) is list
    if origin in (typing.Union, types.UnionType):
        return any(_fits(one, given) for one in arguments if one is not type(None))
    if origin is typing.Annotated:
        return _fits(arguments[0], given)
    if origin is typing.Literal:
        return not is_list and any(isinstance(one, given) for one in arguments)
    if origin is list:
        return is_list and _fits(arguments[0], typing.get_args(given)[0])
    if (origin or hint) in _CONTAINERS:
        return is_list and hint is list
    if hint in _PLAIN:
        # An int may stand for a float wherever types are checked.
        return not is_list and (issubclass(given, hint) or (hint is float and given is int))
    behind = getattr(hint, "__supertype__", None) or getattr(hint, "__value__", None)
    return behind is None or _fits(behind, given)

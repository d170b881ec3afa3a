"""Records, tuples and mappings as composites."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
from psycopg.types.composite import CompositeInfo

from raxol_sql.engine.types.dump.dumper import BINARY, TEXT, Data, Dumped, ValueDumper, ValueDumpers
from raxol_sql.engine.types.dump.literals import record_literal
from raxol_sql.engine.types.dump.pg_type import TargetType, describe_class
from raxol_sql.records.names import argument_name

Values = Callable[[Any], Sequence[Any]]

_pack_count = struct.Struct("!i").pack
_pack_head = struct.Struct("!Ii").pack
_NULL = -1


@attrs.frozen(eq=False, repr=False)
class Attribute:
    """An attribute of a composite; ``raw`` values have the same bytes in either format."""

    oid: int
    forms: ValueDumpers
    raw: bool


def composite(values: Values, attributes: Sequence[Attribute]) -> ValueDumper:
    """
    Return the dumper for composites that ``values`` takes apart; binary if every attribute is.
    """

    def dump(value: Any) -> Dumped:
        parts = values(value)
        data = _binary(attributes, parts)
        return (_text(attributes, parts), TEXT) if data is None else (data, BINARY)

    return ValueDumper(dump, lambda value: _text(attributes, values(value)))


def values_of(target: TargetType, info: CompositeInfo, kind: type) -> Values | None:
    """
    Return the function from a value of a class to its attributes, in order.

    A tuple has them in order, a record and a mapping by name. It raises `CannotDump` for missing or
    extra ones. None for a class whose values have no attributes.
    """
    names = info.field_names
    if attrs.has(kind):
        known = {argument_name(one): one.name for one in attrs.fields(kind) if one.init}
        _check_names(target, kind, names, known)
        attributes = [known[name] for name in names]
        return lambda value: [getattr(value, name) for name in attributes]
    if issubclass(kind, Mapping):

        def of_mapping(value: Any) -> list[Any]:
            _check_names(target, kind, names, value)
            return [value[name] for name in names]

        return of_mapping
    if not issubclass(kind, tuple):
        return None

    def of_tuple(value: Any) -> Sequence[Any]:
        if len(value) != len(names):
            raise target.misfit(f"{len(value)} values were given for its {len(names)} fields")
        return value  # type: ignore[no-any-return]

    return of_tuple


def _check_names(
    target: TargetType, kind: type, names: Sequence[str], found: Mapping[str, Any]
) -> None:
    missing = [name for name in names if name not in found]
    extra = [str(name) for name in found if name not in names]
    if missing:
        raise target.misfit(f"{describe_class(kind)} without {', '.join(missing)}")
    if extra:
        more = f" with {', '.join(extra)}" if attrs.has(kind) else " with other names"
        raise target.misfit(f"{describe_class(kind)}{more}; its attributes are {', '.join(names)}")


def _binary(attributes: Sequence[Attribute], values: Sequence[Any]) -> bytes | None:
    parts: list[Data] = [_pack_count(len(attributes))]
    for one, value in zip(attributes, values, strict=True):
        data, format = one.forms[type(value)](value)
        if data is None:
            parts.append(_pack_head(one.oid, _NULL))
        elif format == BINARY or one.raw:
            parts += [_pack_head(one.oid, len(data)), data]
        else:
            return None
    return b"".join(parts)


def _text(attributes: Sequence[Attribute], values: Sequence[Any]) -> bytes:
    texts = zip(attributes, values, strict=True)
    return record_literal([one.forms.text(value) for one, value in texts])

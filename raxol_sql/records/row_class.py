"""Classes for the rows of queries that name no record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from raxol_sql.errors import RecordError
from raxol_sql.queries import Query
from raxol_sql.records.names import can_be_written

# The names of the variables in the constructor that attrs generates.
_ATTRS_OWN = frozenset(["self", "_setattr", "_cached_setattr_get"])
_AS = "count(*) as total"


def row_class(
    query: Query[Any], columns: Sequence[str], fail: Callable[[str], RecordError]
) -> type:
    """
    Return a frozen attrs class named after ``query``, with a field for each of its ``columns``.

    The columns `"a.b"` and `"a.c"` make one field ``a``, of a nested class, or None. Raises the
    error that ``fail`` makes for a column that cannot be a field.
    """
    name = query.definition.name.title().replace("_", "") + "Row"
    return _class(name, columns, f"A row of {query.name}.", fail)


def _class(name: str, columns: Sequence[str], doc: str, fail: Callable[[str], RecordError]) -> type:
    fields: dict[str, Any] = {}
    groups: dict[str, list[str]] = {}
    for column in columns:
        outer, dot, inner = column.partition(".")
        if not _can_be_a_field(outer) or (dot and not inner):
            raise fail(f"the column {column!r} cannot be a field; name it with `as`, as in {_AS}")
        if dot:
            groups.setdefault(outer, []).append(inner)
        fields[outer] = attrs.field(alias=outer, type=Any)
    for outer, inner_columns in groups.items():
        inner_class = _class(name + outer.title().replace("_", ""), inner_columns, doc, fail)
        nullable: Any = inner_class | None
        fields[outer] = attrs.field(alias=outer, type=nullable)
    made = attrs.make_class(name, fields, frozen=True, slots=True)
    made.__doc__ = doc
    return made


def _can_be_a_field(name: str) -> bool:
    return can_be_written(name) and name not in _ATTRS_OWN

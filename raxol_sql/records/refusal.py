"""Whether the client can reject the result of a statement that succeeded."""

from __future__ import annotations

import datetime
import typing
from decimal import Decimal
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from raxol_sql.queries import Query
from raxol_sql.records.constructor import runs_code_of_the_program
from raxol_sql.records.fields import Field, fields_of, is_union, type_behind
from raxol_sql.text import Kind

_PLAIN = frozenset(
    [
        *(bool, int, float, Decimal, str, bytes, UUID, list, type(None), object),
        *(datetime.date, datetime.datetime, datetime.time, datetime.timedelta),
    ]
)
_known: WeakKeyDictionary[type, bool] = WeakKeyDictionary()


def can_refuse(query: Query[Any]) -> bool:
    """
    Return whether the result of ``query`` can be an error after its statement succeeded.

    It can if the kind promises a count of rows, if a column is ``@not-null``, or if making the
    record runs validators, converters, hooks or other code of the program. Columns that do not
    fit the record do not count: `shape_of` rejects them as soon as the statement is described.
    Safe to call from any thread.
    """
    kind = query.kind
    if kind is not Kind.MANY:
        return kind.gives_rows
    if query.definition.directives.not_null or query.is_grouped:
        return True
    record = query.record
    return record is not None and (query.validate or _may_raise(record))


def _may_raise(record: type) -> bool:
    known = _known.get(record)
    if known is None:
        # JSON may not fit, and an enum type may have a label without a member in its class.
        may_misfit = not all(map(_is_plain, fields_of(record).values()))
        known = _known[record] = may_misfit or runs_code_of_the_program(record)
    return known


def _is_plain(field: Field) -> bool:
    """Return whether a field takes the driver's values unchanged; JSON does not count."""
    return field.converts or _takes_all(field.hint)


def _takes_all(hint: Any) -> bool:
    hint = type_behind(hint)
    origin = typing.get_origin(hint)
    if is_union(hint) or origin is list:
        return all(map(_takes_all, typing.get_args(hint)))
    return hint in _PLAIN if isinstance(origin or hint, type) else True

"""Whether the client can refuse what a statement has answered."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from raxol_sql.queries import Query
from raxol_sql.records.constructor import runs_code_of_the_program
from raxol_sql.records.fields import fields_of
from raxol_sql.text import Kind

_known: WeakKeyDictionary[type, bool] = WeakKeyDictionary()


def can_refuse(query: Query[Any]) -> bool:
    """
    Whether the result of ``query`` can be an error after its statement succeeded.

    So it is where a count of rows is promised or a column is ``@not-null``, and where making the
    record runs validators, converters, hooks or other code of the program. Columns that do not
    fit the record are another matter: `shape_of` refuses them as soon as the statement is
    described. Safe to call from any thread.
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
        # JSON may be wrong.
        may_be_json = any(field.may_be_json for field in fields_of(record).values())
        known = _known[record] = may_be_json or runs_code_of_the_program(record)
    return known

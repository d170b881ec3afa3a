"""Row mappings of queries: which column fills which field, checked once."""

from __future__ import annotations

from collections import Counter
from functools import partial
from operator import itemgetter
from typing import Any
from weakref import WeakKeyDictionary

from raxol_sql.brief_lock import BriefLock
from raxol_sql.errors import RecordError
from raxol_sql.queries import Query
from raxol_sql.records.builder import Build, Types, record_builder, scalar_builder
from raxol_sql.records.grouping import GroupedBuild
from raxol_sql.records.matching import Fail, list_names, match
from raxol_sql.records.row_class import row_class

_NO_LIST = "and its rows have to be put together: name the key of the record in a line -- @group id"
_Key = tuple[tuple[str, ...], Types]
_builds: WeakKeyDictionary[Query[Any], dict[_Key, Build]] = WeakKeyDictionary()
_lock = BriefLock()


def shape_of(query: Query[Any], columns: tuple[str, ...], types: Types = ()) -> Build:
    """
    Return the function from a row with these ``columns`` to the query's record, or its scalar.

    ``types`` are those of the columns. The function is made once for each query and set of
    columns, so that a query without a declared result has one row class as long as it exists. A
    column `"a.b"` fills the field ``b`` of the record in the field ``a``. If all columns of such a
    record are NULL and its field allows None, the field is None. For a query with ``@group`` the
    result is a `GroupedBuild`. Raises `RecordError` for columns that are missing, extra or
    duplicate, and for a column whose type its field cannot hold. The function raises `RecordError`
    for a NULL in a ``@not-null`` column and for a value that its field cannot hold, and lets the
    errors of the record's class through. Both are safe to call from any thread.
    """
    key = (columns, types if query.record is not None else ())
    known = _builds.get(query)
    if known is not None and key in known:
        return known[key]
    made = _make(query, *key)
    with _lock:
        return _builds.setdefault(query, {}).setdefault(key, made)


def _make(query: Query[Any], columns: tuple[str, ...], types: Types) -> Build:
    fail = partial(RecordError, query.name, query.location)
    title = f"rows of {query.name}"
    if not columns:
        raise fail(f"a :{query.kind.value} query gives rows, and this gave none")
    group = query.definition.directives.group
    if group and query.record is None:
        raise fail("@group makes a list in a record: name one in the header, as in -> Person")
    if group and not query.kind.gives_rows:
        raise fail("@group puts rows of :one, :maybe and :many together, and no others")
    if query.is_scalar:
        if len(columns) != 1:
            raise fail(f"a scalar is one column, and this gave {list_names(columns)}")
        not_null = _not_null(query, columns, fail)
        return scalar_builder(title, fail, not_null) if not_null else itemgetter(0)
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise fail(f"columns of the same name: {list_names(twice)}; name them apart with `as`")
    record = query.record or row_class(query, columns, fail)
    known = {name: index for index, name in enumerate(columns)}
    matched = match(fail, record, known, no_list="" if group else _NO_LIST)
    not_null = _not_null(query, columns, fail)
    make = partial(record_builder, title, fail, validate=query.validate, types=types)
    if group:
        return GroupedBuild(fail, group, known, matched, not_null, make)
    return make(not_null, matched, len(columns))


def _not_null(query: Query[Any], columns: tuple[str, ...], fail: Fail) -> dict[int, str]:
    """Return the columns of ``@not-null``, by their indexes."""
    names = query.definition.directives.not_null
    unknown = [name for name in names if name not in columns]
    if unknown:
        raise fail(f"@not-null names columns that are not there: {list_names(unknown)}")
    return {columns.index(name): name for name in names}

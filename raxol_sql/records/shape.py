"""The shape of a query's rows: which column goes to which field, checked once."""

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
from raxol_sql.records.matching import Fail, listed, match
from raxol_sql.records.row_class import row_class

_NO_LIST = "and its rows have to be put together: name the key of the record in a line -- @group id"
_Key = tuple[tuple[str, ...], Types]
_builds: WeakKeyDictionary[Query[Any], dict[_Key, Build]] = WeakKeyDictionary()
_lock = BriefLock()


def shape_of(query: Query[Any], columns: tuple[str, ...], types: Types = ()) -> Build:
    """
    The function from a row with these ``columns`` to the query's record, or its scalar.

    ``types`` are those of the columns. Made once for each query and set of columns, so that the
    row class of a query without a result is the same one for as long as the query lives. A column
    `"a.b"` belongs to the field ``b`` of the record in the field ``a``; where all columns of such
    a record are NULL and its field allows None, it is None. Of a query with ``@group`` it is a
    `GroupedBuild`. Raises `RecordError` for columns that are missing, too many or named twice, and
    for one of a type that its field cannot hold; the function does for a NULL against a
    ``@not-null`` and for a value that its field cannot hold, and raises what the class of the
    record does. Safe to call from any thread, and so is the function.
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
            raise fail(f"a scalar is one column, and this gave {listed(columns)}")
        not_null = _not_null(query, columns, fail)
        return scalar_builder(title, fail, not_null) if not_null else itemgetter(0)
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise fail(f"columns of the same name: {listed(twice)}; name them apart with `as`")
    record = query.record or row_class(query, columns, fail)
    known = {name: index for index, name in enumerate(columns)}
    matched = match(fail, record, known, no_list="" if group else _NO_LIST)
    not_null = _not_null(query, columns, fail)
    make = partial(record_builder, title, fail, validate=query.validate, types=types)
    if group:
        return GroupedBuild(fail, group, known, matched, not_null, make)
    return make(not_null, matched, len(columns))


def _not_null(query: Query[Any], columns: tuple[str, ...], fail: Fail) -> dict[int, str]:
    """The columns of ``@not-null``, by their indexes."""
    names = query.definition.directives.not_null
    unknown = [name for name in names if name not in columns]
    if unknown:
        raise fail(f"@not-null names columns that are not there: {listed(unknown)}")
    return {columns.index(name): name for name in names}

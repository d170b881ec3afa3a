"""The shape of a query's rows: which column goes to which field, checked once."""

from __future__ import annotations

import keyword
import threading
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import attrs

from raxol_sql.errors import RecordError
from raxol_sql.queries import Query
from raxol_sql.records.constructor import constructor
from raxol_sql.records.fields import Field, fields_of

Row = tuple[Any, ...]
Shape = Callable[[Sequence[Row]], list[Any]]
# Makes the error for a problem; it knows the query's name and place, and does not keep it alive.
Fail = Callable[[str], RecordError]

_shapes: WeakKeyDictionary[Query[Any], dict[tuple[str, ...], Shape]] = WeakKeyDictionary()
_lock = threading.Lock()


def shape_of(query: Query[Any], columns: tuple[str, ...]) -> Shape:
    """
    The function from rows with these ``columns`` to the query's records.

    Made once for each query and set of columns, so that the row class of a query without a
    result is the same one for as long as the query lives. A column `"a.b"` belongs to the field
    ``b`` of the record in the field ``a``; where all columns of such a record are NULL and its
    field allows None, it is None. Raises `RecordError` for columns that are missing, too many or
    named twice. Safe to call from any thread.
    """
    known = _shapes.get(query)
    if known is not None and columns in known:
        return known[columns]
    made = _make(query, columns)
    with _lock:
        return _shapes.setdefault(query, {}).setdefault(columns, made)


def _make(query: Query[Any], columns: tuple[str, ...]) -> Shape:
    fail = partial(RecordError, query.name, query.location)
    if not columns:
        raise fail(f"a :{query.kind.value} query gives rows, and this gave none")
    if query.is_scalar:
        if len(columns) != 1:
            raise fail(f"a scalar is one column, and this gave {_list(columns)}")
        shape: Shape = _scalars
    else:
        twice = [name for name, count in Counter(columns).items() if count > 1]
        if twice:
            raise fail(f"columns of the same name: {_list(twice)}; name them apart with `as`")
        record = query.record or _row_class(query, fail, _class_name(query), columns)
        build = _builder(fail, record, {name: index for index, name in enumerate(columns)})
        shape = _records(build)
    wanted = query.definition.directives.not_null
    return _checked(fail, shape, columns, wanted) if wanted else shape


def _scalars(rows: Sequence[Row]) -> list[Any]:
    return [row[0] for row in rows]


def _records(build: Callable[[Row], Any]) -> Shape:
    return lambda rows: [build(row) for row in rows]


def _checked(
    fail: Fail, shape: Shape, columns: tuple[str, ...], not_null: tuple[str, ...]
) -> Shape:
    """``shape`` for rows in which the columns of ``@not-null`` really are not NULL."""
    unknown = [name for name in not_null if name not in columns]
    if unknown:
        raise fail(f"@not-null names columns that are not there: {_list(unknown)}")
    indexes = [(columns.index(name), name) for name in not_null]

    def check(rows: Sequence[Row]) -> list[Any]:
        for row in rows:
            for index, name in indexes:
                if row[index] is None:
                    raise fail(f"the column {name!r} is NULL, against its @not-null")
        return shape(rows)

    return check


def _builder(fail: Fail, record: type, columns: dict[str, int]) -> Callable[[Row], Any]:
    """The function from a row to a ``record``; ``columns`` gives the index of each column."""
    fields = fields_of(record)
    direct: dict[str, int] = {}
    nested: dict[str, dict[str, int]] = {}
    for name, index in columns.items():
        outer, dot, inner = name.partition(".")
        if dot:
            nested.setdefault(outer, {})[inner] = index
        else:
            direct[name] = index
    _compare(fail, record, fields, [*direct, *nested])
    both = sorted(direct.keys() & nested.keys())
    if both:
        raise fail(f"{_list(both)} is a column and a group of columns")
    plain = list(direct.items())
    construct = constructor(record)
    groups = [_group(fail, record, fields[name], inner) for name, inner in nested.items()]

    def build(row: Row) -> Any:
        values = {name: row[index] for name, index in plain}
        for name, make in groups:
            values[name] = make(row)
        return construct(**values)

    return build


def _group(
    fail: Fail, outer: type, field: Field, columns: dict[str, int]
) -> tuple[str, Callable[[Row], Any]]:
    """The field's name, and the function from a row to the record in it."""
    if field.record is None:
        raise fail(
            f"the column {f'{field.name}.{next(iter(columns))}'!r} needs an attrs class in "
            f"{outer.__name__}.{field.name}, and its type is {field.annotation}",
        )
    make = _builder(fail, field.record, columns)
    if not field.nullable:
        return field.name, make
    indexes = list(columns.values())

    def make_or_none(row: Row) -> Any:
        return None if all(row[index] is None for index in indexes) else make(row)

    return field.name, make_or_none


def _compare(fail: Fail, record: type, fields: dict[str, Field], columns: list[str]) -> None:
    problems = []
    extra = [name for name in columns if name not in fields]
    missing = [name for name, field in fields.items() if field.required and name not in columns]
    if extra:
        problems.append(f"columns without a field in {record.__name__}: {_list(extra)}")
    if missing:
        problems.append(f"fields of {record.__name__} without a column: {_list(missing)}")
    if problems:
        raise fail("; ".join(problems))


def _row_class(query: Query[Any], fail: Fail, name: str, columns: Sequence[str]) -> type:
    """A frozen attrs class with a field for each column, and one for each group of columns."""
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
        inner_name = name + outer.title().replace("_", "")
        inner_class = _row_class(query, fail, inner_name, inner_columns)
        nullable: Any = inner_class | None
        fields[outer] = attrs.field(alias=outer, type=nullable)
    made = attrs.make_class(name, fields, frozen=True, slots=True)
    made.__doc__ = f"A row of {query.name}."
    return made


def _can_be_a_field(name: str) -> bool:
    """
    Whether Python code can write ``row.name``, and attrs can make it.

    Python reads names in their normal form, and mangles those with two underscores in front.
    """
    return (
        name.isidentifier()
        and not keyword.iskeyword(name)
        and not name.startswith("__")
        and name not in _ATTRS_OWN
        and unicodedata.is_normalized("NFKC", name)
    )


# What the constructor that attrs writes calls its own variables.
_ATTRS_OWN = frozenset(["self", "_setattr", "_cached_setattr_get"])
_AS = "count(*) as total"


def _class_name(query: Query[Any]) -> str:
    return query.definition.name.title().replace("_", "") + "Row"


def _list(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)

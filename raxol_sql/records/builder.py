"""
Row builders: functions from a row to a record, generated for the record and its columns.

For a frozen class ``User`` of three fields, and ``@not-null age``, it reads

    def build(row):
        (column0, column1, column2,) = row
        if column2 is None:
            raise fail1("the column 'age' is NULL, against its @not-null")
        record1 = twin1()
        record1.id = column0
        record1.name = column1
        record1.age = column2
        record1.__class__ = class1
        return record1
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from raxol_sql.records.column_type import ColumnType
from raxol_sql.records.constructor import (
    Filling,
    factory_of,
    filling_of,
    has_hook_after,
    initialiser,
    is_generated,
)
from raxol_sql.records.field_reader import field_reader
from raxol_sql.records.matching import Fail, Match
from raxol_sql.records.names import argument_name
from raxol_sql.records.source import Source
from raxol_sql.records.twin import twin_of

Row = tuple[Any, ...]
Build = Callable[[Row], Any]
# The types of the columns, by index; empty if they are not known.
Types = tuple[ColumnType, ...]


def scalar_builder(title: str, fail: Fail, not_null: Mapping[int, str]) -> Build:
    """Return the function from a row of one column to its value; see `record_builder`."""
    source = _open_source(1, fail, not_null)
    source.line("return column0")
    return _compile(source, title)


def record_builder(
    title: str,
    fail: Fail,
    not_null: Mapping[int, str],
    matched: Match,
    width: int,
    absent: tuple[int, ...] = (),
    *,
    validate: bool,
    types: Types = (),
) -> Build:
    """
    Return the function from a row of ``width`` columns to a record.

    ``types`` are those of the columns. Raises the error that ``fail`` makes if a field cannot hold
    the type of its column.

    The function raises the error that ``fail`` makes if one of the columns in ``not_null``, names
    by index, is NULL, or if JSON does not fit the record. It returns None if all columns in
    ``absent`` are NULL: there is no record then. ``validate`` runs the validators of attrs.
    ``title`` replaces the file name in tracebacks.
    """
    source = _open_source(width, fail, not_null, absent)
    source.line(f"return {_record(source, fail, matched, types, validate)}")
    return _compile(source, title)


def _open_source(
    count: int, fail: Fail, not_null: Mapping[int, str], absent: tuple[int, ...] = ()
) -> Source:
    source = Source("def build(row):")
    source.line(f"({' '.join(f'{_column(index)},' for index in range(count))}) = row")
    if absent:
        source.open(f"if {_are_null(absent)}:")
        source.line("return None")
        source.close()
    for index, name in not_null.items():
        source.open(f"if {_column(index)} is None:")
        problem = f"the column {name!r} is NULL, against its @not-null"
        source.line(f"raise {source.refer('fail', fail)}({problem!r})")
        source.close()
    return source


def _compile(source: Source, title: str) -> Build:
    build: Build = source.function("build", title)
    return build


def _column(index: int) -> str:
    return f"column{index}"


def _are_null(indexes: tuple[int, ...]) -> str:
    return " is ".join([*map(_column, indexes), "None"])


def _record(source: Source, fail: Fail, matched: Match, types: Types, validate: bool) -> str:
    """Write the code that makes a record; return the name of the variable that holds it."""
    name = source.name("record")
    if matched.nullable:
        source.open(f"if {_are_null(matched.indexes)}:")
        source.line(f"{name} = None")
        source.close()
        source.open("else:")
    values = {field: _column(index) for field, index in matched.columns.items()}
    for field, (column, of) in matched.direct.items():
        index = matched.columns[field]
        type = types[index] if index < len(types) else None
        read = field_reader(fail, column, of, type, validate=validate)
        if read is None:
            continue
        value = source.name("value")
        source.line(f"{value} = {source.refer('read', read)}({values[field]})")
        values[field] = value
    for field, inside in matched.inner.items():
        values[field] = _record(source, fail, inside, types, validate)
    if validate or not is_generated(matched.record):
        _call(source, name, matched.record, values)
    elif (filling := filling_of(matched.record)) is None:
        _initialise(source, name, matched.record, values)
    else:
        _fill(source, name, matched.record, values, filling)
    if matched.nullable:
        source.close()
    return name


def _call(source: Source, name: str, record: type, values: Mapping[str, str]) -> None:
    """Write a call of the class, with positional arguments if attrs generated its ``__init__``."""
    arguments = _arguments(record, values, by_position=is_generated(record))
    source.line(f"{name} = {source.refer('class', record)}({', '.join(arguments)})")


def _initialise(source: Source, name: str, record: type, values: Mapping[str, str]) -> None:
    """Write what calling the class does, with an ``__init__`` that runs no validators."""
    arguments = [name, *_arguments(record, values, by_position=True)]
    source.line(f"{name} = {_new(source, record)}")
    source.line(f"{source.refer('initialise', initialiser(record))}({', '.join(arguments)})")


def _arguments(record: type, values: Mapping[str, str], *, by_position: bool) -> list[str]:
    positional = []
    keywords = []
    for field in attrs.fields(record):
        if not field.init:
            continue
        argument = argument_name(field)
        value = values.get(argument)
        if value is None:
            # After an argument that keeps its default, arguments can only be passed by name.
            by_position = by_position and bool(field.kw_only)
        elif by_position and not field.kw_only:
            positional.append(value)
        else:
            keywords.append(f"{argument}={value}")
    return [*positional, *keywords]


def _fill(
    source: Source, name: str, record: type, values: Mapping[str, str], filling: Filling
) -> None:
    """Write what the ``__init__`` of attrs does, inline, which takes a third of the time."""
    if filling is Filling.TWIN:
        source.line(f"{name} = {source.refer('twin', twin_of(record))}()")
    else:
        source.line(f"{name} = {_new(source, record)}")
    place = f"{name}.{{}}"
    if filling is Filling.IN_DICT:
        items = source.name("items")
        source.line(f"{items} = {name}.__dict__")
        place = f"{items}['{{}}']"
    for field in attrs.fields(record):
        value = _value(source, field, values)
        if value is not None:
            source.line(f"{place.format(field.name)} = {value}")
    if filling is Filling.TWIN:
        source.line(f"{name}.__class__ = {source.refer('class', record)}")
    if has_hook_after(record):
        source.line(f"{name}.__attrs_post_init__()")


def _new(source: Source, record: type) -> str:
    return f"{source.refer('new', object.__new__)}({source.refer('class', record)})"


def _value(source: Source, field: attrs.Attribute[Any], values: Mapping[str, str]) -> str | None:
    """Return the code of a field's value: a column, a record or its default; None if unset."""
    value = values.get(argument_name(field)) if field.init else None
    if value is None:
        if field.default is attrs.NOTHING:
            return None
        factory = factory_of(field)
        if factory is None:
            value = source.refer("default", field.default)
        else:
            value = f"{source.refer('factory', factory)}()"
    if field.converter is not None:
        value = f"{source.refer('convert', field.converter)}({value})"
    return value

"""Lint of a database and its records: types, indexes, constraints, timestamps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from raxol_sql.changesets import rules_of
from raxol_sql.engine import Database
from raxol_sql.queries import Query, load
from raxol_sql.schema.finding import Finding, Level
from raxol_sql.schema.fitting import Target, target_of
from raxol_sql.schema.proof import Origin

_TYPES = {
    "timestamp": ("does not say in which time zone it is", "use timestamptz"),
    "json": ("keeps the text, and cannot be compared or indexed", "use jsonb"),
    "bpchar": ("is filled up with spaces", "use varchar or text"),
    "money": ("depends on the server's locale", "use numeric"),
    "float4": ("does not hold amounts exactly", "use numeric"),
    "float8": ("does not hold amounts exactly", "use numeric"),
    "int4": ("as a key ends at 2147483647", "use bigint"),
    "int2": ("as a key ends at 32767", "use bigint"),
}


def lint(database: Database, origins: Iterable[Origin]) -> list[Finding]:
    """
    Check the tables on the search path, and the records over them, against good practice.

    ``origins`` say which fields of records come from which columns. Other programs can break a
    rule of a record that its table does not enforce, and a NULL does not fit a field that does not
    allow None. Reads only the catalogue.
    """
    queries = load(Path(__file__).with_name("lint.sql")).lint
    known = list(origins)
    tables = sorted({origin.table for origin in known})
    types, keys, without_times, numbered = database.run_all(
        [
            queries.columns_of_odd_types(),
            queries.foreign_keys_without_index(),
            queries.tables_without_timestamps(),
            queries.columns_by_number(tables=tables),
        ]
    )
    found = [*map(_of_type, types), *map(_of_index, keys), *map(_of_timestamps, without_times)]
    columns = {(row.table_oid, row.number): row for row in numbered}
    return [*found, *_of_record(known, columns)]


def _of_type(row: Any) -> Finding:
    problem, remedy = _TYPES[row.base_type]
    subject = f"{row.table_name}.{row.column_name}"
    return Finding(Level.WARN, "type", subject, f"{row.type_name} {problem}", remedy)


def _of_index(row: Any) -> Finding:
    columns = ", ".join(row.column_names)
    if row.is_partitioned:
        remedy = f"create index on {row.quoted} ({columns});  -- locks it: only so can it be made"
    else:
        remedy = f"create index concurrently on {row.quoted} ({columns});"
    return Finding(
        Level.WARN,
        "index",
        row.table_name,
        f"the foreign key {row.constraint_name} has no index: deleting a parent reads every row",
        remedy,
    )


def _of_timestamps(row: Any) -> Finding:
    return Finding(
        Level.WARN,
        "timestamps",
        row.table_name,
        f"has no {' and no '.join(row.missing)}",
        f"alter table {row.quoted} "
        + ", ".join(f"add {name} timestamptz not null default now()" for name in row.missing)
        + ";",
    )


def _of_record(origins: Iterable[Origin], columns: dict[tuple[int, int], Any]) -> Iterator[Finding]:
    # Many queries return the same record; its rules are the same in all of them.
    told = set()
    without_null: dict[str, list[Query[Any]]] = {}
    nulls: dict[str, tuple[Target, Any]] = {}
    for origin in origins:
        column = columns.get((origin.table, origin.number))
        record = origin.query.record
        target = None if record is None else target_of(record, origin.name)
        if target is None or column is None:
            continue
        if str(target) not in told:
            told.add(str(target))
            yield from _of_rules(target, column)
        if column.is_nullable and _has_no_null(origin, target):
            nulls.setdefault(str(target), (target, column))
            without_null.setdefault(str(target), []).append(origin.query)
    for name, (target, column) in nulls.items():
        yield _of_null(target, column, without_null[name])


def _has_no_null(origin: Origin, target: Target) -> bool:
    """Return whether a field allows no None, and its query does not declare @not-null."""
    directives = origin.query.definition.directives
    return (
        not target.field.nullable
        and not target.field.holds_records
        and target.attribute.converter is None
        and origin.name not in directives.not_null
        and all(code != "null" for code, _ in directives.allow)
    )


def _of_null(target: Target, column: Any, queries: list[Query[Any]]) -> Finding:
    where = f"{column.table_name}.{column.column_name}"
    names = ", ".join(dict.fromkeys(query.name for query in queries))
    return Finding(
        Level.WARN,
        "null",
        str(target),
        f"is {target.field.annotation}, and {where} may be NULL, in {names}",
        "make the column NOT NULL or let the field be None; a query may say -- @not-null COLUMN",
        queries[0].location,
    )


def _of_rules(target: Target, column: Any) -> Iterator[Finding]:
    longest, is_bounded = rules_of(target.attribute)
    where = f"{column.table_name}.{column.column_name}"
    if column.is_checked:
        return
    if longest is not None and column.is_text and column.longest != longest:
        yield Finding(
            Level.WARN,
            "constraint",
            str(target),
            f"takes {longest} characters, and {where} does not say so",
            f"make {where} varchar({longest}), or add a check of its length",
        )
    if is_bounded:
        yield Finding(
            Level.WARN,
            "constraint",
            str(target),
            f"has its own bounds, and {where} has no check",
            f"add the same check to {column.table_name}",
        )

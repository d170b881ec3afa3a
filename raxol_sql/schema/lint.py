"""A database and its records against good practice: types, indexes, constraints, timestamps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs

from raxol_sql.changesets import rules_of
from raxol_sql.engine import Database
from raxol_sql.queries import load
from raxol_sql.schema.finding import Finding, Level
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
    What good practice has to say of the tables on the search path, and of the records on them.

    ``origins`` say which fields of records come from which columns: a rule of a record that its
    table does not know is one that other programs break. Reads only the catalogue.
    """
    queries = load(Path(__file__).with_name("lint.sql")).lint
    with database.transaction(read_only=True) as tx:
        found = [
            *(_of_type(row) for row in tx.run(queries.columns_of_odd_types())),
            *(_of_index(row) for row in tx.run(queries.foreign_keys_without_index())),
            *(_of_timestamps(row) for row in tx.run(queries.tables_without_timestamps())),
        ]
        known = list(origins)
        tables = sorted({origin.table for origin in known})
        columns = {
            (row.table_oid, row.number): row
            for row in tx.run(queries.columns_by_number(tables=tables))
        }
    return [*found, *_of_rules(known, columns)]


def _of_type(row: Any) -> Finding:
    problem, remedy = _TYPES[row.base_type]
    subject = f"{row.table_name}.{row.column_name}"
    return Finding(Level.WARN, "type", subject, f"{row.type_name} {problem}", remedy)


def _of_index(row: Any) -> Finding:
    columns = ", ".join(row.column_names)
    return Finding(
        Level.WARN,
        "index",
        row.table_name,
        f"the foreign key {row.constraint_name} has no index: deleting a parent reads every row",
        f"create index concurrently on {row.table_name} ({columns})",
    )


def _of_timestamps(row: Any) -> Finding:
    return Finding(
        Level.WARN,
        "timestamps",
        row.table_name,
        f"has no {' and no '.join(row.missing)}",
        "add " + ", ".join(f"{name} timestamptz not null default now()" for name in row.missing),
    )


def _of_rules(origins: Iterable[Origin], columns: dict[tuple[int, int], Any]) -> Iterator[Finding]:
    told = set()
    for origin in origins:
        record = origin.query.record
        column = columns.get((origin.table, origin.number))
        if record is None or column is None:
            continue
        field = next(
            (one for one in attrs.fields(record) if (one.alias or one.name) == origin.name), None
        )
        if field is None or (record, origin.name) in told:
            continue
        told.add((record, origin.name))
        longest, is_bounded = rules_of(field)
        subject = f"{record.__name__}.{origin.name}"
        where = f"{column.table_name}.{column.column_name}"
        if longest is not None and not column.is_checked and column.longest != longest:
            yield Finding(
                Level.WARN,
                "constraint",
                subject,
                f"takes {longest} characters, and {where} does not say so",
                f"make {where} varchar({longest}), or add a check of its length",
            )
        if is_bounded and not column.is_checked:
            yield Finding(
                Level.WARN,
                "constraint",
                subject,
                f"has bounds of its own, and {where} has no check",
                f"add the same check to {column.table_name}",
            )

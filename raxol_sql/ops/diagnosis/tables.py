"""The tables: their keys, constraints and sequences, and how they are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from raxol_sql.ops.amounts import counted, size, some
from raxol_sql.ops.diagnosis.check import Check
from raxol_sql.ops.diagnosis.subject import Subject
from raxol_sql.ops.finding import Finding, Status
from raxol_sql.ops.own_queries import own_queries

GROUP = "schema"
_MB = 1024 * 1024


def of_keys(subject: Subject, rows: Sequence[Any]) -> Iterator[Finding]:
    """What is to be said of the rows of ``tables.without_key``."""
    if not rows:
        yield Finding(GROUP, "primary key", Status.OK, "every table has a key")
    for row in rows:
        said = f"{row.name} has no primary key: nothing tells two of its rows apart"
        yield Finding(GROUP, "primary key", Status.WARN, said, _keyed(row))


def _keyed(row: Any) -> str:
    if row.is_partitioned:
        return f"alter table {row.name} add primary key (…);  -- with what it is partitioned by"
    if row.has_id:
        return f"alter table {row.name} add primary key (id);  -- if id is unique and never NULL"
    return f"alter table {row.name} add id bigint generated always as identity primary key;"


def of_not_valid(subject: Subject, rows: Sequence[Any]) -> Iterator[Finding]:
    """What is to be said of the rows of ``tables.not_valid``."""
    if not rows:
        yield Finding(GROUP, "not valid", Status.OK, "every constraint holds for all rows")
    for row in rows:
        said = f"{row.name} of {row.table_name} was never held against the rows from before it"
        remedy = f"alter table {row.table_name} validate constraint {row.name};"
        yield Finding(GROUP, "not valid", Status.WARN, said, remedy)


def of_sequences(subject: Subject, rows: Sequence[Any]) -> Iterator[Finding]:
    """What is to be said of the rows of ``tables.sequences``."""
    warn = subject.limits.sequence_warn_percent / 100
    fail = subject.limits.sequence_fail_percent / 100
    near = [row for row in rows if row.used is not None and row.used >= min(warn, fail)]
    for row in near:
        place = f", which numbers {row.table_name}.{row.column_name}," if row.table_name else ""
        said = f"{row.name}{place} has used {row.used:.0%} of its numbers: it ends at {row.ending}"
        status = Status.FAIL if row.used >= fail else Status.WARN
        yield Finding(GROUP, "sequence", status, said, _widened(row))
    hidden = [row.name for row in rows if not row.is_readable]
    if hidden:
        said = f"how far {some(hidden)} came is not shown to this role"
        remedy = f"grant select on sequence {', '.join(hidden)} to {subject.role};"
        yield Finding(GROUP, "sequence", Status.SKIP, said, remedy)
    elif not near:
        said = f"no sequence has used {warn:.0%} of its numbers"
        yield Finding(GROUP, "sequence", Status.OK, said)


def _widened(row: Any) -> str:
    if row.has_own_end:
        end = "maxvalue" if row.is_ascending else "minvalue"
        widened = f"alter sequence {row.name} as bigint no {end};"
    else:
        widened = f"alter sequence {row.name} as bigint;"
    if not row.table_name:
        return widened
    column = f"alter table {row.table_name} alter {row.column_name} type bigint;"
    return f"{widened} {column}  -- rewrites the table"


def of_scans(subject: Subject, rows: Sequence[Any]) -> Iterator[Finding]:
    """What is to be said of the rows of ``tables.scanned``."""
    limits = subject.limits
    found = [row for row in rows if row.bytes >= limits.scan_mb * _MB and row.scans >= limits.scans]
    for row in found:
        said = (
            f"{row.name} ({size(row.bytes)}) was read whole {counted(row.scans, 'time')}, "
            f"{row.rows_each:,} rows each, and {counted(row.index_scans, 'time')} by an index"
        )
        remedy = "raxol-sql explain QUERY  # then create index concurrently on what it filters by"
        yield Finding(GROUP, "read whole", Status.WARN, said, remedy)
    if not found:
        said = f"no table of {limits.scan_mb:g} MB is mostly read whole"
        yield Finding(GROUP, "read whole", Status.OK, said)


_QUERIES = own_queries(__file__, "tables")
CHECKS = (
    Check.asking(GROUP, "primary key", of_keys, _QUERIES.without_key),
    Check.asking(GROUP, "not valid", of_not_valid, _QUERIES.not_valid),
    Check.asking(GROUP, "sequence", of_sequences, _QUERIES.sequences),
    Check.asking(GROUP, "read whole", of_scans, _QUERIES.scanned),
)

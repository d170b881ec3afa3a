"""The disk and the memory before it: what is read from where, and what only takes room."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from raxol_sql.ops.amounts import counted, size, span
from raxol_sql.ops.diagnosis.check import Check
from raxol_sql.ops.diagnosis.limits import Limits
from raxol_sql.ops.diagnosis.subject import Subject
from raxol_sql.ops.finding import Finding, Status
from raxol_sql.ops.own_queries import own_queries

GROUP = "storage"
_MB = 1024 * 1024


def of_cache(subject: Subject, row: Any) -> Iterator[Finding]:
    """What is to be said of the row of ``storage.cache``."""
    yield _cache("tables", row.table_hits, row.table_reads, subject.limits)
    yield _cache("indexes", row.index_hits, row.index_reads, subject.limits)


def _cache(what: str, hits: int, reads: int, limits: Limits) -> Finding:
    check = f"cache of {what}"
    blocks = hits + reads
    if blocks < max(1, limits.cache_reads):
        said = f"only {counted(blocks, 'block')} of {what} read so far: too few to tell"
        return Finding(GROUP, check, Status.SKIP, said)
    share = hits / blocks
    said = f"{share:.1%} of {blocks:,} blocks of {what} were found in memory"
    if share >= limits.cache_hit:
        return Finding(GROUP, check, Status.OK, said)
    remedy = "raise shared_buffers towards a quarter of the machine's memory, and restart"
    return Finding(GROUP, check, Status.WARN, f"{said}; {limits.cache_hit:.1%} is well", remedy)


def of_dead_rows(subject: Subject, rows: Sequence[Any]) -> Iterator[Finding]:
    """What is to be said of the rows of ``storage.dead_rows``."""
    limits = subject.limits
    found = [
        row
        for row in rows
        if row.dead > limits.dead_rows and row.dead > limits.dead_factor * row.threshold
    ]
    for row in found:
        when = "never" if row.vacuumed_at is None else f"last on {row.vacuumed_at:%Y-%m-%d %H:%M}"
        why = "" if row.is_automatic else "; autovacuum is off for it"
        said = (
            f"{row.name} has {row.dead:,} dead rows and {row.live:,} live ones, and "
            f"autovacuum begins at "
            f"{row.threshold:,.0f}; vacuumed {when}{why}"
        )
        remedy = f"vacuum (analyze) {row.name};  -- old transactions, under load, keep it from that"
        yield Finding(GROUP, "dead rows", Status.WARN, said, remedy)
    if not found:
        said = "no table has more dead rows than autovacuum keeps up with"
        yield Finding(GROUP, "dead rows", Status.OK, said)


def of_room(subject: Subject, rows: Sequence[Any]) -> Iterator[Finding]:
    """What is to be said of the rows of ``storage.room``, which are an estimate."""
    limits = subject.limits
    found = [
        row
        for row in rows
        if row.bytes > limits.bloat_factor * row.needed
        and row.bytes - row.needed > limits.bloat_mb * _MB
    ]
    for row in found:
        said = (
            f"{row.name} takes {size(row.bytes)}, and its rows would take about "
            f"{size(row.needed)}: the rest is room that only new rows of this table can use"
        )
        remedy = f"vacuum full {row.name};  -- locks the table; pg_repack does not"
        yield Finding(GROUP, "bloat", Status.WARN, said, remedy)
    if not found:
        yield Finding(GROUP, "bloat", Status.OK, "no table takes much more room than its rows")


def of_ages(subject: Subject, rows: Sequence[Any]) -> Iterator[Finding]:
    """What is to be said of the rows of ``storage.ages``, of which there is one at least."""
    limits = subject.limits
    old = [row for row in rows if row.age > min(limits.xid_factor * row.begins_at, limits.xid_fail)]
    for row in old:
        said = (
            f"the database {row.name} is {row.age:,} transactions old, and autovacuum should "
            f"have begun at {row.begins_at:,}; at 2,100,000,000 the server stops writing"
        )
        status = Status.FAIL if row.age > limits.xid_fail else Status.WARN
        remedy = f"vacuumdb --freeze -- {shlex.quote(row.name)}"
        yield Finding(GROUP, "transaction age", status, said, remedy)
    if not old:
        said = (
            f"the oldest database, {rows[0].name}, is {rows[0].age:,} transactions old; "
            f"autovacuum begins at {rows[0].begins_at:,}"
        )
        yield Finding(GROUP, "transaction age", Status.OK, said)


def of_temporary(subject: Subject, row: Any) -> Iterator[Finding]:
    """What is to be said of the row of ``storage.temporary``."""
    said = f"none in {span(row.counted)}"
    if row.files:
        files = counted(row.files, "temporary file")
        said = (
            f"{files}, {size(row.bytes)}, in {span(row.counted)}: what did not fit into work_mem, "
            f"which is {row.work_mem}"
        )
    yield Finding(GROUP, "temporary files", Status.OK, said)


_QUERIES = own_queries(__file__, "storage")
CHECKS = (
    Check.asking(GROUP, "cache", of_cache, _QUERIES.cache),
    Check.asking(GROUP, "dead rows", of_dead_rows, _QUERIES.dead_rows),
    Check.asking(GROUP, "bloat", of_room, _QUERIES.room),
    Check.asking(GROUP, "transaction age", of_ages, _QUERIES.ages),
    Check.asking(GROUP, "temporary files", of_temporary, _QUERIES.temporary),
)

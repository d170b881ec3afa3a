"""The indexes: unused ones, and broken ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from typing import Any

from raxol_sql.ops.amounts import counted, size, span
from raxol_sql.ops.diagnosis.check import Check
from raxol_sql.ops.diagnosis.subject import Subject
from raxol_sql.ops.finding import Finding, Status
from raxol_sql.ops.own_queries import own_queries

GROUP = "schema"
_MB = 1024 * 1024


def of_invalid(subject: Subject, rows: Sequence[Any]) -> Iterator[Finding]:
    """What is to be said of the rows of ``indexes.invalid``."""
    if not rows:
        yield Finding(GROUP, "invalid index", Status.OK, "every index is valid")
    for row in rows:
        harm = ", and keeps nothing unique" if row.is_unique else ""
        said = (
            f"{row.name} on {row.table_name} is left over from a build that failed: "
            f"it costs writes, and no query uses it{harm}"
        )
        remedy = f"drop index concurrently {row.name};  -- then build it again"
        yield Finding(GROUP, "invalid index", Status.FAIL, said, remedy)


def of_duplicates(subject: Subject, rows: Sequence[Any]) -> Iterator[Finding]:
    """What is to be said of the rows of ``indexes.duplicates``: one finding for each index."""
    # The first row of an index is about one that is the same, if there is one.
    found = {row.name: row for row in reversed(rows)}
    if not found:
        yield Finding(GROUP, "duplicate index", Status.OK, "no index does what another one does")
    for row in reversed([*found.values()]):
        how = "is the same as" if row.is_same else "has only the first columns of"
        said = f"{row.name} on {row.table_name} {how} {row.other}"
        if row.constraint_name:
            remedy = f"alter table {row.table_name} drop constraint {row.constraint_name};"
        else:
            # One of a partitioned table is not dropped concurrently.
            remedy = f"drop index {'' if row.is_partitioned else 'concurrently '}{row.name};"
        yield Finding(GROUP, "duplicate index", Status.WARN, said, remedy)


def of_unused(subject: Subject, statistics: Any, rows: Iterable[Any]) -> Iterator[Finding]:
    """What is to be said of the rows of ``indexes.statistics`` and ``indexes.unused``."""
    limits = subject.limits
    if statistics.days < limits.statistics_days:
        said = (
            f"the server has been counting for {span(statistics.days * 86400)} only: what is not "
            f"used shows after {limits.statistics_days:g} d"
        )
        yield Finding(GROUP, "unused index", Status.SKIP, said)
        return
    found = unused(subject, statistics, rows)
    for row in found:
        said = (
            f"{row.name} on {row.table_name} ({size(row.bytes)}) was used "
            f"{counted(row.scans, 'time')} in {statistics.days:.0f} days, here and not on a standby"
        )
        remedy = f"drop index concurrently {row.name};  -- unless it is new"
        yield Finding(GROUP, "unused index", Status.WARN, said, remedy)
    if not found:
        said = f"every index of {limits.index_mb:g} MB or more is used"
        yield Finding(GROUP, "unused index", Status.OK, said)


def unused(subject: Subject, statistics: Any, rows: Iterable[Any]) -> list[Any]:
    """Those of the rows of ``indexes.unused`` that are to go; none while the counts are young."""
    limits = subject.limits
    if statistics.days < limits.statistics_days:
        return []
    return [
        row for row in rows if row.scans < limits.index_scans and row.bytes >= limits.index_mb * _MB
    ]


def of_surplus(
    subject: Subject,
    duplicates: Sequence[Any],
    statistics: Any,
    rows: Sequence[Any],
    nulls: Sequence[Any],
) -> Iterator[Finding]:
    """
    What is to be said of duplicate and unused indexes and of those of NULLs, together.

    The remedies of one run can all be followed: no index is named twice, and none is dropped for
    the sake of another one that is dropped as well.
    """
    idle = {row.name for row in unused(subject, statistics, rows)}
    left = without_idle(duplicates, idle)
    dropped = idle | {row.name for row in left}
    yield from of_duplicates(subject, left)
    yield from of_unused(subject, statistics, rows)
    yield from of_nulls(subject, [row for row in nulls if row.name not in dropped])


def without_idle(duplicates: Sequence[Any], idle: Set[str]) -> list[Any]:
    """
    The rows of ``indexes.duplicates`` about indexes that can go, and others that then stay.

    ``idle`` are the indexes that are dropped because no query uses them. Pure.
    """
    others: dict[str, list[str]] = {}
    for row in duplicates:
        others.setdefault(row.name, []).append(row.other)
    known: dict[str, bool] = dict.fromkeys(idle, True)

    def goes(name: str) -> bool:
        if name not in known:
            known[name] = False  # of a circle one stays
            known[name] = any(not goes(other) for other in others.get(name, ()))
        return known[name]

    return [
        row for row in duplicates if row.name not in idle and goes(row.name) and not goes(row.other)
    ]


def of_nulls(subject: Subject, rows: Sequence[Any]) -> Iterator[Finding]:
    """What is to be said of the rows of ``indexes.full_of_nulls``."""
    limits = subject.limits
    found = [
        row for row in rows if row.nulls > limits.null_share and row.bytes >= limits.index_mb * _MB
    ]
    for row in found:
        said = (
            f"{row.name} on {row.table_name} ({size(row.bytes)}) has an entry for every NULL of "
            f"{row.column_name}: {row.nulls:.0%} of the rows"
        )
        remedy = f"build it again with: where {row.column_name} is not null"
        yield Finding(GROUP, "index of NULLs", Status.WARN, said, remedy)
    if not found:
        yield Finding(GROUP, "index of NULLs", Status.OK, "no large index is mostly NULLs")


_QUERIES = own_queries(__file__, "indexes")
CHECKS = (
    Check.asking(GROUP, "invalid index", of_invalid, _QUERIES.invalid),
    Check.asking(
        *(GROUP, "surplus index", of_surplus),
        *(_QUERIES.duplicates, _QUERIES.statistics, _QUERIES.unused, _QUERIES.full_of_nulls),
    ),
)

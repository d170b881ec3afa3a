"""Which queries the server spends its time on, by their names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import attrs

from raxol_sql.errors import RaxolSQLError
from raxol_sql.ops.activity.naming import Names
from raxol_sql.ops.amounts import counted
from raxol_sql.ops.diagnosis.check import Check
from raxol_sql.ops.diagnosis.limits import Limits
from raxol_sql.ops.diagnosis.subject import Subject
from raxol_sql.ops.finding import Finding, Status
from raxol_sql.ops.own_queries import every_own_query, own_queries
from raxol_sql.queries import Query
from raxol_sql.text import first_word_of
from raxol_sql.text.fingerprint import masked

GROUP = "statements"
_CHECK = "pg_stat_statements"
_SHOWN, _WORTH = 3, 0.01
_WORK = frozenset(["select", "insert", "update", "delete", "merge", "with", "values", "table", ""])


@attrs.frozen
class Cost:
    """
    What a statement has cost: one of a query that can be several is the sum of these.

    What ``is_work`` reads or writes rows; the rest is maintenance, and takes what it takes. A
    diagnosis itself ``is_own``.
    """

    name: str
    calls: int
    ms: float
    is_work: bool = True
    is_own: bool = False

    @property
    def mean(self) -> float:
        """Milliseconds for each call."""
        return self.ms / max(1, self.calls)


def read_statements(subject: Subject) -> Iterable[Finding]:
    """What statements have cost, where the server counts that and this role may know."""
    with subject.database.transaction(read_only=True) as tx:
        preloaded: Any = tx.run(_QUERIES.preloaded())
        extension: Any = tx.run(_QUERIES.extension())
        missing = of_extension(subject.role, preloaded, extension)
        if missing is not None:
            return [missing]
        rows: Any = tx.run(_QUERIES.counted())
    return of_counted(rows, _queries_of(subject), subject)


def _queries_of(subject: Subject) -> list[Query[Any]]:
    # That they cannot be loaded is said where they are held against the tables.
    with suppress(RaxolSQLError):
        return [subject.queries[name] for name in subject.queries]
    return []


def of_extension(role: str, preloaded: Any, extension: Any) -> Finding | None:
    """Why nothing is known of statements, and what to do about it; None where there is."""
    if extension is None:
        if preloaded.is_available:
            said, remedy = "the extension is not created in this database", _create(preloaded)
        else:
            said = "the extension is not installed on the server"
            remedy = "install PostgreSQL's contrib package there, such as postgresql-contrib"
    elif not extension.is_loaded:
        said = "the server has not loaded the extension when it started"
        remedy = f"{_load(preloaded)}  -- then restart the server"
    elif not extension.is_recent:
        said = "the extension is older than the server"
        remedy = "alter extension pg_stat_statements update;"
    elif not extension.is_allowed:
        said = "the schema of the extension is not for this role"
        remedy = f"grant usage on schema {extension.schema} to {role};"
    else:
        return None
    return Finding(GROUP, _CHECK, Status.SKIP, said, remedy)


def _create(preloaded: Any) -> str:
    create = "create extension pg_stat_statements;"
    if preloaded.libraries is None or "pg_stat_statements" in preloaded.libraries:
        return create
    return f"{_load(preloaded)}  -- restart the server, then: {create}"


def _load(preloaded: Any) -> str:
    # Each library is a separate text, or the server looks for one with a comma in its name.
    others = [one.strip() for one in (preloaded.libraries or "").split(",") if one.strip()]
    all_ = ", ".join(f"'{one}'" for one in [*others, "pg_stat_statements"])
    return f"alter system set shared_preload_libraries = {all_};"


def of_counted(
    rows: Sequence[Any], queries: Iterable[Query[Any]], subject: Subject
) -> Iterator[Finding]:
    """What is to be said of the rows of ``statements.counted``, with the names of ``queries``."""
    seen = [row for row in rows if not row.is_hidden]
    if seen:
        all_ = costs(seen, Names(queries, every_own_query()))
        others = [one for one in all_ if not one.is_own]
        total = seen[0].all_ms - sum(one.ms for one in all_ if one.is_own)
        yield from of_costs(others, total, subject.limits)
    elif not rows:
        yield Finding(GROUP, _CHECK, Status.SKIP, "nothing was counted in this database so far")
    if len(seen) < len(rows):
        said = f"{counted(len(rows) - len(seen), 'statement')} of other roles not shown to this one"
        remedy = f"grant pg_read_all_stats to {subject.role};"
        yield Finding(GROUP, "other roles", Status.SKIP, said, remedy)


def costs(rows: Iterable[Any], names: Names) -> list[Cost]:
    """The cost of each query, and of each statement that is none of ours, highest first."""
    found: dict[str, Cost] = {}
    for row in rows:
        label = names.label(row.text)
        name = label.text if label.is_name else f"not one of ours: {masked(row.text)}"
        is_work = label.is_name or first_word_of(row.text) in _WORK
        before = found.get(name, Cost(name, 0, 0.0, is_work, label.is_own))
        found[name] = attrs.evolve(before, calls=before.calls + row.calls, ms=before.ms + row.ms)
    return sorted(found.values(), key=lambda one: -one.ms)


def of_costs(found: Sequence[Cost], total: float, limits: Limits) -> Iterator[Finding]:
    """Whether one of them takes too much of the ``total`` milliseconds, and which take most."""
    outliers = [
        one
        for one in found
        if one.is_work
        and one.calls >= limits.statement_calls
        and one.mean > limits.statement_ms
        and one.ms > limits.statement_share * total
    ]
    for one in outliers:
        yield Finding(
            GROUP,
            "outlier",
            Status.WARN,
            _said(one, total),
            "" if one.name.startswith("not ") else f"raxol-sql explain {one.name}",
        )
    if not outliers:
        limit = f"{limits.statement_share:.0%} of the time with {limits.statement_ms:g} ms a call"
        yield Finding(GROUP, "outlier", Status.OK, f"no statement takes more than {limit}")
    for one in found[:_SHOWN]:
        if one not in outliers and one.ms >= _WORTH * total:
            yield Finding(GROUP, "most time", Status.OK, _said(one, total))


def _said(one: Cost, total: float) -> str:
    share = one.ms / total if total else 0.0
    return (
        f"{share:.0%} of the time, {counted(one.calls, 'call')}, mean {one.mean:.1f} ms: {one.name}"
    )


_QUERIES = own_queries(__file__, "statements")
CHECKS = (
    Check(
        GROUP,
        _CHECK,
        read_statements,
        (_QUERIES.preloaded, _QUERIES.extension, _QUERIES.counted),
    ),
)

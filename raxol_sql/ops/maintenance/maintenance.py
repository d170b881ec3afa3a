"""VACUUM, ANALYZE and REINDEX, one table or index at a time, with the result of each."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import attrs
import psycopg
from psycopg import sql

from raxol_sql.engine import Database
from raxol_sql.ops.maintenance.attendant import Attendant, Ran, Watch
from raxol_sql.ops.maintenance.relation import Index, Relation
from raxol_sql.ops.own_queries import own_queries

# Milliseconds to wait for the lock without which there is no size: longer is not worth it.
_SIZE_WAIT = 100
# Seconds after which statistics have come by all means; since PostgreSQL 15 they have at once.
_STATISTICS = 1.5
# Where the server says in a warning that it leaves something undone. Its words may be in any
# language.
_SKIPPING = frozenset(
    [
        "vacuum_is_relation_owner",
        "vacuum_is_permitted_for_relation",
        "vacuum_open_relation",
        "vacuum_rel",
        "analyze_rel",
    ]
)


class Result(enum.Enum):
    """The result for a table or an index: done, not done though it should be, nothing to do."""

    OK = "OK"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


@attrs.frozen
class Counts:
    """
    What the server knows of a table's rows, and when it was last vacuumed and analyzed by command.

    ``dead`` and ``live`` are None where it does not count, and ``estimate``, which the planner
    goes by, before the first VACUUM or ANALYZE.
    """

    dead: int | None
    live: int | None
    estimate: int | None
    vacuumed_at: datetime | None
    analyzed_at: datetime | None


@attrs.frozen
class Figures:
    """Counts of a table, None for an index, and its size in bytes, None while it is locked."""

    counts: Counts | None
    size: int | None


@attrs.frozen
class Maintained:
    """
    The result for one table or index, ``name`` as SQL writes it.

    ``reason`` says why it failed or was skipped, and of what was done what the server warned of.
    ``ms`` is what it took. ``blockers`` are the pids that were in the way when it gave up.
    ``leftovers`` are invalid indexes that a reindex left when it failed, as SQL writes them.
    """

    name: str
    result: Result
    reason: str
    before: Figures
    after: Figures
    ms: float
    blockers: tuple[int, ...] = ()
    leftovers: tuple[str, ...] = ()


_NOTHING = Figures(None, None)


def vacuum(
    attendant: Attendant,
    table: Relation,
    *,
    full: bool = False,
    analyze: bool = False,
    parallel: int | None = None,
    watch: Watch | None = None,
) -> Maintained:
    """
    Vacuum one table, and return the result.

    ``full`` rewrites it, under a lock that keeps all other sessions out; how many dead rows are
    left is then not counted unless ``analyze`` is asked for too. ``parallel`` is how many workers
    may help with its indexes. ``watch`` is told now and then how far it is. What the server refuses
    is a result; raises the driver's error where the server is gone.
    """
    options = {
        "full": full,
        "analyze": analyze,
        f"parallel {parallel}": parallel is not None,
    }
    chosen = ", ".join(name for name, is_chosen in options.items() if is_chosen)
    statement = sql.SQL(f"vacuum ({chosen}) {{}}" if chosen else "vacuum {}")

    def moved(before: Counts, after: Counts) -> bool:
        if full:
            return not analyze or before.analyzed_at != after.analyzed_at
        return before.vacuumed_at != after.vacuumed_at

    done = _maintain(attendant, table, statement, moved, watch)
    if not full or analyze or done.after.counts is None or done.result is not Result.OK:
        return done
    # It counts what it read, and leaves the counters as they were.
    counts = attrs.evolve(done.after.counts, dead=None, live=None)
    return attrs.evolve(done, after=attrs.evolve(done.after, counts=counts))


def analyze(attendant: Attendant, table: Relation, *, watch: Watch | None = None) -> Maintained:
    """Gather the planner's statistics of one table, and return the result; as `vacuum`."""
    return _maintain(
        attendant,
        table,
        sql.SQL("analyze {}"),
        lambda before, after: before.analyzed_at != after.analyzed_at,
        watch,
    )


def reindex(
    attendant: Attendant, index: Index, *, concurrently: bool = True, watch: Watch | None = None
) -> Maintained:
    """
    Rebuild one index, and return the result; as `vacuum`.

    Without ``concurrently`` no session writes its table until then, nor reads it by way of the
    index. What cannot be done concurrently is skipped, and so is what an earlier reindex left, or
    another one builds now.
    """
    if index.is_being_built:
        return _skipped(index, "another session rebuilds it now")
    if index.is_leftover:
        reason = f"a reindex that failed has left it: {remedy(index.quoted)}"
        return _skipped(index, reason)
    if concurrently and index.is_exclusion:
        return _skipped(index, "an exclusion constraint's: it takes --no-concurrently")
    statement = sql.SQL("reindex index concurrently {}" if concurrently else "reindex index {}")
    before = _invalid(attendant.db, index)
    done = _maintain(attendant, index, statement, lambda before, after: True, watch)
    if done.result is not Result.FAILED:
        return done
    left = _invalid(attendant.db, index)
    return attrs.evolve(
        done, leftovers=tuple(name for oid, name in left.items() if oid not in before)
    )


def remedy(leftover: str) -> str:
    """The statement that removes an invalid index, whose name is as SQL writes it."""
    return f"drop index concurrently {leftover};"


def _maintain(
    attendant: Attendant,
    relation: Relation,
    statement: sql.SQL,
    moved: Callable[[Counts, Counts], bool],
    watch: Watch | None,
) -> Maintained:
    before = _figures(attendant.db, relation)
    started = time.monotonic()
    ran = attendant.run(statement.format(relation.identifier), watch)
    ms = (time.monotonic() - started) * 1000
    result, reason = _judged(ran, attendant)
    after = _figures(attendant.db, relation)
    until = time.monotonic() + _STATISTICS
    while result is Result.OK and not _have_moved(before, after, moved):
        if time.monotonic() > until:
            break
        time.sleep(0.05)
        after = _figures(attendant.db, relation)
    waited = isinstance(ran.error, psycopg.errors.LockNotAvailable) and ran.blocked
    pids = tuple(session.pid for session in waited.by) if waited else ()
    return Maintained(relation.quoted, result, reason, before, after, ms, pids)


def _have_moved(before: Figures, after: Figures, moved: Callable[[Counts, Counts], bool]) -> bool:
    if before.counts is None or after.counts is None or after.counts.live is None:
        return True
    return moved(before.counts, after.counts)


def _judged(ran: Ran, attendant: Attendant) -> tuple[Result, str]:
    """What a statement's end comes to, and why. Pure."""
    error = ran.error
    if error is None:
        undone = any(one.function in _SKIPPING for one in ran.warnings)
        said = "; ".join(one.words for one in ran.warnings)
        return (Result.FAILED if undone else Result.OK), said
    if isinstance(error, psycopg.errors.LockNotAvailable):
        reason = f"gave up after {attendant.lock_timeout} ms of waiting for a lock"
        if ran.blocked is not None:
            reason += f": blocked by {' and '.join(map(str, ran.blocked.by))}"
        return Result.FAILED, reason
    if isinstance(error, (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedObject)):
        return Result.SKIPPED, "it was dropped during that"
    words = " ".join((error.diag.message_primary or str(error)).split())
    return Result.FAILED, f"{words} (SQLSTATE {error.sqlstate})" if error.sqlstate else words


def _skipped(index: Index, reason: str) -> Maintained:
    return Maintained(index.quoted, Result.SKIPPED, reason, _NOTHING, _NOTHING, 0.0)


def _figures(db: Database, relation: Relation) -> Figures:
    queries = _queries()
    counts: Counts | None = None
    if isinstance(relation, Index):
        size = queries.index_bytes(schema=relation.schema, name=relation.name)
    else:
        counts = db.run(queries.figures(oid=relation.oid))
        size = queries.table_bytes(oid=relation.oid)
    try:
        with db.transaction(read_only=True) as tx:
            tx.run(queries.limit_lock_wait(milliseconds=_SIZE_WAIT))
            return Figures(counts, tx.run(size))
    except psycopg.errors.LockNotAvailable:
        return Figures(counts, None)


def _invalid(db: Database, index: Index) -> dict[int, str]:
    rows = db.run(_queries().invalid_indexes(oid=index.stored_oid))
    return {row.oid: row.quoted for row in rows}


def _queries() -> Any:
    return own_queries(__file__, "maintenance", Counts)

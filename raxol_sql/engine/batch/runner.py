"""Running a batch, with retries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs
import psycopg

from raxol_sql.engine.batch.batch import Batch
from raxol_sql.engine.core.deadline import deadline_of, earliest
from raxol_sql.engine.transaction.commit import CommitState, note_outcome
from raxol_sql.engine.transaction.options import TransactionOptions
from raxol_sql.engine.transaction.retrier import FailedAttempt, RetriedCall, run_attempts
from raxol_sql.engine.transaction.session_source import SessionSource
from raxol_sql.engine.transaction.transaction import TransactionScope
from raxol_sql.errors import RaxolSQLError
from raxol_sql.telemetry import OperationTimer

T = TypeVar("T")


@attrs.frozen(eq=False, repr=False)
class BatchOptions:
    """
    The options of a batch: its ``purpose`` for waiting callers, and those of its transaction.

    ``timeout`` is in milliseconds, 0 for no limit. A batch that ``joins`` makes no savepoint in a
    transaction. It is retried only while ``may_repeat`` returns true, because its rows may be
    consumed.
    """

    purpose: str
    timeout: int
    transaction: TransactionOptions = attrs.field(factory=TransactionOptions)
    joins: bool = False
    may_repeat: Callable[[], bool] = lambda: True


async def run_batch(
    sessions: SessionSource,
    work: Callable[[Batch], Awaitable[T]],
    options: BatchOptions,
    watch: OperationTimer | None,
) -> T:
    """
    Run ``work`` with a batch, atomically, and return its result.

    After an outdated statement, a serialization conflict or a lost connection, the batch is retried
    from the beginning, unless it is part of a transaction: the server has rolled everything back by
    then, or its outcome is resolved first.
    """
    until = earliest(deadline_of(options.timeout), sessions.until)
    is_careful = False

    async def attempt(is_retry: bool) -> T | FailedAttempt:
        nonlocal is_careful
        result = await _attempt(sessions, work, options, watch, until, is_retry, is_careful)
        if isinstance(result, FailedAttempt) and result.is_outdated:
            # Only a prepared statement was outdated: telemetry counts this as the same attempt.
            is_careful = True
            result = await _attempt(sessions, work, options, watch, until, is_retry, is_careful)
        if isinstance(result, FailedAttempt) and not options.may_repeat():
            raise result.error
        return result

    return await run_attempts(attempt, RetriedCall(sessions.retrier, options.purpose, until, watch))


async def _attempt(
    sessions: SessionSource,
    work: Callable[[Batch], Awaitable[T]],
    options: BatchOptions,
    watch: OperationTimer | None,
    until: float | None,
    is_retry: bool,
    is_careful: bool,
) -> T | FailedAttempt:
    block = TransactionScope(
        sessions, options.transaction, join_existing=options.joins, until=until
    )
    session = await block.check_out(options.purpose)
    if watch is not None:
        watch.took(session.idle_since)
    failed: psycopg.Error | None = None
    commit: CommitState | None = None
    try:
        await session.turn.acquire(until)
        try:
            session.wire.until = until
            if is_retry or sessions.until is not None:
                session.limits.uses_deadline = True
            batch = Batch(session, block, watch, keeps_transaction=is_careful)
            try:
                await session.path.follow()
                result = await work(batch)
                commit = await batch.finish()
            except BaseException as error:
                block.record_failure(error)
                if batch.is_in_doubt and not isinstance(error, (psycopg.Error, RaxolSQLError)):
                    note_outcome(error, session.wire.commit_effect, block.marker)
                if await batch.give_up(error) and not is_careful and options.may_repeat():
                    return FailedAttempt(error, block.failure, is_outdated=True)
                session.last_error = error
                raise
        finally:
            session.turn.release()
    except psycopg.Error as error:
        failed = error
    finally:
        await block.release()
    try:
        if failed is not None:
            await block.raise_outcome(failed)
        if commit is not None:
            await block.resolve_outcome(commit)
    except psycopg.Error as error:
        is_read_only = bool(options.transaction.read_only)
        return FailedAttempt(
            error,
            block.failure,
            may_repeat=is_read_only,
            is_standby=block.is_standby and not is_read_only,
        )
    return result

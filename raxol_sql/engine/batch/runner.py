"""Running a batch, with retries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs
import psycopg

from raxol_sql.engine.batch.batch import Batch
from raxol_sql.engine.core.deadline import deadline_of, earliest
from raxol_sql.engine.transaction.options import TransactionOptions
from raxol_sql.engine.transaction.retrier import CommitState, log_success
from raxol_sql.engine.transaction.session_source import SessionSource
from raxol_sql.engine.transaction.transaction import TransactionScope
from raxol_sql.errors import RaxolSQLError
from raxol_sql.failures import Attempts
from raxol_sql.telemetry import OperationTimer

T = TypeVar("T")


@attrs.frozen
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
    repeating = sessions.repeating
    attempts: Attempts | None = None
    careful = False
    while True:
        block = TransactionScope(sessions, options.transaction, joins=options.joins, until=until)
        session = await block.reserve(options.purpose)
        if watch is not None:
            watch.took(session.idle_since)
        failed: psycopg.Error | None = None
        pending: CommitState | None = None
        try:
            await session.turn.acquire(until)
            try:
                session.wire.until = until
                if attempts is not None or sessions.until is not None:
                    session.limits.uses_deadline = True
                batch = Batch(session, block, watch, careful=careful)
                try:
                    await session.path.follow()
                    result = await work(batch)
                    pending = await batch.finish()
                except BaseException as error:
                    block.judge(error)
                    if batch.is_in_doubt and not isinstance(error, (psycopg.Error, RaxolSQLError)):
                        block.mark(error, session.wire.commit_effect)
                    is_outdated = await batch.give_up(error)
                    if careful or not is_outdated or not options.may_repeat():
                        session.last_error = error
                        raise
                    careful = True
                    continue
            finally:
                session.turn.release()
        except psycopg.Error as error:
            failed = error
        finally:
            await block.free()
        try:
            if failed is not None:
                await block.answer_for(failed)
            if pending is not None:
                await block.settle(pending)
            if attempts is not None:
                log_success(attempts, options.purpose)
            return result
        except psycopg.Error as error:
            if repeating is None or block.failure is None or not options.may_repeat():
                raise
            attempts = attempts or repeating.begin(until)
            if watch is not None:
                watch.pause()
            await repeating.after(
                attempts,
                error,
                block.failure,
                may_repeat=bool(options.transaction.read_only),
                is_standby=block.is_standby and not options.transaction.read_only,
            )
            if watch is not None:
                watch.again()

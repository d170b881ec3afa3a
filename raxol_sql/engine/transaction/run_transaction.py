"""Running a function in a transaction, with retries."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs
import psycopg

from raxol_sql.engine.core.deadline import deadline_of, earliest
from raxol_sql.engine.transaction.commit import Verify
from raxol_sql.engine.transaction.options import TransactionOptions
from raxol_sql.engine.transaction.retrier import FailedAttempt, RetriedCall, run_attempts
from raxol_sql.engine.transaction.session_source import SessionSource
from raxol_sql.engine.transaction.transaction import TransactionScope
from raxol_sql.errors import TransactionError
from raxol_sql.failures import RetryPolicy
from raxol_sql.telemetry import AttemptTelemetry, OperationTimer

T = TypeVar("T")
_FAILURES = (psycopg.Error, TransactionError)


@attrs.frozen(eq=False, repr=False)
class TransactionCall:
    """
    The options of one call of `Database.run_transaction`.

    ``timeout`` is in milliseconds, for all attempts together, 0 for no limit. ``name`` identifies
    the call in logs.
    """

    options: TransactionOptions
    timeout: int
    verify: Verify | None = None
    retry: RetryPolicy | None = None
    name: str = "run_transaction"


def name_of(work: Callable[..., object]) -> str:
    """Return the name of a function's transaction in logs."""
    name = getattr(work, "__qualname__", None)
    return "run_transaction" if name is None else f"run_transaction({name})"


async def run_transaction(
    sessions: SessionSource,
    work: Callable[[TransactionScope], Awaitable[T]],
    call: TransactionCall,
) -> T:
    """Run ``work`` in a transaction, with retries; see `Database.run_transaction`."""
    if sessions.retrier is None or not sessions.telemetry.listens:
        return await _run(sessions, work, call, None)
    watch = sessions.telemetry.watch("run_transaction", "transaction")
    try:
        result = await _run(sessions, work, call, watch)
    except BaseException as error:
        # An error of the caller's function rolls back, as intended.
        is_own = isinstance(error, Exception) and not isinstance(error, _FAILURES)
        watch.end(None if is_own else error)
        raise
    watch.end()
    return result


async def _run(
    sessions: SessionSource,
    work: Callable[[TransactionScope], Awaitable[T]],
    call: TransactionCall,
    watch: OperationTimer | None,
) -> T:
    until = earliest(deadline_of(call.timeout), sessions.until)

    async def attempt(is_retry: bool) -> T | FailedAttempt:
        if watch is not None:
            watch.took(math.inf)  # BEGIN measures the wait for the connection
        return await _attempt(sessions, work, call, until, watch)

    retried = RetriedCall(sessions.retrier, call.name, until, watch, call.retry)
    return await run_attempts(attempt, retried)


async def _attempt(
    sessions: SessionSource,
    work: Callable[[TransactionScope], Awaitable[T]],
    call: TransactionCall,
    until: float | None,
    watch: OperationTimer | None,
) -> T | FailedAttempt:
    telemetry = None if watch is None else AttemptTelemetry(sessions.telemetry)
    block = TransactionScope(
        sessions,
        call.options,
        until=until,
        verify=call.verify,
        is_retried=sessions.retrier is not None,
        telemetry=telemetry,
    )
    failed: FailedAttempt | None = None
    try:
        await block.enter()
        try:
            result = await work(block)
        except BaseException as error:
            await block.exit(error)
            raise
        await block.exit(None)
    except _FAILURES as error:
        is_read_only = bool(call.options.read_only)
        failed = FailedAttempt(
            error,
            block.failure,
            may_repeat=is_read_only,
            is_standby=block.is_standby and not is_read_only,
            is_outdated=block.is_outdated,
            on_decision=None if telemetry is None else telemetry.end,
        )
        return failed
    finally:
        if telemetry is not None and failed is None:
            telemetry.end(False)
    return result

"""Running a function in a transaction, with retries."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs
import psycopg

from raxol_sql.engine.core.deadline import deadline_of, earliest
from raxol_sql.engine.transaction.options import TransactionOptions
from raxol_sql.engine.transaction.retrier import log_success
from raxol_sql.engine.transaction.session_source import SessionSource
from raxol_sql.engine.transaction.transaction import TransactionScope, Verify
from raxol_sql.errors import TransactionError
from raxol_sql.failures import Attempts, RetryPolicy
from raxol_sql.telemetry import AttemptTelemetry, OperationTimer

T = TypeVar("T")
_FAILURES = (psycopg.Error, TransactionError)


@attrs.frozen
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
    undertaking: TransactionCall,
) -> T:
    """What ``work`` gives in the transaction that happens; raises as `Database.run_transaction`."""
    if sessions.repeating is None or not sessions.telemetry.listens:
        return await _attempted(sessions, work, undertaking, None)
    watch = sessions.telemetry.watch("run_transaction", "transaction")
    watch.took(math.inf)
    try:
        result = await _attempted(sessions, work, undertaking, watch)
    except BaseException as error:
        # An error of the caller's function rolls back, as intended.
        is_own = isinstance(error, Exception) and not isinstance(error, _FAILURES)
        watch.end(None if is_own else error)
        raise
    watch.end()
    return result


async def _attempted(
    sessions: SessionSource,
    work: Callable[[TransactionScope], Awaitable[T]],
    undertaking: TransactionCall,
    watch: OperationTimer | None,
) -> T:
    options = undertaking.options
    until = earliest(deadline_of(undertaking.timeout), sessions.until)
    repeating = sessions.repeating
    attempts: Attempts | None = None
    is_renewed = False
    while True:
        telemetry = None if watch is None else AttemptTelemetry(sessions.telemetry)
        block = TransactionScope(
            sessions,
            options,
            until=until,
            verify=undertaking.verify,
            repeats=repeating is not None,
            telemetry=telemetry,
        )
        is_retried = False
        try:
            result = await _once(block, work)
        except _FAILURES as error:
            if block.is_outdated and not is_renewed:
                is_renewed = is_retried = True
                if watch is not None:
                    watch.pause()
                    watch.again()
                    watch.took(math.inf)
                continue
            failure = block.failure
            if repeating is None or failure is None:
                raise
            attempts = attempts or repeating.begin(until, undertaking.retry)
            if watch is not None:
                watch.pause()
            await repeating.after(
                attempts,
                error,
                failure,
                may_repeat=bool(options.read_only),
                is_standby=block.is_standby and not options.read_only,
            )
            is_retried = True
        else:
            if attempts is not None:
                log_success(attempts, undertaking.name)
            return result
        finally:
            if telemetry is not None:
                telemetry.end(is_retried=is_retried)
        if watch is not None:
            watch.again()
            watch.took(math.inf)


async def _once(block: TransactionScope, work: Callable[[TransactionScope], Awaitable[T]]) -> T:
    await block.enter()
    try:
        result = await work(block)
    except BaseException as error:
        await block.exit(error)
        raise
    await block.exit(None)
    return result

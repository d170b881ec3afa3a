"""A function of a transaction, run as often as it takes: whole each time, and to happen once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs
import psycopg

from raxol_sql.engine.deadline import deadline_of, earliest
from raxol_sql.engine.repeating import log_success
from raxol_sql.engine.sessions import Sessions
from raxol_sql.engine.transaction import Block, TransactionOptions, Verify
from raxol_sql.errors import TransactionError
from raxol_sql.failures import Attempts, RetryPolicy

T = TypeVar("T")


@attrs.frozen
class Undertaking:
    """
    How a function of a transaction is run: see `Database.transact`.

    ``timeout`` is in milliseconds, for all attempts together, 0 for no limit.
    """

    options: TransactionOptions
    timeout: int
    verify: Verify | None = None
    retry: RetryPolicy | None = None


async def transact(
    sessions: Sessions, work: Callable[[Block], Awaitable[T]], undertaking: Undertaking
) -> T:
    """What ``work`` gives in the transaction that happens; raises as `Database.transact`."""
    options = undertaking.options
    until = earliest(deadline_of(undertaking.timeout), sessions.until)
    repeating = sessions.repeating
    attempts: Attempts | None = None
    is_renewed = False
    while True:
        block = Block(
            sessions,
            options,
            until=until,
            verify=undertaking.verify,
            repeats=repeating is not None,
        )
        try:
            result = await _once(block, work)
        except (psycopg.Error, TransactionError) as error:
            if block.is_outdated and not is_renewed:
                is_renewed = True
                continue
            failure = block.failure
            if repeating is None or failure is None:
                raise
            attempts = attempts or repeating.begin(until, undertaking.retry)
            await repeating.after(
                attempts,
                error,
                failure,
                may_repeat=bool(options.read_only),
                is_standby=block.is_standby and not options.read_only,
            )
        else:
            if attempts is not None:
                log_success(attempts, "transact")
            return result


async def _once(block: Block, work: Callable[[Block], Awaitable[T]]) -> T:
    await block.enter()
    try:
        result = await work(block)
    except BaseException as error:
        await block.exit(error)
        raise
    await block.exit(None)
    return result

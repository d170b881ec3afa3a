"""The attempt loop: run a call, classify its failure, wait and retry, or give up."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

import attrs

from raxol_sql.engine.core.concurrency import IOBackend
from raxol_sql.engine.session.server_inquiry import ServerInquiry
from raxol_sql.failures import (
    Attempts,
    Category,
    Effect,
    Failure,
    OutcomeToken,
    Phase,
    Retry,
    RetryBudgets,
    RetryPolicy,
    classify,
    is_lost,
)
from raxol_sql.telemetry import OperationTimer

T = TypeVar("T")
_log = logging.getLogger("raxol_sql.retry")
_ON_STANDBY = "the server is a standby, and the only host that is configured: it takes no writes"
# Seconds for which a server that was found to be a standby twice in a row is taken for one.
_STANDBY_LASTS = 1.0
Resolve = Callable[[OutcomeToken, float | None], Awaitable[Effect]]


@attrs.frozen(eq=False, repr=False)
class FailedAttempt:
    """
    An attempt that failed, with everything that decides whether the call is retried.

    ``failure`` has the outcome, resolved where that was possible; None if the attempt failed before
    anything could be known of it, so that it is final. ``may_repeat`` says that the work may be
    done twice. ``is_standby`` says that the session was on a server in recovery, which explains why
    the server refused to write. ``is_outdated`` says that the attempt failed only because a
    prepared statement was outdated; the statement is prepared again by now. ``on_decision`` is
    called with whether the call is retried.
    """

    error: BaseException
    failure: Failure | None
    may_repeat: bool = False
    is_standby: bool = False
    is_outdated: bool = False
    on_decision: Callable[[bool], None] | None = None

    def decide(self, is_retried: bool) -> None:
        """Report whether the call is retried."""
        if self.on_decision is not None:
            self.on_decision(is_retried)


@attrs.frozen(eq=False, repr=False)
class RetriedCall:
    """
    A call that may take several attempts.

    ``retrier`` is None inside a transaction, where only the whole transaction can be retried.
    ``name`` identifies the call in logs. ``until`` is the deadline (monotonic) of all attempts
    together, ``policy`` replaces that of the database, and ``watch`` measures the call.
    """

    retrier: Retrier | None
    name: str
    until: float | None
    watch: OperationTimer | None = None
    policy: RetryPolicy | None = None


# An attempt gets whether it is a retry; it returns its result, or how it failed, or raises what
# must not be retried.
Attempt = Callable[[bool], Awaitable[T | FailedAttempt]]


async def run_attempts(attempt: Attempt[T], call: RetriedCall) -> T:
    """Run a call in as many attempts as needed; raises the error of the last one."""
    result = await attempt(False)
    if isinstance(result, FailedAttempt):
        return await retry(result, attempt, call)
    return result


async def retry(failed: FailedAttempt, attempt: Attempt[T], call: RetriedCall) -> T:
    """Run a call whose first attempt has ``failed`` in further attempts; see `run_attempts`."""
    attempts: Attempts | None = None
    is_renewed = False
    while True:
        if failed.is_outdated and not is_renewed:
            # Nothing failed but our knowledge of a statement, so this needs no policy.
            is_renewed = True
            failed.decide(True)
            if call.watch is not None:
                call.watch.pause()
                call.watch.again()
        else:
            if call.retrier is None or failed.failure is None:
                failed.decide(False)
                raise failed.error
            attempts = attempts or call.retrier.begin(call.until, call.policy)
            await call.retrier.wait(attempts, failed, failed.failure, call.watch)
        result = await attempt(attempts is not None)
        if not isinstance(result, FailedAttempt):
            if attempts is not None:
                _log_success(attempts, call.name)
            return result
        failed = result


class Retrier:
    """
    The retry policy and the retry budgets of one pool, for all of its calls.

    ``resolve`` resolves the outcome of a transaction by a deadline (monotonic); ``drain`` replaces
    all connections; the ``inquiry`` knows whether there are several hosts. Each caller increments
    ``calls``. Safe for threads and tasks.
    """

    def __init__(
        self,
        colour: IOBackend,
        policy: RetryPolicy,
        resolve: Resolve,
        drain: Callable[[], Awaitable[None]],
        inquiry: ServerInquiry,
    ) -> None:
        self.calls = 0
        self.policy = policy
        self.budgets = RetryBudgets.fresh()
        self.resolve = resolve
        self._colour = colour
        self._drain = drain
        self._inquiry = inquiry
        self._is_standby_until = 0.0

    def begin(self, until: float | None, policy: RetryPolicy | None = None) -> Attempts:
        """Return the attempts of one call, whose deadline is ``until`` (monotonic)."""
        # Counted in one place by every call, and told to both only when something failed.
        self.budgets.connections.calls = self.budgets.conflicts.calls = self.calls
        return Attempts(policy or self.policy, self.budgets, until)

    async def wait(
        self,
        attempts: Attempts,
        failed: FailedAttempt,
        failure: Failure,
        watch: OperationTimer | None,
    ) -> None:
        """Wait until the next attempt may begin; raises the error, with a note, if none may."""
        if watch is not None:
            watch.pause()
        is_retried = False
        try:
            await self._wait(attempts, failed, failure)
            is_retried = True
        finally:
            failed.decide(is_retried)
        if watch is not None:
            watch.again()

    async def _wait(self, attempts: Attempts, failed: FailedAttempt, failure: Failure) -> None:
        error = failed.error
        is_refused = failure.category is Category.READ_ONLY
        if is_refused:
            if not failed.is_standby:
                # It was asked to be so, by a block or a setting, and will be so again.
                raise error
            await self._leave_standby(attempts, error)
        is_mute = failure.sqlstate is None and is_lost(error)
        step = attempts.after(failure, may_repeat=failed.may_repeat, is_mute_loss=is_mute)
        if isinstance(step, Retry):
            is_at_once = is_refused and not self._inquiry.has_other_hosts
            if step.wait and not is_at_once:
                await self._colour.sleep(step.wait)
            return
        note = attempts.note()
        if note:
            error.add_note(note)
        raise error

    async def _leave_standby(self, attempts: Attempts, error: BaseException) -> None:
        """
        Has all connections replaced after a standby refused to write; raises if that is in vain.

        Where there is one host to try, a new connection may still reach another server by its
        name or address, so one is tried, at once; if that is a standby too, so is every other.
        """
        now = monotonic()
        if attempts.count > 1:
            self._is_standby_until = now + _STANDBY_LASTS
        if now < self._is_standby_until and not self._inquiry.has_other_hosts:
            error.add_note(_ON_STANDBY)
            raise error
        await self._drain()


def classify_error(error: BaseException, phase: Phase) -> Failure:
    """Return the classified failure for an error of a connection, including whether it is lost."""
    return classify(error, phase, lost=is_lost(error))


def _log_success(attempts: Attempts, name: str) -> None:
    failure = attempts.failure
    state = failure.sqlstate if failure and failure.sqlstate else "a lost connection"
    _log.info(
        "%s succeeded on attempt %d, after %s and waits of %.3f s in all",
        *(name, attempts.count, state, attempts.waited),
    )

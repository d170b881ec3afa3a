"""Retries: classify a failure, resolve the outcome, wait, or give up."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from time import monotonic

import attrs
import psycopg

from raxol_sql.engine.core.concurrency import IOBackend
from raxol_sql.engine.session.server_inquiry import ServerInquiry
from raxol_sql.engine.session.unknown_outcome import LONE_STATEMENT
from raxol_sql.errors import DeadlineExceededError, OutcomeUnknownError
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
    Verdict,
    classify,
    is_lost,
)
from raxol_sql.failures.sqlstates import SQLSTATES

_log = logging.getLogger("raxol_sql.retry")
_ON_STANDBY = "the server is a standby, and the only host that is configured: it takes no writes"
# Seconds for which a server that was found to be a standby twice in a row is taken for one.
_STANDBY_LASTS = 1.0
Resolve = Callable[[OutcomeToken, float | None], Awaitable[Effect]]


class Retrier:
    """
    What is known of doing work again, for all calls of one pool.

    ``resolve`` resolves the outcome of a transaction by a deadline (monotonic);
    ``drain`` has all connections replaced; the ``inquiry`` knows whether there are several hosts.
    Each caller counts ``calls`` up. Safe for
    threads and tasks.
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

    async def after(
        self,
        attempts: Attempts,
        error: BaseException,
        failure: Failure,
        *,
        may_repeat: bool = False,
        is_standby: bool = False,
    ) -> None:
        """
        Waits until the work is to be done again; raises ``error``, with a note, if it is not.

        ``may_repeat`` says that it may be done twice. ``is_standby`` says that the session was on
        a server in recovery, which explains why it refused to write.
        """
        if failure.category is Category.READ_ONLY:
            if not is_standby:
                # It was asked to be so, by a block or a setting, and will be so again.
                raise error
            await self._leave_standby(attempts, error)
        is_mute = failure.sqlstate is None and is_lost(error)
        step = attempts.after(failure, may_repeat=may_repeat, is_mute_loss=is_mute)
        if isinstance(step, Retry):
            is_at_once = (
                failure.category is Category.READ_ONLY and not self._inquiry.has_other_hosts
            )
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


def log_success(attempts: Attempts, name: str) -> None:
    """Log a call that succeeded after a retry."""
    failure = attempts.failure
    state = failure.sqlstate if failure and failure.sqlstate else "a lost connection"
    _log.info(
        "%s succeeded on attempt %d, after %s and waits of %.3f s in all",
        *(name, attempts.count, state, attempts.waited),
    )


@attrs.frozen
class UncertainOutcome:
    """
    A failure after which the outcome of the work is unknown.

    ``token`` can be resolved; ``verify`` is the caller's check, which returns whether the work took
    effect, or None if it cannot tell.
    """

    error: BaseException
    token: OutcomeToken | None
    verify: Callable[[], Awaitable[bool | None]] | None = None

    async def settle(self, repeating: Retrier, until: float | None) -> Effect:
        """
        Resolve the outcome as far as possible by ``until`` (monotonic).

        Errors of ``verify`` are raised; those of the server mean that the outcome is unknown.
        """
        effect = Effect.UNKNOWN
        if self.token is not None:
            try:
                effect = await repeating.resolve(self.token, until)
            except psycopg.Error as error:
                self.error.add_note(f"the outcome could not be resolved: {error}")
        if effect is Effect.UNKNOWN and self.verify is not None:
            told = await self.verify()
            if told is not None:
                effect = Effect.COMMITTED if told else Effect.ROLLED_BACK
        return effect

    def unknown(self, problem: str) -> OutcomeUnknownError:
        """The error that says that it is not known, with the first one's notes."""
        unknown = OutcomeUnknownError(problem, self.token)
        for note in getattr(self.error, "__notes__", ()):
            unknown.add_note(note)
        unknown.__cause__ = self.error
        return unknown


@attrs.frozen
class CommitState:
    """What is left to be done after a COMMIT: a doubt, and an interruption to be raised."""

    doubt: UncertainOutcome | None
    interruption: BaseException | None


def classify_error(error: BaseException, phase: Phase) -> Failure:
    """Return the classified failure for an error of a connection, including whether it is lost."""
    return classify(error, phase, lost=is_lost(error))


def raise_if_uncertain(error: psycopg.Error) -> None:
    """
    Raise `OutcomeUnknownError` if a statement outside a transaction may have taken effect.

    For statements that cannot be retried and have no marker. A deadline error states the effect
    itself.
    """
    if isinstance(error, DeadlineExceededError):
        return
    if classify_error(error, Phase.SENT).effect is Effect.UNKNOWN:
        raise UncertainOutcome(error, None).unknown(LONE_STATEMENT)


def settled(failure: Failure, effect: Effect) -> Failure:
    """
    Return the failure after the work was found to be rolled back.

    It may be retried unless the server gave a reason to end it, which would apply again.
    """
    nature = SQLSTATES.get(failure.sqlstate or "")
    is_final = nature is not None and nature.verdict is Verdict.NEVER
    verdict = Verdict.NEVER if is_final else Verdict.TRANSACTION_NEW
    return attrs.evolve(failure, effect=effect, verdict=verdict)

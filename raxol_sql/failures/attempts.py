"""The attempts of one call: whether to retry, and after which wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import SystemRandom

import attrs

from raxol_sql.failures.budget import RetryBudgets
from raxol_sql.failures.failure import Effect, Failure, Verdict
from raxol_sql.failures.retry import RetryPolicy, RetryReason

# From the operating system: Python's global generator is the same in all processes of a program
# that seeds it, and a generator of ours in all forks of a process. They would all retry at once.
_RANDOM = SystemRandom().random
# The poison guard: how many connections in a row a query may lose without an error of the server.
_MUTE_LOSSES = 2


@attrs.frozen
class Retry:
    """The decision to retry, after ``wait`` seconds."""

    wait: float


@attrs.frozen
class GiveUp:
    """
    The decision not to retry, and to raise the error.

    ``reason`` is a clause for its note, such as "the attempts are used up"; None if there is
    nothing to add to the error.
    """

    reason: str | None


class Attempts:
    """
    The attempts of one call. The first begins with the constructor.

    ``deadline`` is a moment of ``clock``, None for no limit; ``random`` returns numbers from 0 to
    below 1. ``waited`` is the sum of all waits, ``failure`` the last failure. Times are in
    seconds. Not safe to share between threads.
    """

    __slots__ = (
        "_begun",
        "_budgets",
        "_by_choice",
        "_causes",
        "_clock",
        "_deadline",
        "_failures",
        "_last",
        "_mute_losses",
        "_policy",
        "_quickest",
        "_random",
        "_started",
        "_stop",
        "failure",
        "waited",
    )

    def __init__(
        self,
        policy: RetryPolicy,
        budgets: RetryBudgets,
        deadline: float | None,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = _RANDOM,
    ) -> None:
        self._policy = policy
        self._budgets = budgets
        self._deadline = deadline
        self._clock = clock
        self._random = random
        self._started = self._begun = self._last = clock()
        self._quickest: float | None = None
        self._failures = 0
        self._causes: dict[RetryReason, int] = {}
        self._by_choice = 0
        self._mute_losses = 0
        self._stop: GiveUp | None = None
        self.waited = 0.0
        self.failure: Failure | None = None

    @property
    def count(self) -> int:
        """The number of attempts so far, including the current or next one."""
        return self._failures + (self._stop is None)

    def after(
        self, failure: Failure, *, may_repeat: bool, is_mute_loss: bool = False
    ) -> Retry | GiveUp:
        """
        Decide whether to retry after a failed attempt. Call it once for each failure.

        ``may_repeat`` says that running the work twice does no harm: it is declared idempotent, or
        read only on the server. ``is_mute_loss`` says that the connection was lost after the work
        was sent, without an error from the server. If the outcome can be resolved, the caller does
        that first, and ``failure`` has the resolved effect.

        Return a `Retry` if the failure is safe to retry, attempts are left, the time left is more
        than the wait and the quickest attempt so far, and the `RetryBudgets` have a token. A
        `GiveUp` is final.
        """
        if self._stop is not None:
            return self._stop
        self._note_time()
        self.failure = failure
        self._failures += 1
        self._count_losses(failure, is_mute_loss)
        step = self._decide(failure, may_repeat)
        if isinstance(step, Retry):
            self._begun = self._last + step.wait
            self.waited += step.wait
        else:
            self._stop = step
        return step

    def note(self) -> str | None:
        """Return the note for the error that is raised, or None."""
        reason = self._stop and self._stop.reason
        if self._failures < 2:
            return f"not retried: {reason}" if reason else None
        told = f"after {self._failures} attempts in {_seconds(self._last - self._started)}"
        if self.waited:
            told += f", {_seconds(self.waited)} of it waiting"
        return f"{told}; not retried any more: {reason}" if reason else told

    def _note_time(self) -> None:
        self._last = self._clock()
        # A wait may have been cut short, so that the attempt began earlier than planned.
        took = max(0.0, self._last - self._begun)
        self._quickest = took if self._quickest is None else min(self._quickest, took)

    def _count_losses(self, failure: Failure, is_mute_loss: bool) -> None:
        # After a crash the server is unavailable for a while. A failure to connect then says
        # nothing about the query; any other reply shows that the query did not crash the server.
        if failure.verdict is not Verdict.ACQUIRE:
            self._mute_losses = self._mute_losses + 1 if is_mute_loss else 0

    def _decide(self, failure: Failure, may_repeat: bool) -> Retry | GiveUp:
        is_by_choice = self._policy.is_by_choice(failure)
        if failure.verdict is Verdict.NEVER and not is_by_choice:
            return GiveUp("such a failure is never retried" if self._failures > 1 else None)
        if failure.effect is Effect.COMMITTED:
            return GiveUp("it has taken effect")
        is_in_doubt = failure.verdict is Verdict.RESOLVE or failure.effect is Effect.UNKNOWN
        if is_in_doubt and not may_repeat:
            return GiveUp("it may have taken effect")
        if self._policy.attempts == 1:
            return GiveUp(None)
        if self._mute_losses >= _MUTE_LOSSES:
            return GiveUp("the query itself may be crashing the connection")
        if self._failures >= self._policy.attempts:
            return GiveUp("the attempts are used up")
        if is_by_choice and self._by_choice >= self._policy.extra_max_retries:
            return GiveUp(f"{failure.sqlstate} was repeated as often as the policy says")
        cause = RetryReason.of(failure)
        self._causes[cause] = times = self._causes.get(cause, 0) + 1
        wait = self._policy.wait(failure, times, self._random())
        if not self._is_time_for(wait):
            return GiveUp("too little time is left")
        # Last, because a token that was taken is not returned.
        if not self._budgets.of(cause).take():
            trouble = "lost connections" if cause is RetryReason.CONNECTION else "conflicts"
            return GiveUp(f"the retry budget of the pool for {trouble} is exhausted")
        self._by_choice += is_by_choice
        return Retry(wait)

    def _is_time_for(self, wait: float) -> bool:
        if self._deadline is None:
            return True
        return self._deadline - self._last > wait + (self._quickest or 0.0)


def _seconds(value: float) -> str:
    digits = f"{value:.2f}" if value >= 1 else f"{value:.3f}"
    return digits.rstrip("0").rstrip(".") + " s"

"""How many retries all calls of a pool may have together, so that they do not make it worse."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import attrs

from raxol_sql.brief_lock import BriefLock
from raxol_sql.failures.retry import RetryReason


class RetryBudget:
    """
    A bucket of tokens, each of which pays for one retry.

    Every call puts ``per_call`` tokens in, and every second ``per_second``; more than ``cap`` do
    not fit, and there are ``start`` at first. So within any span of time at most ``cap`` retries
    are granted, and ``per_call`` for each call and ``per_second`` for each second of it; from the
    beginning on ``start`` takes the place of ``cap``. To let retries be a share of the calls, and
    a few a second for those who call seldom, is the rule of Finagle's RetryBudget.

    ``calls`` is for the caller to count up, by one for each call. There is no lock for that:
    threads that do it at the same moment may lose a few, which makes the budget smaller.

    Raises ValueError for figures that are negative or not finite, and for a start above the cap.
    Everything else is safe for threads. ``clock`` gives seconds and never goes back; one that
    stands still or jumps forward does no more than put in nothing, or as much as fits.
    """

    __slots__ = (
        "_cap",
        "_clock",
        "_lock",
        "_per_call",
        "_per_second",
        "_seen",
        "_then",
        "_tokens",
        "calls",
    )

    def __init__(
        self,
        *,
        per_call: float,
        per_second: float,
        cap: float,
        start: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        for name, value in (
            ("per_call", per_call),
            ("per_second", per_second),
            ("cap", cap),
            ("start", start),
        ):
            if not math.isfinite(value) or value < 0:
                raise ValueError(f"{name} is {value!r}; give a number from 0")
        if start > cap:
            raise ValueError(f"start is {start!r}, which is above the cap; give {cap!r} or less")
        self.calls = 0
        self._per_call = per_call
        self._per_second = per_second
        self._cap = cap
        self._tokens = start
        self._seen = 0
        self._clock = clock
        self._then = clock()
        # One that its holder may take again: a signal handler may run a query in the middle.
        self._lock = BriefLock()

    def take(self) -> bool:
        """Takes a token for a retry; False if there is none, and the retry is not to be made."""
        now = self._clock()
        with self._lock:
            self._fill(now)
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True

    def _fill(self, now: float) -> None:
        # Either figure may be less than the last time: threads come here in another order than they
        # looked at the clock, and two that count at once undo each other's counting. Then there
        # is less in for as long, and what comes in again is not there twice.
        calls = self.calls
        earned = (calls - self._seen) * self._per_call + (now - self._then) * self._per_second
        self._seen = calls
        self._then = now
        self._tokens = min(self._tokens + earned, self._cap)


@attrs.frozen(eq=False, repr=False)
class RetryBudgets:
    """
    The budgets of one pool, one for each kind of trouble: neither takes from the other.

    A burst of deadlocks leaves the retries alone that bring the callers over a restart of the
    server. Safe for threads.
    """

    connections: RetryBudget
    conflicts: RetryBudget

    @classmethod
    def fresh(cls, clock: Callable[[], float] = time.monotonic) -> RetryBudgets:
        """
        The usual budgets, as they are at first.

        Retries after lost connections are a tenth of the calls, as in "Handling Overload" of
        Google's book on site reliability, and one a second; 10 at first, 50 at most. So in an
        outage of s seconds there are at most 1.1 attempts for each call and 10 + s more, or
        50 + s if it was quiet for long before.

        Conflicts are cheap, and nothing was done that would be done twice: five for each call and
        ten a second; 100 at first, 500 at most. With no more than five retries a call this never
        runs out; with more it holds back the calls that get in each other's way.
        """
        return cls(
            connections=RetryBudget(per_call=0.1, per_second=1, cap=50, start=10, clock=clock),
            conflicts=RetryBudget(per_call=5, per_second=10, cap=500, start=100, clock=clock),
        )

    def of(self, cause: RetryReason) -> RetryBudget:
        """
        The budget that a retry is paid from.

        That of conflicts pays for stale statements, too. There are as many of these after a
        change of a table as there are connections and statements, and once is enough for each.
        """
        return self.connections if cause is RetryReason.CONNECTION else self.conflicts

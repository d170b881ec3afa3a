"""Retry budgets: limits for the retries of all calls of a pool, so that they do not add load."""

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

    Every call adds ``per_call`` tokens, and every second ``per_second``. The bucket holds at most
    ``cap`` tokens, and ``start`` at first. So within any span of time the budget grants at most
    ``cap`` retries, plus ``per_call`` for each call and ``per_second`` for each second of it; for
    a span from the beginning, ``start`` replaces ``cap``. Finagle's RetryBudget has the same rule:
    retries are a share of the calls, plus a few a second for programs with few calls.

    The caller increments ``calls`` for each call, without a lock: threads that do it at the same
    moment may lose a few increments, which makes the budget smaller.

    Raises ValueError for figures that are negative or not finite, and for a start above the cap.
    Everything else is thread-safe. ``clock`` returns seconds and never goes back. A clock that
    stands still adds nothing, and one that jumps forward fills the bucket at most.
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
        # Reentrant: a signal handler may run a query while the thread holds the lock.
        self._lock = BriefLock()

    def take(self) -> bool:
        """Take a token for a retry; return False, for no retry, if there is none."""
        now = self._clock()
        with self._lock:
            self._fill(now)
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True

    def _fill(self, now: float) -> None:
        # Either figure may be less than the last time: threads get here in another order than they
        # read the clock, and two increments at once may lose one. The bucket holds less for as
        # long, and nothing is added twice.
        calls = self.calls
        earned = (calls - self._seen) * self._per_call + (now - self._then) * self._per_second
        self._seen = calls
        self._then = now
        self._tokens = min(self._tokens + earned, self._cap)


@attrs.frozen(eq=False, repr=False)
class RetryBudgets:
    """
    The budgets of one pool, one for lost connections and one for conflicts.

    They are separate: a burst of deadlocks does not use up the retries that callers need during a
    restart of the server. Thread-safe.
    """

    connections: RetryBudget
    conflicts: RetryBudget

    @classmethod
    def fresh(cls, clock: Callable[[], float] = time.monotonic) -> RetryBudgets:
        """
        Return the default budgets, in their initial state.

        Retries after lost connections are a tenth of the calls, as in "Handling Overload" of
        Google's book on site reliability, plus one a second; 10 at first, 50 at most. So in an
        outage of s seconds there are at most 1.1 attempts for each call and 10 + s more, or
        50 + s after a long time without retries.

        Conflicts are cheap, and the server has rolled the work back: five retries for each call and
        ten a second; 100 at first, 500 at most. With at most five retries a call this budget never
        runs out; with more it limits the retries of calls that conflict with each other.
        """
        return cls(
            connections=RetryBudget(per_call=0.1, per_second=1, cap=50, start=10, clock=clock),
            conflicts=RetryBudget(per_call=5, per_second=10, cap=500, start=100, clock=clock),
        )

    def of(self, cause: RetryReason) -> RetryBudget:
        """
        Return the budget that pays for a retry.

        The budget of conflicts also pays for stale statements. After a change of a table there is
        one for each connection and statement, and each needs one retry.
        """
        return self.connections if cause is RetryReason.CONNECTION else self.conflicts

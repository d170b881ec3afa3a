"""The retry policy: how many attempts, and how long to wait between them."""

from __future__ import annotations

import enum
import math
import re
import sys
from collections.abc import Iterable

import attrs

from raxol_sql.failures.failure import Category, Effect, Failure, Verdict

_SQLSTATE = re.compile(r"[0-9A-Z]{5}")


class RetryReason(enum.Enum):
    """The reason of a retry, which selects its waits and its budget."""

    CONNECTION = "connection"
    """
    The server, or a connection slot, was not available. All clients find that at the same time.
    """

    CONFLICT = "conflict"
    """The server is available, and another transaction conflicted with this one."""

    STALE = "stale statement"
    """The server is available, and a prepared statement is outdated: prepare it again."""

    @classmethod
    def of(cls, failure: Failure) -> RetryReason:
        """
        Return the reason to retry a failure.

        A constraint violation is retried by choice only, as a race with other transactions.
        """
        if failure.category in (Category.CONFLICT, Category.LOCK, Category.CONSTRAINT):
            return cls.CONFLICT
        return cls.STALE if failure.category is Category.STALE else cls.CONNECTION


def _attempts(value: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"attempts is {value!r}; give a whole number from 1, the first included")
    return value


def _repeats(value: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"extra_max_retries is {value!r}; give a whole number from 1")
    return value


def _jitter(value: bool) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"jitter is {value!r}; give True or False")
    return value


def _seconds(value: float) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= sys.float_info.max:
        raise ValueError(f"a wait is {value!r}; give a number of seconds, 0 for none")
    return float(value)


def _states(values: Iterable[str]) -> frozenset[str]:
    if isinstance(values, str):
        raise ValueError(f"extra_sqlstates is the text {values!r}; give a set: {{{values!r}}}")
    states = frozenset(values)
    for state in states:
        if not isinstance(state, str) or not _SQLSTATE.fullmatch(state):
            raise ValueError(
                f"extra_sqlstates has {state!r}, which is no SQLSTATE; give five digits or"
                " capitals, such as '55P03'"
            )
    return states


@attrs.frozen
class RetryPolicy:
    """
    How many attempts a call makes, and how long it waits between them. Immutable, thread-safe.

    The policy does not decide which failures are safe to retry: `Failure.verdict` does.

    ``attempts``
        The maximum number of attempts, including the first; 1 for no retries.
    ``connection_wait``, ``longest_connection_wait``
        After a lost or failed connection: the longest first wait, in seconds, which doubles with
        each retry, and the limit of that.
    ``conflict_wait``, ``longest_conflict_wait``
        The same after a conflict, such as a deadlock. Either limit is raised to the first wait if
        that is longer.
    ``jitter``
        Whether each wait is random, uniform from zero to its longest, so that calls that failed
        together do not retry together. Without it every wait is its longest.
    ``extra_sqlstates``
        SQLSTATEs to retry by choice that are never retried otherwise, such as 55P03 (lock not
        available) or 23505 (unique violation): only if the server rolled the work back, and at
        most ``extra_max_retries`` times in one call.

    Raises ValueError for invalid values, with a remedy.
    """

    attempts: int = attrs.field(default=6, converter=_attempts)
    connection_wait: float = attrs.field(default=1.0, converter=_seconds, kw_only=True)
    conflict_wait: float = attrs.field(default=0.01, converter=_seconds, kw_only=True)
    longest_connection_wait: float = attrs.field(default=2.0, converter=_seconds, kw_only=True)
    longest_conflict_wait: float = attrs.field(default=1.0, converter=_seconds, kw_only=True)
    jitter: bool = attrs.field(default=True, converter=_jitter, kw_only=True)
    extra_sqlstates: frozenset[str] = attrs.field(
        default=frozenset(), converter=_states, kw_only=True
    )
    extra_max_retries: int = attrs.field(default=2, converter=_repeats, kw_only=True)

    def __attrs_post_init__(self) -> None:
        for first, longest in (
            ("connection_wait", "longest_connection_wait"),
            ("conflict_wait", "longest_conflict_wait"),
        ):
            raised = max(getattr(self, first), getattr(self, longest))
            object.__setattr__(self, longest, raised)

    @classmethod
    def of(cls, retry_interval_ms: int, max_retries: int, *, jitter: bool = True) -> RetryPolicy:
        """
        Return the policy of the configuration's three keys.

        ``retry_interval_ms`` is the longest first wait after a lost connection in milliseconds,
        and a hundredth of it that after a conflict; with 0 there are no waits. ``max_retries``
        does not count the first attempt. ``jitter`` is that of the policy.

        Raises ValueError if one of them is negative.
        """
        if retry_interval_ms < 0 or max_retries < 0:
            raise ValueError(
                f"retry_interval is {retry_interval_ms!r} and max_retries {max_retries!r};"
                " give whole numbers from 0"
            )
        return cls(
            attempts=max_retries + 1,
            connection_wait=retry_interval_ms / 1_000,
            conflict_wait=retry_interval_ms / 100_000,
            jitter=jitter,
        )

    @classmethod
    def never(cls) -> RetryPolicy:
        """Return a policy without retries."""
        return cls(attempts=1)

    def without_waits(self) -> RetryPolicy:
        """Return the same policy with every wait 0, for tests."""
        return attrs.evolve(
            self,
            connection_wait=0.0,
            conflict_wait=0.0,
            longest_connection_wait=0.0,
            longest_conflict_wait=0.0,
        )

    def is_by_choice(self, failure: Failure) -> bool:
        """Return whether a failure is one of ``extra_sqlstates``, and was rolled back."""
        return (
            failure.verdict is Verdict.NEVER
            and failure.sqlstate in self.extra_sqlstates
            and failure.effect in (Effect.NONE, Effect.ROLLED_BACK)
        )

    def longest_wait(self, failure: Failure, attempt: int) -> float:
        """
        Return the longest wait before a retry, in seconds.

        ``attempt`` is the number of failures with the same `RetryReason`, this one included. The
        longest wait doubles each time. The first retry after a stale statement has no wait, since
        it depends on nothing else.
        """
        cause = RetryReason.of(failure)
        if cause is RetryReason.CONNECTION:
            return _grow(self.connection_wait, attempt - 1, self.longest_connection_wait)
        if cause is RetryReason.STALE and attempt == 1:
            return 0.0
        return _grow(self.conflict_wait, attempt - 1, self.longest_conflict_wait)

    def wait(self, failure: Failure, attempt: int, chance: float) -> float:
        """
        Return the wait before a retry, in seconds; ``attempt`` as for `longest_wait`.

        ``chance``, from 0 to below 1, is its share of the longest wait. That is the "full jitter"
        of "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015), which needs the fewest
        attempts of the strategies compared there. Without jitter it has no effect.
        """
        longest = self.longest_wait(failure, attempt)
        return chance * longest if self.jitter else longest


def _grow(first: float, times: int, most: float) -> float:
    try:
        return min(most, math.ldexp(first, times))
    except OverflowError:
        return most

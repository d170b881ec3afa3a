"""How often, and after which waits, what failed is done again: the policy, a value."""

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
    """Why something is done again, as far as waits and budgets are concerned."""

    CONNECTION = "connection"
    """
    The server, or a connection slot, was not available. All clients find that at the same time.
    """

    CONFLICT = "conflict"
    """The server is there, and others were in the way."""

    STALE = "stale statement"
    """The server is there, and what was prepared at it is out of date: preparing again heals it."""

    @classmethod
    def of(cls, failure: Failure) -> RetryReason:
        """
        The cause of a failure that is repeated.

        A constraint that was violated is one by choice only, and then it is a race with others.
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
    How often what failed is done again, and after which waits. Immutable, for any thread.

    Which failures are safe to repeat is no matter of policy: a `Failure` says it.

    ``attempts``
        Executions at most, the first included; 1 for no retries.
    ``connection_wait``, ``longest_connection_wait``
        After a lost connection, or one that could not be made: the longest first wait, in
        seconds, and what it grows to as it doubles from one retry to the next.
    ``conflict_wait``, ``longest_conflict_wait``
        The same after a conflict with others, such as a deadlock. Either longest wait is raised
        to the first if that is longer.
    ``jitter``
        Whether a wait is drawn evenly from zero to its longest, so that those who failed together
        do not come back together. Without it every wait is its longest.
    ``extra_sqlstates``
        SQLSTATEs that are retried by choice although they are never retried otherwise, such as
        55P03 (a lock was not available) or 23505 (a key was taken): if the server rolled back what
        was done, and ``extra_max_retries`` times in one call at most.

    Raises ValueError for values that make no sense, with what would be right.
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
        The policy that the configuration's three keys stand for.

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
        """One attempt, and no other."""
        return cls(attempts=1)

    def without_waits(self) -> RetryPolicy:
        """The same policy with every wait 0, so that tests need not wait."""
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
        The longest wait before what failed is done again, in seconds.

        ``attempt`` says how often there was a failure of its `RetryReason`, this one included. The
        longest wait doubles each time. After a stale statement there is no wait the first time,
        since nothing has to get better in the meantime.
        """
        cause = RetryReason.of(failure)
        if cause is RetryReason.CONNECTION:
            return _doubled(self.connection_wait, attempt - 1, self.longest_connection_wait)
        if cause is RetryReason.STALE and attempt == 1:
            return 0.0
        return _doubled(self.conflict_wait, attempt - 1, self.longest_conflict_wait)

    def wait(self, failure: Failure, attempt: int, chance: float) -> float:
        """
        The wait before what failed is done again, in seconds; ``attempt`` as for `longest_wait`.

        ``chance``, from 0 to below 1, is the part of the longest wait that it is: that is the
        "full jitter" of "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015), which of
        the ways compared there needs the fewest attempts. Without jitter it changes nothing.
        """
        longest = self.longest_wait(failure, attempt)
        return chance * longest if self.jitter else longest


def _doubled(first: float, times: int, most: float) -> float:
    try:
        return min(most, math.ldexp(first, times))
    except OverflowError:
        return most

"""Failures that are made up, and the attempts of a call with a clock and a chance of the test."""

from __future__ import annotations

import attrs
from hypothesis import strategies as st

from raxol_sql.failures.attempts import Attempts
from raxol_sql.failures.budget import RetryBudget, RetryBudgets
from raxol_sql.failures.failure import Category, Effect, Failure, Verdict
from raxol_sql.failures.retry import RetryPolicy


@attrs.define
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def failure(
    category: Category = Category.CONFLICT,
    effect: Effect = Effect.ROLLED_BACK,
    verdict: Verdict = Verdict.TRANSACTION,
    sqlstate: str | None = None,
) -> Failure:
    return Failure(category, effect, verdict, sqlstate, "")


CONFLICT = failure(sqlstate="40001")
REFUSED = failure(Category.CONNECTION, Effect.NONE, Verdict.ACQUIRE)
LOST_AFTER_SENDING = failure(Category.CONNECTION, Effect.UNKNOWN, Verdict.RESOLVE)
LOST_IN_TRANSACTION = failure(Category.CONNECTION, verdict=Verdict.TRANSACTION_NEW)
STALE = failure(Category.STALE, verdict=Verdict.STATEMENT, sqlstate="26000")
LOCKED = failure(Category.LOCK, verdict=Verdict.NEVER, sqlstate="55P03")
MISSING = failure(Category.PROGRAMMING, verdict=Verdict.NEVER, sqlstate="42P01")

failures = st.builds(
    Failure,
    st.sampled_from(Category),
    st.sampled_from(Effect),
    st.sampled_from(Verdict),
    st.sampled_from([None, "40001", "55P03", "23505"]),
    st.just(""),
)
safe = st.sampled_from([CONFLICT, REFUSED, LOST_IN_TRANSACTION, STALE])
chances = st.floats(0, 1, exclude_max=True)


def endless() -> RetryBudgets:
    full = 10.0**9
    return RetryBudgets(
        *(
            RetryBudget(per_call=0, per_second=0, cap=full, start=full, clock=Clock())
            for _ in range(2)
        )
    )


def attempts_of(
    policy: RetryPolicy | None = None,
    *,
    budgets: RetryBudgets | None = None,
    deadline: float | None = None,
    clock: Clock | None = None,
    chance: float = 0.5,
) -> Attempts:
    return Attempts(
        policy or RetryPolicy(),
        budgets or endless(),
        deadline,
        clock or Clock(),
        lambda: chance,
    )

"""What is done again, and how often: by its verdict, the policy, its choice and the budget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.failures.attempts import GiveUp, Retry
from raxol_sql.failures.budget import RetryBudget, RetryBudgets
from raxol_sql.failures.failure import Category, Effect, Failure, Verdict
from raxol_sql.failures.retry import RetryPolicy
from tests.failures.attempts.conftest import (
    CONFLICT,
    LOCKED,
    LOST_AFTER_SENDING,
    MISSING,
    REFUSED,
    Clock,
    attempts_of,
    failure,
    failures,
    safe,
)


def empty() -> RetryBudgets:
    return RetryBudgets(
        *(RetryBudget(per_call=0, per_second=0, cap=0, start=0, clock=Clock()) for _ in range(2))
    )


@given(st.integers(1, 20), st.data())
def test_there_are_exactly_as_many_attempts_as_the_policy_says(
    most: int, data: st.DataObject
) -> None:
    attempts = attempts_of(RetryPolicy(most))

    executions = 1
    while isinstance(attempts.after(data.draw(safe), may_repeat=False), Retry):
        executions += 1
        assert attempts.count == executions

    assert attempts.count == executions == most


@pytest.mark.parametrize("effect", Effect)
@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("may_repeat", [False, True])
@pytest.mark.parametrize("is_chosen", [False, True])
def test_only_what_does_no_harm_is_repeated(
    effect: Effect, verdict: Verdict, may_repeat: bool, is_chosen: bool
) -> None:
    policy = RetryPolicy(extra_sqlstates={"55P03"} if is_chosen else ())
    is_harmless = may_repeat or (
        effect in (Effect.NONE, Effect.ROLLED_BACK) and verdict is not Verdict.RESOLVE
    )
    if verdict is Verdict.NEVER:
        is_harmless = is_chosen and effect in (Effect.NONE, Effect.ROLLED_BACK)

    for category in Category:
        step = attempts_of(policy).after(
            failure(category, effect, verdict, "55P03"), may_repeat=may_repeat
        )
        assert isinstance(step, Retry) == (is_harmless and effect is not Effect.COMMITTED)


@given(st.lists(st.tuples(failures, st.booleans(), st.booleans()), max_size=8))
def test_nothing_that_may_have_happened_is_repeated_whatever_came_before(
    history: list[tuple[Failure, bool, bool]],
) -> None:
    attempts = attempts_of(RetryPolicy(100, extra_sqlstates={"55P03"}))

    for one, may_repeat, is_mute_loss in history:
        step = attempts.after(one, may_repeat=may_repeat, is_mute_loss=is_mute_loss)
        if isinstance(step, GiveUp):
            break
        assert one.effect is not Effect.COMMITTED
        assert may_repeat or one.effect is not Effect.UNKNOWN
        assert may_repeat or one.verdict is not Verdict.RESOLVE
        assert one.verdict is not Verdict.NEVER or one.sqlstate == "55P03"


@given(failures, failures, st.booleans())
def test_after_a_stop_there_is_nothing_more(
    first: Failure, then: Failure, may_repeat: bool
) -> None:
    attempts = attempts_of(RetryPolicy.never())
    stop = attempts.after(first, may_repeat=may_repeat)

    assert isinstance(stop, GiveUp)
    assert attempts.after(then, may_repeat=True) is stop
    assert attempts.count == 1


def test_a_budget_is_not_drawn_on_for_a_retry_that_is_not_made() -> None:
    clock = Clock()
    budgets = RetryBudgets.fresh(clock)

    for _ in range(1000):
        for attempts, one in (
            (attempts_of(budgets=budgets, clock=clock), MISSING),
            (attempts_of(budgets=budgets, clock=clock), LOST_AFTER_SENDING),
            (attempts_of(RetryPolicy.never(), budgets=budgets, clock=clock), REFUSED),
            (attempts_of(budgets=budgets, clock=clock, deadline=clock.now), REFUSED),
        ):
            assert isinstance(attempts.after(one, may_repeat=False), GiveUp)

    assert sum(budgets.connections.take() for _ in range(100)) == 10


@given(safe)
def test_a_retry_that_the_budget_does_not_pay_for_is_refused(one: Failure) -> None:
    step = attempts_of(budgets=empty()).after(one, may_repeat=False)

    trouble = "lost connections" if one.category is Category.CONNECTION else "conflicts"
    assert step == GiveUp(f"the retry budget of the pool for {trouble} is exhausted")


@given(st.integers(1, 5), st.integers(0, 3))
def test_what_is_repeated_by_choice_is_so_only_as_often_as_the_policy_says(
    repeats: int, conflicts: int
) -> None:
    attempts = attempts_of(RetryPolicy(100, extra_sqlstates={"55P03"}, extra_max_retries=repeats))

    for _ in range(repeats):
        for _ in range(conflicts):
            assert isinstance(attempts.after(CONFLICT, may_repeat=False), Retry)
        assert isinstance(attempts.after(LOCKED, may_repeat=False), Retry)

    assert attempts.after(LOCKED, may_repeat=False) == GiveUp(
        "55P03 was repeated as often as the policy says"
    )


def test_a_conflict_that_is_also_chosen_is_repeated_as_often_as_any() -> None:
    attempts = attempts_of(RetryPolicy(6, extra_sqlstates={"40001"}, extra_max_retries=1))

    for _ in range(5):
        assert isinstance(attempts.after(CONFLICT, may_repeat=False), Retry)

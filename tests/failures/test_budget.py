"""The budget of retries: what it grants, over any history of calls, retries and times."""

from __future__ import annotations

import heapq
import itertools
import math
import random
import threading
from collections.abc import Iterable
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.failures.attempts import Attempts, Retry
from raxol_sql.failures.budget import RetryBudget, RetryBudgets
from raxol_sql.failures.failure import Category, Effect, Failure, Verdict
from raxol_sql.failures.retry import RetryPolicy, RetryReason

# What sums of floating-point numbers are off by, at most, in histories as short as these.
SLACK = 1e-6


@attrs.define
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@attrs.frozen
class Moment:
    """What happens at a moment: time passes, calls are made, and then retries are asked for."""

    seconds: float
    calls: int
    takes: int


figures = st.fixed_dictionaries(
    {
        "per_call": st.floats(0, 10),
        "per_second": st.floats(0, 10),
        "cap": st.floats(0, 30),
        "start": st.just(0.0),
    }
).flatmap(lambda known: st.floats(0, known["cap"]).map(lambda start: {**known, "start": start}))
histories = st.lists(
    st.builds(Moment, st.floats(0, 20) | st.just(0.0), st.integers(0, 20), st.integers(0, 30)),
    max_size=30,
)


def grants(budget: RetryBudget, clock: Clock, history: Iterable[Moment]) -> list[int]:
    """How many retries are granted at each moment."""
    granted = []
    for moment in history:
        clock.now += moment.seconds
        budget.calls += moment.calls
        granted.append(sum(budget.take() for _ in range(moment.takes)))
    return granted


@given(figures, histories)
def test_within_any_span_no_more_is_granted_than_fits_and_comes_in(
    figures: dict[str, float], history: list[Moment]
) -> None:
    clock = Clock()
    granted = grants(RetryBudget(**figures, clock=clock), clock, history)

    for start, end in itertools.combinations(range(len(history) + 1), 2):
        span = history[start:end]
        # What comes in with the first moment of a span has to fit with what was there before.
        later = span if start == 0 else span[1:]
        most = figures["start"] if start == 0 else figures["cap"]
        most += sum(
            moment.calls * figures["per_call"] + moment.seconds * figures["per_second"]
            for moment in later
        )
        assert sum(granted[start:end]) <= most + SLACK


@given(figures, histories)
def test_a_retry_is_refused_only_if_there_is_no_token_for_it(
    figures: dict[str, float], history: list[Moment]
) -> None:
    clock = Clock()
    granted = grants(RetryBudget(**figures, clock=clock), clock, history)

    tokens, pending = figures["start"], 0.0
    for moment, count in zip(history, granted, strict=True):
        pending += moment.calls * figures["per_call"] + moment.seconds * figures["per_second"]
        if moment.takes:
            tokens, pending = min(figures["cap"], tokens + pending) - count, 0.0
            assert tokens > -SLACK
            assert count == moment.takes or tokens < 1 + SLACK


@given(figures, st.integers(0, 50))
def test_a_clock_that_stands_still_puts_nothing_in(figures: dict[str, float], takes: int) -> None:
    clock = Clock()
    budget = RetryBudget(**figures, clock=clock)

    assert sum(budget.take() for _ in range(takes)) == min(takes, int(figures["start"]))


@given(figures, st.floats(0, 1e15), st.integers(1, 10))
def test_a_clock_that_jumps_puts_in_no_more_than_fits(
    figures: dict[str, float], jump: float, jumps: int
) -> None:
    clock = Clock()
    budget = RetryBudget(**figures, clock=clock)

    for _ in range(jumps):
        clock.now += jump
        assert sum(budget.take() for _ in range(40)) <= int(figures["cap"])


@given(st.lists(st.floats(-5, 5), max_size=30))
def test_moments_that_come_in_another_order_are_not_counted_twice(steps: list[float]) -> None:
    clock = Clock()
    budget = RetryBudget(per_call=0, per_second=1, cap=1000, start=0, clock=clock)
    latest = clock.now

    granted = 0
    for step in steps:
        clock.now += step
        latest = max(latest, clock.now)
        while budget.take():
            granted += 1

    assert latest - 1000 - 1 - SLACK < granted <= latest - 1000 + SLACK


@given(st.lists(st.integers(-5, 5), max_size=30))
def test_a_count_of_calls_that_falls_back_is_not_counted_twice(steps: list[int]) -> None:
    budget = RetryBudget(per_call=1, per_second=0, cap=1000, start=0, clock=Clock())
    most = 0

    granted = 0
    for step in steps:
        budget.calls = max(0, budget.calls + step)
        most = max(most, budget.calls)
        while budget.take():
            granted += 1

    assert granted == most


def test_threads_do_not_get_one_token_twice() -> None:
    budget = RetryBudget(per_call=0, per_second=0, cap=5000, start=5000, clock=Clock())
    granted = [0] * 8
    start = threading.Barrier(len(granted))

    def ask(place: int) -> None:
        start.wait(timeout=10)
        granted[place] = sum(budget.take() for _ in range(1000))

    threads = [threading.Thread(target=ask, args=[place]) for place in range(len(granted))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert sum(granted) == 5000


def test_a_signal_handler_may_ask_in_the_middle_of_a_question() -> None:
    # The clock is asked outside of the lock, so this holds the lock as an interrupted one does.
    budget = RetryBudget(per_call=0, per_second=0, cap=2, start=2, clock=Clock())

    with budget._lock:
        assert budget.take()
    assert budget.take()
    assert not budget.take()


def test_a_burst_of_conflicts_takes_nothing_from_the_connections() -> None:
    budgets = RetryBudgets.fresh(Clock())

    while budgets.of(RetryReason.CONFLICT).take():
        pass

    assert budgets.of(RetryReason.CONNECTION).take()


def test_stale_statements_are_paid_for_with_conflicts() -> None:
    budgets = RetryBudgets.fresh()

    assert budgets.of(RetryReason.CONNECTION) is budgets.connections
    assert budgets.of(RetryReason.CONFLICT) is budgets.of(RetryReason.STALE) is budgets.conflicts


def test_a_client_that_calls_seldom_gets_ten_retries_at_once_and_then_one_a_second() -> None:
    clock = Clock()
    connections = RetryBudgets.fresh(clock).connections

    assert sum(connections.take() for _ in range(100)) == 10
    for _ in range(20):
        clock.now += 1
        assert sum(connections.take() for _ in range(100)) == 1


def test_after_a_quiet_time_there_are_fifty_retries_at_once() -> None:
    clock = Clock()
    connections = RetryBudgets.fresh(clock).connections

    clock.now += 3600

    assert sum(connections.take() for _ in range(100)) == 50


def test_conflicts_with_five_retries_a_call_are_never_refused() -> None:
    conflicts = RetryBudgets.fresh(Clock()).conflicts

    for _ in range(1000):
        conflicts.calls += 1
        assert all(conflicts.take() for _ in range(5))


@pytest.mark.parametrize("name", ["per_call", "per_second", "cap", "start"])
@pytest.mark.parametrize("value", [-1, math.inf, math.nan])
def test_figures_that_make_no_sense_are_refused(name: str, value: float) -> None:
    right: dict[str, Any] = {"per_call": 1.0, "per_second": 1.0, "cap": 10.0, "start": 1.0}

    with pytest.raises(ValueError, match=f"{name} is {value!r}; give a number from 0"):
        RetryBudget(**{**right, name: value})


def test_a_budget_cannot_start_with_more_than_fits() -> None:
    with pytest.raises(ValueError, match="start is 11, which is above the cap; give 10 or less"):
        RetryBudget(per_call=1, per_second=1, cap=10, start=11)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("pause", [0.05, 0.5, 20.0])
def test_in_a_total_outage_attempts_are_a_tenth_more_than_calls_and_a_floor(
    seed: int, pause: float
) -> None:
    """100 callers call again and again for a minute, and are refused at once each time."""
    refused = Failure(Category.CONNECTION, Effect.NONE, Verdict.ACQUIRE, None, "")
    clock, chance = Clock(0.0), random.Random(seed)
    budgets = RetryBudgets.fresh(clock)
    outage, callers = 60.0, 100
    calls = executions = retries = 0
    # When a caller does something next, and the attempts of its call where it is in one. The
    # number keeps the rest from being compared.
    numbers = itertools.count()
    agenda: list[tuple[float, int, Attempts | None]] = [
        (pause * chance.random(), next(numbers), None) for _ in range(callers)
    ]
    while agenda[0][0] < outage:
        clock.now, _, attempts = heapq.heappop(agenda)
        if attempts is None:
            calls += 1
            budgets.connections.calls += 1
            attempts = Attempts(RetryPolicy(), budgets, clock.now + 15, clock, chance.random)
        executions += 1
        step = attempts.after(refused, may_repeat=False)
        if isinstance(step, Retry):
            retries += 1
            heapq.heappush(agenda, (clock.now + step.wait, next(numbers), attempts))
        else:
            later = clock.now + pause * (0.5 + chance.random())
            heapq.heappush(agenda, (later, next(numbers), None))

    assert executions <= 1.1 * calls + 10 + outage
    # Nor is the budget left unused.
    assert retries >= 0.7 * (0.1 * calls + 10 + outage)

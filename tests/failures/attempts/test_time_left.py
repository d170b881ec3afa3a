"""Whether the time that a deadline leaves is enough for a wait and another attempt."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.failures.attempts import GiveUp, Retry
from raxol_sql.failures.failure import Failure
from raxol_sql.failures.retry import RetryPolicy
from tests.failures.attempts.conftest import CONFLICT, REFUSED, Clock, attempts_of, chances, safe


@given(
    st.floats(0.001, 30),
    chances,
    st.lists(st.tuples(safe, st.floats(0, 5), st.floats(0, 1)), min_size=1, max_size=12),
)
def test_no_wait_goes_beyond_the_deadline_nor_leaves_less_than_an_attempt_takes(
    left: float, chance: float, history: list[tuple[Failure, float, float]]
) -> None:
    clock = Clock()
    deadline = clock.now + left
    attempts = attempts_of(RetryPolicy(100), deadline=deadline, clock=clock, chance=chance)

    quickest, overslept = math.inf, 0.0
    for one, took, late in history:
        clock.now += took
        # The attempts are not told when a sleep ended, and take the rest for theirs.
        quickest = min(quickest, overslept + took)
        step = attempts.after(one, may_repeat=False)
        if isinstance(step, GiveUp):
            assert step.reason == "too little time is left"
            return
        assert clock.now + step.wait + quickest < deadline + 1e-9
        clock.now += step.wait + late
        overslept = late


def test_a_retry_that_fits_into_the_time_left_is_made() -> None:
    clock = Clock()
    attempts = attempts_of(deadline=clock.now + 3.51, clock=clock)
    clock.now += 1.5

    # 2.01 s are left for half a second of waiting and one attempt and a half of a second.
    assert attempts.after(REFUSED, may_repeat=False) == Retry(0.5)


def test_a_retry_that_just_does_not_fit_into_the_time_left_is_not_made() -> None:
    clock = Clock()
    attempts = attempts_of(deadline=clock.now + 3.5, clock=clock)
    clock.now += 1.5

    assert attempts.after(REFUSED, may_repeat=False) == GiveUp("too little time is left")


def test_the_quickest_attempt_says_how_long_one_takes() -> None:
    clock = Clock()
    attempts = attempts_of(deadline=clock.now + 10, clock=clock, chance=0)

    for took in (0.5, 4.0, 4.9):
        clock.now += took
        assert attempts.after(REFUSED, may_repeat=False) == Retry(0.0)
    clock.now += 0.55

    assert attempts.after(REFUSED, may_repeat=False) == GiveUp("too little time is left")


def test_a_wait_is_not_taken_for_the_time_of_an_attempt() -> None:
    clock = Clock()
    attempts = attempts_of(deadline=clock.now + 3.25, clock=clock)

    clock.now += 1.0
    assert attempts.after(REFUSED, may_repeat=False) == Retry(0.5)
    clock.now += 0.5 + 0.25

    # 1.5 s are left for a second of waiting and an attempt of 0.25 s.
    assert attempts.after(REFUSED, may_repeat=False) == Retry(1.0)


def test_a_wait_that_was_cut_short_makes_no_room_for_a_later_one() -> None:
    clock = Clock()
    attempts = attempts_of(deadline=clock.now + 3, clock=clock)

    for wait in (0.5, 1.0):
        assert attempts.after(REFUSED, may_repeat=False) == Retry(wait)
    clock.now += 2.2

    assert attempts.after(REFUSED, may_repeat=False) == GiveUp("too little time is left")


@pytest.mark.parametrize("step", [0.0, -1.0, 1e12])
def test_a_clock_that_stands_still_or_jumps_breaks_nothing(step: float) -> None:
    clock = Clock()
    attempts = attempts_of(deadline=clock.now + 10, clock=clock)

    steps: list[Retry | GiveUp] = []
    while not steps or isinstance(steps[-1], Retry):
        clock.now += step
        steps.append(attempts.after(CONFLICT, may_repeat=False))

    assert len(steps) == (1 if step > 0 else 6)

"""How long the waits between attempts are."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.failures.attempts import Attempts, GiveUp, Retry
from raxol_sql.failures.failure import Failure
from raxol_sql.failures.retry import RetryPolicy, RetryReason
from tests.failures.attempts.conftest import (
    CONFLICT,
    REFUSED,
    STALE,
    Clock,
    attempts_of,
    chances,
    endless,
    safe,
)

waits = st.floats(0, 1e6)


@given(st.lists(st.tuples(safe, chances), min_size=1, max_size=20))
def test_a_wait_is_a_share_of_the_longest_for_the_failures_of_its_cause(
    history: list[tuple[Failure, float]],
) -> None:
    policy = RetryPolicy(100)
    drawn = iter([chance for _, chance in history])
    attempts = Attempts(policy, endless(), None, Clock(), lambda: next(drawn))

    seen: list[RetryReason] = []
    waited = 0.0
    for one, chance in history:
        seen.append(RetryReason.of(one))
        longest = policy.longest_wait(one, seen.count(RetryReason.of(one)))
        step = attempts.after(one, may_repeat=False)
        assert step == Retry(chance * longest)
        waited += step.wait
        assert 0 <= step.wait < longest or step.wait == longest == 0
    assert attempts.waited == pytest.approx(waited)


@given(st.lists(safe, min_size=1, max_size=20), waits, waits, chances)
def test_without_jitter_every_wait_is_the_longest_of_the_policy(
    history: list[Failure], first: float, longest: float, chance: float
) -> None:
    policy = RetryPolicy(100, connection_wait=first, longest_connection_wait=longest, jitter=False)
    attempts = attempts_of(policy, chance=chance)

    seen: list[RetryReason] = []
    for one in history:
        seen.append(RetryReason.of(one))
        expected = policy.longest_wait(one, seen.count(RetryReason.of(one)))
        assert attempts.after(one, may_repeat=False) == Retry(expected)


def test_a_server_that_is_away_is_asked_after_1_2_4_8_and_16_seconds_if_one_wants_it_so() -> None:
    attempts = attempts_of(RetryPolicy(6, jitter=False, longest_connection_wait=16))

    steps = [attempts.after(REFUSED, may_repeat=False) for _ in range(6)]

    assert steps == [*map(Retry, (1.0, 2.0, 4.0, 8.0, 16.0)), GiveUp("the attempts are used up")]
    assert attempts.waited == 31


def test_a_stale_statement_is_repeated_at_once_also_after_other_trouble() -> None:
    attempts = attempts_of()

    assert attempts.after(CONFLICT, may_repeat=False) == Retry(0.005)
    assert attempts.after(STALE, may_repeat=False) == Retry(0.0)
    assert attempts.after(STALE, may_repeat=False) == Retry(0.01)


def test_the_usual_chance_does_not_follow_from_the_seed_of_the_program() -> None:
    drawn = set()
    for _ in range(5):
        random.seed(7)
        step = Attempts(RetryPolicy(), endless(), None).after(REFUSED, may_repeat=False)
        assert isinstance(step, Retry)
        assert 0 <= step.wait < 1
        drawn.add(step.wait)

    assert len(drawn) == 5

"""The retry policy: its values, and the waits that it allows."""

from __future__ import annotations

import itertools
import math
import pickle
import random
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.failures.failure import Category, Effect, Failure, Verdict
from raxol_sql.failures.retry import RetryPolicy, RetryReason

waits = st.floats(0, 1e9)
policies = st.builds(
    RetryPolicy,
    st.integers(1, 100),
    connection_wait=waits,
    conflict_wait=waits,
    longest_connection_wait=waits,
    longest_conflict_wait=waits,
    jitter=st.booleans(),
    extra_sqlstates=st.frozensets(st.from_regex(r"[0-9A-Z]{5}", fullmatch=True), max_size=3),
    extra_max_retries=st.integers(1, 5),
)
failures = st.builds(
    Failure,
    st.sampled_from(Category),
    st.sampled_from(Effect),
    st.sampled_from(Verdict),
    st.none() | st.from_regex(r"[0-9A-Z]{5}", fullmatch=True),
    st.just(""),
)


def failure(category: Category) -> Failure:
    return Failure(category, Effect.NONE, Verdict.ACQUIRE, None, "")


LOST = failure(Category.CONNECTION)
CONFLICT = failure(Category.CONFLICT)
STALE = failure(Category.STALE)


@given(policies, failures, st.integers(1, 10**30))
def test_the_longest_wait_never_shrinks_and_never_passes_its_cap(
    policy: RetryPolicy, failure: Failure, attempt: int
) -> None:
    longest = policy.longest_wait(failure, attempt)
    cap = (
        policy.longest_connection_wait
        if RetryReason.of(failure) is RetryReason.CONNECTION
        else policy.longest_conflict_wait
    )

    assert 0 <= longest <= policy.longest_wait(failure, attempt + 1) <= cap


@given(policies, st.integers(1, 1000))
def test_the_longest_wait_doubles_up_to_its_cap(policy: RetryPolicy, attempt: int) -> None:
    doubled = 2 ** (attempt - 1)

    for one, first, most in (
        (LOST, policy.connection_wait, policy.longest_connection_wait),
        (CONFLICT, policy.conflict_wait, policy.longest_conflict_wait),
    ):
        assert policy.longest_wait(one, attempt) == (
            most if math.frexp(first)[1] + attempt > 1000 and first else min(most, first * doubled)
        )


@given(policies, failures, st.integers(1, 10**30), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_a_part_of_its_longest_and_without_jitter_all_of_it(
    policy: RetryPolicy, failure: Failure, attempt: int, chance: float
) -> None:
    longest = policy.longest_wait(failure, attempt)

    drawn = attrs.evolve(policy, jitter=True).wait(failure, attempt, chance)
    exact = attrs.evolve(policy, jitter=False).wait(failure, attempt, chance)

    assert drawn == chance * longest <= longest
    assert exact == longest


def test_without_jitter_the_waits_double_exactly() -> None:
    policy = RetryPolicy(jitter=False, longest_connection_wait=16)

    waits = [policy.wait(LOST, attempt, chance=0.123) for attempt in range(1, 7)]

    assert waits == [1, 2, 4, 8, 16, 16]


@given(policies)
def test_the_first_wait_is_never_longer_than_the_policy_says(policy: RetryPolicy) -> None:
    assert policy.longest_wait(LOST, 1) == policy.connection_wait
    assert policy.longest_wait(CONFLICT, 1) == policy.conflict_wait


@given(policies)
def test_a_cap_is_raised_to_a_first_wait_that_is_longer(policy: RetryPolicy) -> None:
    assert policy.longest_connection_wait >= policy.connection_wait
    assert policy.longest_conflict_wait >= policy.conflict_wait


@given(policies)
def test_a_stale_statement_is_repeated_at_once_and_then_like_a_conflict(
    policy: RetryPolicy,
) -> None:
    assert policy.longest_wait(STALE, 1) == 0
    for attempt in range(2, 8):
        assert policy.longest_wait(STALE, attempt) == policy.longest_wait(CONFLICT, attempt)


@given(policies, failures, st.integers(1, 10**30))
def test_without_waits_every_wait_is_0_and_all_else_is_the_same(
    policy: RetryPolicy, failure: Failure, attempt: int
) -> None:
    quick = policy.without_waits()

    assert quick.longest_wait(failure, attempt) == 0
    assert (quick.attempts, quick.extra_sqlstates, quick.extra_max_retries) == (
        policy.attempts,
        policy.extra_sqlstates,
        policy.extra_max_retries,
    )
    assert quick.without_waits() == quick


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_the_policy_of_the_configuration_has_its_interval_as_longest_first_wait(
    interval: int, retries: int
) -> None:
    policy = RetryPolicy.of(interval, retries)

    assert policy.attempts == retries + 1
    assert policy.longest_wait(LOST, 1) == interval / 1000
    assert policy.longest_wait(CONFLICT, 1) == pytest.approx(interval / 100_000)


@given(st.integers(0, 2**31 - 1), st.booleans())
def test_the_policy_of_the_configuration_has_its_jitter(interval: int, jitter: bool) -> None:
    policy = RetryPolicy.of(interval, 5, jitter=jitter)

    assert policy.jitter is jitter
    assert attrs.evolve(policy, jitter=True) == RetryPolicy.of(interval, 5)


def test_the_configurations_defaults_are_those_of_the_policy() -> None:
    assert RetryPolicy.of(1000, 5) == RetryPolicy()


@given(failures, st.integers(1, 10**30))
def test_an_interval_of_0_means_no_waits(failure: Failure, attempt: int) -> None:
    assert RetryPolicy.of(0, 5).longest_wait(failure, attempt) == 0


def test_the_policy_of_no_retries_has_one_attempt() -> None:
    assert RetryPolicy.never().attempts == 1


@given(policies)
def test_a_policy_is_a_value(policy: RetryPolicy) -> None:
    assert pickle.loads(pickle.dumps(policy)) == policy
    assert len({policy, attrs.evolve(policy)}) == 1
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        policy.attempts = 7  # type: ignore[misc]


@given(policies, failures)
def test_only_what_was_taken_back_and_is_not_repeated_anyway_is_repeated_by_choice(
    policy: RetryPolicy, failure: Failure
) -> None:
    for one, states in itertools.product(
        [failure], [policy.extra_sqlstates, {failure.sqlstate or "00000"}]
    ):
        chosen = attrs.evolve(policy, extra_sqlstates=states)
        assert chosen.is_by_choice(one) == (
            one.sqlstate in states
            and one.verdict is Verdict.NEVER
            and one.effect not in (Effect.UNKNOWN, Effect.COMMITTED)
        )


@pytest.mark.parametrize("category", Category)
def test_every_category_has_a_cause(category: Category) -> None:
    expected = {
        Category.CONFLICT: RetryReason.CONFLICT,
        Category.LOCK: RetryReason.CONFLICT,
        Category.CONSTRAINT: RetryReason.CONFLICT,
        Category.STALE: RetryReason.STALE,
    }

    assert RetryReason.of(failure(category)) is expected.get(category, RetryReason.CONNECTION)


@pytest.mark.parametrize("attempts", [0, -1, 1.5, True, "6", None])
def test_attempts_that_make_no_sense_are_refused(attempts: Any) -> None:
    with pytest.raises(
        ValueError, match=rf"attempts is {re.escape(repr(attempts))}; give a whole number from 1"
    ):
        RetryPolicy(attempts)


@pytest.mark.parametrize("repeats", [0, -1, 1.5, True, "2", None])
def test_repeats_by_choice_that_make_no_sense_are_refused(repeats: Any) -> None:
    with pytest.raises(ValueError, match=r"extra_max_retries is .*; give a whole number from 1"):
        RetryPolicy(extra_max_retries=repeats)


@pytest.mark.parametrize("jitter", [0, 1, "no", None])
def test_a_jitter_that_is_neither_there_nor_not_is_refused(jitter: Any) -> None:
    with pytest.raises(ValueError, match=r"jitter is .*; give True or False"):
        RetryPolicy(jitter=jitter)


@pytest.mark.parametrize(
    "name",
    ["connection_wait", "conflict_wait", "longest_connection_wait", "longest_conflict_wait"],
)
@pytest.mark.parametrize("wait", [-0.1, math.inf, -math.inf, math.nan, 10**400, True, "1", None])
def test_waits_that_make_no_sense_are_refused(name: str, wait: Any) -> None:
    values: dict[str, Any] = {name: wait}

    with pytest.raises(ValueError, match="give a number of seconds, 0 for none"):
        RetryPolicy(**values)


@pytest.mark.parametrize(
    "state", ["", "4000", "400011", "4000a", "40 01", "40001\n", "٤٠٠٠١", 40001]
)
def test_what_is_no_sqlstate_cannot_be_repeated_by_choice(state: Any) -> None:
    with pytest.raises(ValueError, match="is no SQLSTATE; give five digits or capitals"):
        RetryPolicy(extra_sqlstates=["55P03", state])


def test_a_text_in_place_of_a_set_of_sqlstates_is_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("give a set: {'55P03'}")):
        RetryPolicy(extra_sqlstates="55P03")


@pytest.mark.parametrize(("interval", "retries"), [(-1, 5), (1000, -1)])
def test_a_configuration_below_0_is_refused(interval: int, retries: int) -> None:
    with pytest.raises(ValueError, match="give whole numbers from 0"):
        RetryPolicy.of(interval, retries)


def moments_of_retries(draw: Callable[[], float]) -> list[float]:
    """When one process tries again that lost its connection at 0 and does not get another one."""
    policy = RetryPolicy()
    waits = (draw() * policy.longest_wait(LOST, n) for n in range(1, policy.attempts))
    return [*itertools.accumulate(waits)]


def test_the_retries_of_500_processes_are_spread_and_make_no_herd() -> None:
    processes, slot = 500, 0.05
    moments = [moments_of_retries(random.Random(f"process {n}").random) for n in range(processes)]

    first = Counter(int(retries[0] / slot) for retries in moments)
    everything = Counter(int(moment / slot) for retries in moments for moment in retries)

    # Evenly over the second of the first wait: 25 in each of 20 slots. The 19 degrees of freedom
    # of chi square give 44 in one case of a thousand.
    assert first.keys() == set(range(20))
    assert sum((count - 25) ** 2 / 25 for count in first.values()) < 44
    # Nor do they gather later on: no moment has twice its share of the first second.
    assert max(everything.values()) < 2 * 25 + 15

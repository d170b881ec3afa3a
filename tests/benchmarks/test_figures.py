"""Medians, their bounds, and ratios within a round."""

from __future__ import annotations

import statistics
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.burst import Sample, percentile
from benchmarks.figures import Outcome, Spread
from benchmarks.targets import TARGETS, Target, Verdict, judge

TIMES = st.floats(0.1, 1e6)


def _outcome(**walls: list[float]) -> Outcome:
    samples = {name: [[Sample(wall, wall / 2) for wall in taken]] for name, taken in walls.items()}
    return Outcome("work", "Some work", next(iter(walls)), samples)


@given(st.lists(TIMES, min_size=1))
def test_a_median_lies_within_its_bounds_and_those_within_the_values(values: list[float]) -> None:
    spread = Spread.of(values)

    assert min(values) <= spread.low <= spread.median <= spread.high <= max(values)
    assert spread.median == statistics.median(values)


@given(st.lists(TIMES, min_size=1), st.randoms())
def test_the_order_of_the_values_does_not_matter(values: list[float], random: Random) -> None:
    shuffled = random.sample(values, len(values))

    assert Spread.of(shuffled) == Spread.of(values)


@given(st.lists(st.integers(1, 10**6), min_size=1))
def test_a_spread_in_another_unit_is_the_same_spread(values: list[int]) -> None:
    spread, scaled = Spread.of(values), Spread.of([1000 * value for value in values])

    assert [scaled.median, scaled.low, scaled.high] == pytest.approx(
        [1000 * spread.median, 1000 * spread.low, 1000 * spread.high]
    )


@pytest.mark.parametrize("count", [8, 15, 40, 200])
def test_the_bounds_hold_the_true_median_as_often_as_they_promise(count: int) -> None:
    random = Random(count)
    spreads = [Spread.of([random.expovariate(1) for _ in range(count)]) for _ in range(1000)]
    true = 0.6931

    held = sum(spread.low <= true <= spread.high for spread in spreads)

    assert held > 920


def test_of_no_values_there_is_no_median() -> None:
    with pytest.raises(ValueError, match="no values"):
        Spread.of([])


@given(st.lists(st.lists(TIMES, min_size=1), min_size=2))
def test_a_sitting_counts_once_however_many_rounds_it_had(sittings: list[list[float]]) -> None:
    spread = Spread.of_sittings(sittings)

    assert spread == Spread.of([statistics.median(sitting) for sitting in sittings])
    assert spread == Spread.of_sittings([2 * sitting for sitting in sittings])


@given(st.lists(TIMES, min_size=1))
def test_the_rounds_of_a_single_sitting_count_each(values: list[float]) -> None:
    assert Spread.of_sittings([values]) == Spread.of(values)


@given(st.lists(TIMES, min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(
    values: list[float], share: int
) -> None:
    ordered = sorted(values)
    found = percentile(ordered, share)

    assert sum(value <= found for value in values) * 100 >= share * len(values)
    assert sum(value < found for value in values) * 100 < share * len(values)


@given(st.lists(TIMES, min_size=1))
def test_everybody_takes_as_long_as_itself(walls: list[float]) -> None:
    assert _outcome(one=walls).ratio("one", "one", "wall") == Spread(1, 1, 1)


@given(st.lists(st.tuples(TIMES, TIMES), min_size=1))
def test_a_ratio_is_taken_within_the_round_so_that_a_slow_round_spoils_nothing(
    rounds: list[tuple[float, float]],
) -> None:
    # The machine is slower by some factor in each round, for both.
    outcome = _outcome(
        twice=[2 * time * slow for time, slow in rounds], one=[time * slow for time, slow in rounds]
    )

    ratio = outcome.ratio("twice", "one", "cpu")

    assert ratio is not None
    assert [ratio.low, ratio.median, ratio.high] == pytest.approx([2, 2, 2])


def test_there_is_no_ratio_to_somebody_who_was_not_there() -> None:
    assert _outcome(one=[1.0]).ratio("one", "other", "wall") is None


def test_latencies_are_known_where_they_were_taken() -> None:
    sample = Sample.of(2e-3, 1e-3, 4, [1e-4, 2e-4, 3e-4, 9e-4])
    samples = {"many": [[sample]], "one": [[Sample(1, 1)]]}
    outcome = Outcome("work", "Some work", "many", samples)

    assert (sample.wall, sample.cpu) == (500, 250)
    assert outcome.latency("many", "p50") == pytest.approx(200)
    assert outcome.latency("many", "p99") == pytest.approx(900)
    assert outcome.latency("one", "p99") is None


@pytest.mark.parametrize(
    ("limit", "word"), [(0.49, "missed"), (0.5, "met"), (0.51, "met"), (0.0, "missed")]
)
def test_a_target_is_met_up_to_its_limit(limit: float, word: str) -> None:
    target = Target("work", "ours", "theirs", "wall", limit)

    (verdict,) = judge([_outcome(ours=[1.0, 2.0], theirs=[2.0, 4.0])], [target])

    assert (verdict.word, verdict.is_missed) == (word, word == "missed")


def test_a_target_is_not_missed_by_somebody_who_was_not_there() -> None:
    outcome = _outcome(ours=[9.0])
    absent = Target("work", "ours", "theirs", "wall", 0.1)

    assert judge([outcome], [absent]) == [Verdict(absent, None)]
    assert judge([], [absent]) == [Verdict(absent, None)]
    assert judge([outcome], [absent])[0].word == "not measured"
    assert {verdict.word for verdict in judge([])} == {"not measured"}
    assert len(judge([])) == len(TARGETS)

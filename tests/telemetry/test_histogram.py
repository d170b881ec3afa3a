"""A histogram tells where values lie, as well as its classes allow."""

from __future__ import annotations

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.telemetry.histogram import BOUNDS_MS, Histogram, empty_counts

VALUES = st.lists(st.floats(0, 100_000), min_size=1, max_size=200)


def _of(values: list[float]) -> Histogram:
    counts = empty_counts(BOUNDS_MS)
    for value in values:
        counts[bisect_left(BOUNDS_MS, value)] += 1
    return Histogram(BOUNDS_MS, tuple(counts), sum(values), max(values))


@given(VALUES, st.floats(0, 1))
def test_a_quantile_lies_in_the_class_of_the_value_that_it_stands_for(
    values: list[float], share: float
) -> None:
    found = _of(values).quantile(share)
    ordered = sorted(values)
    meant = ordered[min(len(ordered) - 1, max(0, -(-int(share * len(ordered) * 1e9) // 10**9) - 1))]
    place = bisect_left(BOUNDS_MS, meant)
    lower = 0.0 if place == 0 else BOUNDS_MS[place - 1]
    upper = BOUNDS_MS[place] if place < len(BOUNDS_MS) else max(values)

    assert lower <= found <= upper
    assert found <= max(values)


@given(VALUES, st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_has_no_smaller_quantile(
    values: list[float], one: float, other: float
) -> None:
    histogram = _of(values)

    assert histogram.quantile(min(one, other)) <= histogram.quantile(max(one, other))


@given(VALUES)
def test_the_cumulative_counts_grow_to_the_count_of_all(values: list[float]) -> None:
    histogram = _of(values)
    counts = [count for _, count in histogram.cumulative()]

    assert counts == sorted(counts)
    assert counts[-1] == histogram.count == len(values)
    for bound, count in histogram.cumulative():
        assert count == sum(value <= bound for value in values)


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_without_values_every_quantile_is_zero(share: float) -> None:
    empty = Histogram(BOUNDS_MS, tuple(empty_counts(BOUNDS_MS)), 0.0, 0.0)

    assert (empty.quantile(share), empty.count) == (0.0, 0)

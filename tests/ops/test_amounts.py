"""Amounts are short, have their units, and are never off by more than what is cut off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.ops.amounts import counted, size, some, span


def test_sizes_are_in_the_largest_unit_that_they_reach() -> None:
    sizes = [0, 1023, 1024, 1536, 2**20 - 1, 2**20, 7 * 2**30 // 2, 2**50]
    read = ["0 B", "1,023 B", "1 kB", "1.5 kB", "1 MB", "1 MB", "3.5 GB", "1,024 TB"]

    assert [size(one) for one in sizes] == read


@given(st.integers(0, 2**59))
def test_a_size_is_told_to_a_twentieth_of_itself(count: int) -> None:
    number, _, unit = size(count).partition(" ")
    told = float(number.replace(",", "")) * 1024 ** ["B", "kB", "MB", "GB", "TB"].index(unit)

    assert told == pytest.approx(count, rel=0.05)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0.0 s"),
        (0.44, "0.4 s"),
        (10, "10 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (90_000, "1 d 1 h"),
        (86_460, "1 d"),
    ],
)
def test_lengths_of_time_are_told_in_two_units(seconds: float, said: str) -> None:
    assert span(seconds) == said


@given(st.floats(0, 1e9))
def test_a_span_is_told_in_two_units_at_most_and_cuts_off_less_than_the_smaller_one(
    seconds: float,
) -> None:
    lengths = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}
    words = span(seconds).split()
    told = sum(
        float(number) * lengths[unit] for number, unit in zip(words[::2], words[1::2], strict=True)
    )
    first = [*lengths].index(words[1])
    smallest = [*lengths.values()][min(first + 1, 3)]

    assert len(words) <= 4
    assert abs(told - seconds) <= smallest


def test_what_is_counted_and_named_is_in_its_number() -> None:
    assert [counted(one, "table") for one in (0, 1, 1_000)] == [
        "0 tables",
        "1 table",
        "1,000 tables",
    ]
    assert counted(2, "index", "indexes") == "2 indexes"
    assert some(["a", "b"]) == "a, b"
    assert some(["a", "b", "c"], limit=2) == "a, b and 1 more"

"""Watching and sleeping: which of the two is the way that waits are waited."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.engine.core.busy_poll import AdaptivePoller

ROUNDS = 1000


def waits(
    patience: AdaptivePoller, watched: Callable[[], float], slept: Callable[[], float]
) -> int:
    """How many of many waits are watched, where either way takes as long as these say."""
    count = 0
    for _ in range(ROUNDS):
        way = patience.choose()
        count += way
        if patience.is_timed:
            patience.learn(watched() if way else slept())
    return count


def test_a_machine_that_is_slow_to_wake_up_has_its_connections_watched() -> None:
    assert waits(AdaptivePoller(), lambda: 20e-6, lambda: 60e-6) > ROUNDS * 0.75


def test_a_machine_that_wakes_up_at_once_sleeps() -> None:
    assert waits(AdaptivePoller(), lambda: 18e-6, lambda: 24e-6) < ROUNDS * 0.1


def test_a_statement_that_takes_longer_than_any_watch_is_slept_through() -> None:
    assert waits(AdaptivePoller(), lambda: 0.3 + 50e-6, lambda: 0.3) < ROUNDS * 0.1


@given(st.floats(1e-6, 1), st.floats(1e-6, 1))
def test_the_other_way_is_tried_now_and_then_and_no_more(watched: float, slept: float) -> None:
    patience = AdaptivePoller()
    waits(patience, lambda: watched, lambda: slept)

    others = 0
    for _ in range(10 * ROUNDS):
        usual = patience.is_watching
        way = patience.choose()
        others += way != usual
        if patience.is_timed:
            patience.learn(watched if way else slept)

    assert 8 <= others <= 10 * ROUNDS / 20


def test_answers_that_do_not_come_while_they_are_watched_for_end_the_watching() -> None:
    patience = AdaptivePoller()
    waits(patience, lambda: 20e-6, lambda: 60e-6)

    for _ in range(3):
        patience.miss()

    assert not patience.is_watching


@given(st.booleans())
def test_a_change_of_the_machine_is_noticed(first: bool) -> None:
    patience = AdaptivePoller()
    fast, slow = (lambda: 20e-6), (lambda: 90e-6)
    waits(patience, fast if first else slow, slow if first else fast)
    assert patience.is_watching is first

    for _ in range(5):
        waits(patience, slow if first else fast, fast if first else slow)
    assert patience.is_watching is not first


def test_one_wait_at_a_lock_is_soon_forgotten() -> None:
    patience = AdaptivePoller()
    waits(patience, lambda: 20e-6, lambda: 60e-6)

    patience.learn(30.0)

    assert waits(patience, lambda: 20e-6, lambda: 60e-6) > ROUNDS * 0.6

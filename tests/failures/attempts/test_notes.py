"""The note on an error: how often and how long it was tried, and why no more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.failures.attempts import GiveUp, Retry
from raxol_sql.failures.failure import Failure
from raxol_sql.failures.retry import RetryPolicy
from tests.failures.attempts.conftest import (
    CONFLICT,
    LOST_AFTER_SENDING,
    MISSING,
    REFUSED,
    Clock,
    attempts_of,
    failures,
)


def test_the_note_says_how_often_and_how_long_it_was_tried_and_why_no_more() -> None:
    clock = Clock()
    attempts = attempts_of(RetryPolicy(3), clock=clock, chance=0.6)

    while isinstance(step := attempts.after(REFUSED, may_repeat=False), Retry):
        clock.now += step.wait + 0.25

    assert attempts.note() == (
        "after 3 attempts in 2.3 s, 1.8 s of it waiting;"
        " not retried any more: the attempts are used up"
    )


def test_the_note_does_not_speak_of_waits_where_there_were_none() -> None:
    clock = Clock()
    attempts = attempts_of(RetryPolicy(2).without_waits(), clock=clock)
    clock.now += 0.012

    attempts.after(CONFLICT, may_repeat=False)
    assert attempts.note() is None
    attempts.after(MISSING, may_repeat=False)

    assert attempts.note() == (
        "after 2 attempts in 0.012 s; not retried any more: such a failure is never retried"
    )


@pytest.mark.parametrize(
    ("policy", "one"), [(RetryPolicy(), MISSING), (RetryPolicy.never(), REFUSED)]
)
def test_there_is_no_note_where_nothing_was_to_be_retried(
    policy: RetryPolicy, one: Failure
) -> None:
    attempts = attempts_of(policy)

    assert attempts.note() is None
    assert attempts.after(one, may_repeat=False) == GiveUp(None)
    assert attempts.note() is None


def test_the_note_of_a_first_attempt_says_why_there_is_no_second() -> None:
    attempts = attempts_of()

    attempts.after(LOST_AFTER_SENDING, may_repeat=False)

    assert attempts.note() == "not retried: it may have taken effect"


@given(st.lists(st.tuples(failures, st.floats(0, 1000)), min_size=1, max_size=10), st.booleans())
def test_the_reason_of_a_stop_becomes_part_of_the_note(
    history: list[tuple[Failure, float]], may_repeat: bool
) -> None:
    clock = Clock()
    attempts = attempts_of(clock=clock)

    step: Retry | GiveUp = Retry(0)
    for one, took in history:
        clock.now += took
        step = attempts.after(one, may_repeat=may_repeat)

    note = attempts.note()
    if isinstance(step, GiveUp):
        assert (step.reason or "") in (note or "")
        assert (note is None) == (step.reason is None)

"""A query that may be what ends its connections is not sent a third time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.failures.attempts import GiveUp, Retry
from raxol_sql.failures.retry import RetryPolicy
from tests.failures.attempts.conftest import (
    CONFLICT,
    LOST_AFTER_SENDING,
    LOST_IN_TRANSACTION,
    REFUSED,
    attempts_of,
)


def test_the_loss_of_a_connection_with_nothing_on_the_wire_is_no_fault_of_the_query() -> None:
    attempts = attempts_of()

    for _ in range(5):
        step = attempts.after(REFUSED, may_repeat=False, is_mute_loss=True)
        assert isinstance(step, Retry)


def test_a_third_try_of_what_ended_two_connections_without_a_word_is_refused() -> None:
    attempts = attempts_of()

    first = attempts.after(LOST_AFTER_SENDING, may_repeat=True, is_mute_loss=True)
    second = attempts.after(LOST_AFTER_SENDING, may_repeat=True, is_mute_loss=True)

    assert isinstance(first, Retry)
    assert second == GiveUp("the query itself may be crashing the connection")
    assert attempts.count == 2


def test_the_recovery_of_the_server_in_between_does_not_clear_a_query_of_suspicion() -> None:
    attempts = attempts_of()

    attempts.after(LOST_IN_TRANSACTION, may_repeat=False, is_mute_loss=True)
    for _ in range(3):
        assert isinstance(attempts.after(REFUSED, may_repeat=False), Retry)

    assert attempts.after(LOST_IN_TRANSACTION, may_repeat=False, is_mute_loss=True) == GiveUp(
        "the query itself may be crashing the connection"
    )


@given(st.lists(st.sampled_from(["mute", "told", "conflict", "refused"]), max_size=12))
def test_a_query_is_on_the_wire_of_two_mute_losses_in_a_row_at_most(history: list[str]) -> None:
    attempts = attempts_of(RetryPolicy(100))

    in_a_row = 0
    for what in history:
        one = {"conflict": CONFLICT, "refused": REFUSED}.get(what, LOST_IN_TRANSACTION)
        step = attempts.after(one, may_repeat=False, is_mute_loss=what == "mute")
        if what != "refused":
            in_a_row = in_a_row + 1 if what == "mute" else 0
        assert isinstance(step, GiveUp) == (in_a_row == 2)
        if isinstance(step, GiveUp):
            return

"""What a server says of a transaction id is believed only where it can be about ours."""

from __future__ import annotations

import uuid

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.failures import (
    Effect,
    OutcomeToken,
    ServerEpoch,
    ServerEpochs,
    XactStatus,
    effect_of,
    is_forgotten,
)

NOW = ServerEpoch("7", "00000001", "monday")
LATER = attrs.evolve(NOW, life="tuesday")
LATEST = attrs.evolve(NOW, life="wednesday")
PROMOTED = attrs.evolve(NOW, timeline="00000002")
RESTORED = attrs.evolve(NOW, system="8")
STATUSES = ["in progress", "committed", "aborted", "ahead", "forgotten"]
OURS = OutcomeToken(NOW, 1000)

incarnations = st.builds(ServerEpoch, *[st.text("ab", min_size=1, max_size=2)] * 3)
tokens = st.builds(
    OutcomeToken,
    st.none() | incarnations,
    st.none() | st.integers(3, 2**63),
    st.none() | st.uuids(),
    st.floats(0, 2**40),
)


@pytest.mark.parametrize(
    ("status", "effect"),
    [
        ("in progress", None),
        ("committed", Effect.COMMITTED),
        ("aborted", Effect.ROLLED_BACK),
        ("ahead", None),
        ("forgotten", Effect.UNKNOWN),
    ],
)
def test_in_the_same_life_the_server_is_believed(status: str, effect: Effect | None) -> None:
    assert effect_of(OURS, XactStatus(NOW, status)) is effect


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("seen", [PROMOTED, RESTORED])
def test_in_another_history_an_id_is_somebody_elses(seen: ServerEpoch, status: str) -> None:
    assert effect_of(OURS, XactStatus(seen, status, 5000)) is Effect.UNKNOWN


@pytest.mark.parametrize(
    ("first", "effect"),
    [(1001, Effect.COMMITTED), (1000, Effect.ROLLED_BACK), (None, Effect.UNKNOWN)],
)
def test_after_a_crash_committed_is_ours_below_the_first_id_of_the_new_life(
    first: int | None, effect: Effect
) -> None:
    assert effect_of(OURS, XactStatus(LATER, "committed", first)) is effect


@pytest.mark.parametrize("status", ["in progress", "aborted", "ahead"])
@pytest.mark.parametrize("first", [None, 1000, 1001])
def test_after_a_crash_anything_else_proves_that_ours_is_gone(
    status: str, first: int | None
) -> None:
    assert effect_of(OURS, XactStatus(LATER, status, first)) is Effect.ROLLED_BACK


@given(tokens, incarnations, st.sampled_from(STATUSES), st.none() | st.integers(3, 2**63))
def test_committed_is_never_said_of_an_id_that_may_be_anothers(
    token: OutcomeToken, seen: ServerEpoch, status: str, first: int | None
) -> None:
    effect = effect_of(token, XactStatus(seen, status, first))

    if effect is Effect.COMMITTED:
        assert status == "committed"
        assert token.xid is not None
        assert token.incarnation is not None
        assert (token.incarnation.system, token.incarnation.timeline) == (
            seen.system,
            seen.timeline,
        )
        is_same_life = token.incarnation.life == seen.life
        assert is_same_life or (first is not None and token.xid < first)


def test_the_first_id_of_a_life_is_what_was_told_first() -> None:
    lives = ServerEpochs()
    lives.note(NOW, 100)
    lives.note(LATER, 2000)
    lives.note(LATER, None)
    lives.note(LATER, 3000)

    assert lives.first_xid_after(NOW) == 2000


def test_of_several_lives_the_next_one_counts() -> None:
    lives = ServerEpochs()
    for number, life in enumerate([NOW, LATER, LATEST]):
        lives.note(life, 1000 * number)
    lives.note(LATER, 7)  # by a connection that was told before, and heard late

    assert lives.first_xid_after(NOW) == 1000
    assert lives.first_xid_after(LATER) == 2000
    assert lives.first_xid_after(LATEST) is None
    assert ServerEpochs().first_xid_after(NOW) is None


def test_a_life_that_nobody_saw_begin_has_no_first_id() -> None:
    lives = ServerEpochs()
    lives.note(NOW, 100)
    lives.note(LATER, None)
    lives.note(LATEST, 3000)

    assert lives.first_xid_after(NOW) is None


def test_other_servers_have_lives_of_their_own() -> None:
    lives = ServerEpochs()
    for life, first in ((NOW, 100), (RESTORED, 5), (PROMOTED, 6), (LATER, 2000)):
        lives.note(life, first)

    assert lives.first_xid_after(NOW) == 2000
    assert lives.first_xid_after(RESTORED) is None


@given(tokens)
def test_a_token_is_the_same_after_it_was_a_text(token: OutcomeToken) -> None:
    assert OutcomeToken.from_json(token.to_json()) == token


@pytest.mark.parametrize(
    "text", ["", "7", "[]", "{}", "null", '{"incarnation": null, "xid": "x", "key": 1}']
)
def test_another_text_is_no_token(text: str) -> None:
    with pytest.raises(ValueError, match="this is no outcome token"):
        OutcomeToken.from_json(text)


def test_a_token_is_found_on_what_it_was_marked_on() -> None:
    error = KeyboardInterrupt()
    OURS.mark(error)

    assert OutcomeToken.of(error) is OURS
    assert OutcomeToken.of(KeyboardInterrupt()) is None


@given(st.floats(0, 2**40), st.none() | st.floats(0, 2**40))
def test_a_row_is_forgotten_only_if_it_may_have_been_removed(
    created: float, horizon: float | None
) -> None:
    token = OutcomeToken(None, key=uuid.UUID(int=1), created=created)

    if is_forgotten(token, horizon):
        assert horizon is not None
    else:
        assert horizon is None or created >= horizon

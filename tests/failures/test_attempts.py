"""The attempts of one call: what is done again, after which wait, and where it ends."""

from __future__ import annotations

import math
import random

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.failures.attempts import Again, Attempts, Stop
from raxol_sql.failures.budget import Budget, Budgets
from raxol_sql.failures.failure import Category, Effect, Failure, Verdict
from raxol_sql.failures.retry import Cause, RetryPolicy


@attrs.define
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def failure(
    category: Category = Category.CONFLICT,
    effect: Effect = Effect.ROLLED_BACK,
    verdict: Verdict = Verdict.TRANSACTION,
    sqlstate: str | None = None,
) -> Failure:
    return Failure(category, effect, verdict, sqlstate, "")


CONFLICT = failure(sqlstate="40001")
REFUSED = failure(Category.CONNECTION, Effect.NONE, Verdict.ACQUIRE)
LOST_AFTER_SENDING = failure(Category.CONNECTION, Effect.UNKNOWN, Verdict.RESOLVE)
LOST_IN_TRANSACTION = failure(Category.CONNECTION, verdict=Verdict.TRANSACTION_NEW)
STALE = failure(Category.STALE, verdict=Verdict.STATEMENT, sqlstate="26000")
LOCKED = failure(Category.LOCK, verdict=Verdict.NEVER, sqlstate="55P03")
MISSING = failure(Category.PROGRAMMING, verdict=Verdict.NEVER, sqlstate="42P01")

failures = st.builds(
    Failure,
    st.sampled_from(Category),
    st.sampled_from(Effect),
    st.sampled_from(Verdict),
    st.sampled_from([None, "40001", "55P03", "23505"]),
    st.just(""),
)
safe = st.sampled_from([CONFLICT, REFUSED, LOST_IN_TRANSACTION, STALE])
chances = st.floats(0, 1, exclude_max=True)
waits = st.floats(0, 1e6)


def endless() -> Budgets:
    full = 10.0**9
    return Budgets(
        *(Budget(per_call=0, per_second=0, cap=full, start=full, clock=Clock()) for _ in range(2))
    )


def empty() -> Budgets:
    return Budgets(
        *(Budget(per_call=0, per_second=0, cap=0, start=0, clock=Clock()) for _ in range(2))
    )


def attempts_of(
    policy: RetryPolicy | None = None,
    *,
    budgets: Budgets | None = None,
    deadline: float | None = None,
    clock: Clock | None = None,
    chance: float = 0.5,
) -> Attempts:
    return Attempts(
        policy or RetryPolicy(),
        budgets or endless(),
        deadline,
        clock or Clock(),
        lambda: chance,
    )


@given(st.integers(1, 20), st.data())
def test_there_are_exactly_as_many_attempts_as_the_policy_says(
    most: int, data: st.DataObject
) -> None:
    attempts = attempts_of(RetryPolicy(most))

    executions = 1
    while isinstance(attempts.after(data.draw(safe), may_repeat=False), Again):
        executions += 1
        assert attempts.count == executions

    assert attempts.count == executions == most


@pytest.mark.parametrize("effect", Effect)
@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("may_repeat", [False, True])
@pytest.mark.parametrize("is_chosen", [False, True])
def test_only_what_does_no_harm_is_repeated(
    effect: Effect, verdict: Verdict, may_repeat: bool, is_chosen: bool
) -> None:
    policy = RetryPolicy(also={"55P03"} if is_chosen else ())
    is_harmless = may_repeat or (
        effect in (Effect.NONE, Effect.ROLLED_BACK) and verdict is not Verdict.RESOLVE
    )
    if verdict is Verdict.NEVER:
        is_harmless = is_chosen and effect in (Effect.NONE, Effect.ROLLED_BACK)

    for category in Category:
        step = attempts_of(policy).after(
            failure(category, effect, verdict, "55P03"), may_repeat=may_repeat
        )
        assert isinstance(step, Again) == (is_harmless and effect is not Effect.COMMITTED)


@given(st.lists(st.tuples(failures, st.booleans(), st.booleans()), max_size=8))
def test_nothing_that_may_have_happened_is_repeated_whatever_came_before(
    history: list[tuple[Failure, bool, bool]],
) -> None:
    attempts = attempts_of(RetryPolicy(100, also={"55P03"}))

    for one, may_repeat, is_mute_loss in history:
        step = attempts.after(one, may_repeat=may_repeat, is_mute_loss=is_mute_loss)
        if isinstance(step, Stop):
            break
        assert one.effect is not Effect.COMMITTED
        assert may_repeat or one.effect is not Effect.UNKNOWN
        assert may_repeat or one.verdict is not Verdict.RESOLVE
        assert one.verdict is not Verdict.NEVER or one.sqlstate == "55P03"


@given(failures, failures, st.booleans())
def test_after_a_stop_there_is_nothing_more(
    first: Failure, then: Failure, may_repeat: bool
) -> None:
    attempts = attempts_of(RetryPolicy.never())
    stop = attempts.after(first, may_repeat=may_repeat)

    assert isinstance(stop, Stop)
    assert attempts.after(then, may_repeat=True) is stop
    assert attempts.count == 1


@given(st.lists(st.tuples(safe, chances), min_size=1, max_size=20))
def test_a_wait_is_a_share_of_the_longest_for_the_failures_of_its_cause(
    history: list[tuple[Failure, float]],
) -> None:
    policy = RetryPolicy(100)
    drawn = iter([chance for _, chance in history])
    attempts = Attempts(policy, endless(), None, Clock(), lambda: next(drawn))

    seen: list[Cause] = []
    waited = 0.0
    for one, chance in history:
        seen.append(Cause.of(one))
        longest = policy.longest_wait(one, seen.count(Cause.of(one)))
        step = attempts.after(one, may_repeat=False)
        assert step == Again(chance * longest)
        waited += step.wait
        assert 0 <= step.wait < longest or step.wait == longest == 0
    assert attempts.waited == pytest.approx(waited)


@given(st.lists(safe, min_size=1, max_size=20), waits, waits, chances)
def test_without_jitter_every_wait_is_the_longest_of_the_policy(
    history: list[Failure], first: float, longest: float, chance: float
) -> None:
    policy = RetryPolicy(100, connection_wait=first, longest_connection_wait=longest, jitter=False)
    attempts = attempts_of(policy, chance=chance)

    seen: list[Cause] = []
    for one in history:
        seen.append(Cause.of(one))
        expected = policy.longest_wait(one, seen.count(Cause.of(one)))
        assert attempts.after(one, may_repeat=False) == Again(expected)


def test_a_server_that_is_away_is_asked_after_1_2_4_8_and_16_seconds_if_one_wants_it_so() -> None:
    attempts = attempts_of(RetryPolicy(6, jitter=False, longest_connection_wait=16))

    steps = [attempts.after(REFUSED, may_repeat=False) for _ in range(6)]

    assert steps == [*map(Again, (1.0, 2.0, 4.0, 8.0, 16.0)), Stop("the attempts are used up")]
    assert attempts.waited == 31


def test_a_stale_statement_is_repeated_at_once_also_after_other_trouble() -> None:
    attempts = attempts_of()

    assert attempts.after(CONFLICT, may_repeat=False) == Again(0.005)
    assert attempts.after(STALE, may_repeat=False) == Again(0.0)
    assert attempts.after(STALE, may_repeat=False) == Again(0.01)


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
        if isinstance(step, Stop):
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
    assert attempts.after(REFUSED, may_repeat=False) == Again(0.5)


def test_a_retry_that_just_does_not_fit_into_the_time_left_is_not_made() -> None:
    clock = Clock()
    attempts = attempts_of(deadline=clock.now + 3.5, clock=clock)
    clock.now += 1.5

    assert attempts.after(REFUSED, may_repeat=False) == Stop("too little time is left")


def test_the_quickest_attempt_says_how_long_one_takes() -> None:
    clock = Clock()
    attempts = attempts_of(deadline=clock.now + 10, clock=clock, chance=0)

    for took in (0.5, 4.0, 4.9):
        clock.now += took
        assert attempts.after(REFUSED, may_repeat=False) == Again(0.0)
    clock.now += 0.55

    assert attempts.after(REFUSED, may_repeat=False) == Stop("too little time is left")


def test_a_wait_is_not_taken_for_the_time_of_an_attempt() -> None:
    clock = Clock()
    attempts = attempts_of(deadline=clock.now + 3.25, clock=clock)

    clock.now += 1.0
    assert attempts.after(REFUSED, may_repeat=False) == Again(0.5)
    clock.now += 0.5 + 0.25

    # 1.5 s are left for a second of waiting and an attempt of 0.25 s.
    assert attempts.after(REFUSED, may_repeat=False) == Again(1.0)


def test_a_wait_that_was_cut_short_makes_no_room_for_a_later_one() -> None:
    clock = Clock()
    attempts = attempts_of(deadline=clock.now + 3, clock=clock)

    for wait in (0.5, 1.0):
        assert attempts.after(REFUSED, may_repeat=False) == Again(wait)
    clock.now += 2.2

    assert attempts.after(REFUSED, may_repeat=False) == Stop("too little time is left")


def test_a_budget_is_not_drawn_on_for_a_retry_that_is_not_made() -> None:
    clock = Clock()
    budgets = Budgets.fresh(clock)

    for _ in range(1000):
        for attempts, one in (
            (attempts_of(budgets=budgets, clock=clock), MISSING),
            (attempts_of(budgets=budgets, clock=clock), LOST_AFTER_SENDING),
            (attempts_of(RetryPolicy.never(), budgets=budgets, clock=clock), REFUSED),
            (attempts_of(budgets=budgets, clock=clock, deadline=clock.now), REFUSED),
        ):
            assert isinstance(attempts.after(one, may_repeat=False), Stop)

    assert sum(budgets.connections.take() for _ in range(100)) == 10


@given(safe)
def test_a_retry_that_the_budget_does_not_pay_for_is_refused(one: Failure) -> None:
    step = attempts_of(budgets=empty()).after(one, may_repeat=False)

    trouble = "lost connections" if one.category is Category.CONNECTION else "conflicts"
    assert step == Stop(f"the pool's budget for retries after {trouble} is used up")


def test_the_loss_of_a_connection_with_nothing_on_the_wire_is_no_fault_of_the_query() -> None:
    attempts = attempts_of()

    for _ in range(5):
        step = attempts.after(REFUSED, may_repeat=False, is_mute_loss=True)
        assert isinstance(step, Again)


def test_a_third_try_of_what_ended_two_connections_without_a_word_is_refused() -> None:
    attempts = attempts_of()

    first = attempts.after(LOST_AFTER_SENDING, may_repeat=True, is_mute_loss=True)
    second = attempts.after(LOST_AFTER_SENDING, may_repeat=True, is_mute_loss=True)

    assert isinstance(first, Again)
    assert second == Stop("the query may be what ends the connection")
    assert attempts.count == 2


def test_the_recovery_of_the_server_in_between_does_not_clear_a_query_of_suspicion() -> None:
    attempts = attempts_of()

    attempts.after(LOST_IN_TRANSACTION, may_repeat=False, is_mute_loss=True)
    for _ in range(3):
        assert isinstance(attempts.after(REFUSED, may_repeat=False), Again)

    assert attempts.after(LOST_IN_TRANSACTION, may_repeat=False, is_mute_loss=True) == Stop(
        "the query may be what ends the connection"
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
        assert isinstance(step, Stop) == (in_a_row == 2)
        if isinstance(step, Stop):
            return


@given(st.integers(1, 5), st.integers(0, 3))
def test_what_is_repeated_by_choice_is_so_only_as_often_as_the_policy_says(
    repeats: int, conflicts: int
) -> None:
    attempts = attempts_of(RetryPolicy(100, also={"55P03"}, also_repeats=repeats))

    for _ in range(repeats):
        for _ in range(conflicts):
            assert isinstance(attempts.after(CONFLICT, may_repeat=False), Again)
        assert isinstance(attempts.after(LOCKED, may_repeat=False), Again)

    assert attempts.after(LOCKED, may_repeat=False) == Stop(
        "55P03 was repeated as often as the policy says"
    )


def test_a_conflict_that_is_also_chosen_is_repeated_as_often_as_any() -> None:
    attempts = attempts_of(RetryPolicy(6, also={"40001"}, also_repeats=1))

    for _ in range(5):
        assert isinstance(attempts.after(CONFLICT, may_repeat=False), Again)


@pytest.mark.parametrize("step", [0.0, -1.0, 1e12])
def test_a_clock_that_stands_still_or_jumps_breaks_nothing(step: float) -> None:
    clock = Clock()
    attempts = attempts_of(deadline=clock.now + 10, clock=clock)

    steps: list[Again | Stop] = []
    while not steps or isinstance(steps[-1], Again):
        clock.now += step
        steps.append(attempts.after(CONFLICT, may_repeat=False))

    assert len(steps) == (1 if step > 0 else 6)


def test_the_note_says_how_often_and_how_long_it_was_tried_and_why_no_more() -> None:
    clock = Clock()
    attempts = attempts_of(RetryPolicy(3), clock=clock, chance=0.6)

    while isinstance(step := attempts.after(REFUSED, may_repeat=False), Again):
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
    assert attempts.after(one, may_repeat=False) == Stop(None)
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

    step: Again | Stop = Again(0)
    for one, took in history:
        clock.now += took
        step = attempts.after(one, may_repeat=may_repeat)

    note = attempts.note()
    if isinstance(step, Stop):
        assert (step.reason or "") in (note or "")
        assert (note is None) == (step.reason is None)


def test_the_usual_chance_does_not_follow_from_the_seed_of_the_program() -> None:
    drawn = set()
    for _ in range(5):
        random.seed(7)
        step = Attempts(RetryPolicy(), endless(), None).after(REFUSED, may_repeat=False)
        assert isinstance(step, Again)
        assert 0 <= step.wait < 1
        drawn.add(step.wait)

    assert len(drawn) == 5

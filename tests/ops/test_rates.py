"""What figures of two moments say of the time between them, by laws."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.ops.activity.activity import Counted, Moment, Server, Session, moved
from raxol_sql.ops.activity.naming import Label
from raxol_sql.ops.activity.rates import rates

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def server_at(seconds: float, **counters: object) -> Server:
    """A server, so many seconds after now."""
    made = {
        "at": NOW + timedelta(seconds=seconds),
        "started_at": NOW - timedelta(days=3),
        "version": "18.6",
        "database": "raxol_dev",
        "is_standby": False,
        "behind": None,
        "standbys": 0,
        "connections": 12,
        "usable": 97,
        "application": "raxol_sql",
        "sees_all": True,
        "longest_text": 1024,
        "commits": 0,
        "rollbacks": 0,
        "blocks_hit": 0,
        "blocks_read": 0,
        "temp_bytes": 0,
        "deadlocks": 0,
        "counted_since": None,
        "statements_schema": None,
        "without_statements": None,
        **counters,
    }
    return Server(**made)  # type: ignore[arg-type]


def moment_at(seconds: float, **counters: object) -> Moment:
    return Moment(server_at(seconds, **counters), 1, NOW, (), (), ())


def test_figures_are_by_the_second_and_the_cache_of_the_interval_only() -> None:
    before = moment_at(0, commits=1000, blocks_hit=100, blocks_read=900, deadlocks=1)
    after = moment_at(
        4,
        commits=1101,
        rollbacks=8,
        blocks_hit=199,
        blocks_read=901,
        temp_bytes=4096,
        deadlocks=3,
    )
    done = rates(before, after)
    assert (done.seconds, done.commits, done.rollbacks, done.temp_bytes) == (4, 25, 2, 1024)
    assert (done.deadlocks, done.cache_hit) == (2, 0.99)
    assert (
        rates(
            before, moment_at(4, commits=1000, blocks_hit=100, blocks_read=900, deadlocks=1)
        ).cache_hit
        is None
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"started_at": NOW},
        {"commits": 4},
        {"deadlocks": 4},
        {"database": "other"},
        {"at": NOW},
        {"at": NOW - timedelta(hours=1)},
    ],
)
def test_nothing_is_known_where_the_counters_began_anew_in_between(changed: object) -> None:
    counters = {"commits": 5, "rollbacks": 5, "deadlocks": 5}
    before, after = moment_at(0, **counters), moment_at(2, **counters)
    assert rates(before, after).commits is not None
    after = attrs.evolve(after, server=attrs.evolve(after.server, **changed))  # type: ignore[arg-type]
    done = rates(before, after)
    assert (done.commits, done.rollbacks, done.deadlocks, done.cache_hit) == (None,) * 4
    assert done.queries == ()


counters = st.dictionaries(
    st.integers(-9, 9), st.tuples(st.integers(1, 9), st.floats(0, 9)), max_size=6
)


@given(counters, counters)
def test_what_moved_between_two_moments_and_what_was_before_are_what_is_now(
    old: dict[int, tuple[int, float]], added: dict[int, tuple[int, float]]
) -> None:
    before = {id: Counted(id, *cost) for id, cost in old.items()}
    after = dict(before)
    for id, (calls, ms) in added.items():
        was = before.get(id, Counted(id, 0, 0.0))
        after[id] = Counted(id, was.calls + calls, was.ms + ms)
    found = {one.id: (one.calls, one.ms) for one in moved(before, after)}
    assert found.keys() == added.keys()
    for id, (calls, ms) in added.items():
        assert found[id] == (calls, pytest.approx(ms))
    assert list(moved(after, after)) == []
    # After a reset there is only what came since.
    assert {one.id for one in moved({3: Counted(3, 10, 1.0)}, {3: Counted(3, 2, 0.5)})} == {3}


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=4), max_size=5))
def test_samples_give_the_average_number_of_sessions_at_each_query(
    seen: list[list[str]],
) -> None:
    running = Session(1, "", "", "", True, "active", None, 1.0, 1.0, Label("a"))
    before = moment_at(0, without_statements="no")
    after = attrs.evolve(moment_at(2, without_statements="no"), sessions=(running,))
    done = rates(before, after, [[Label(name) for name in labels] for labels in seen])
    assert sum(one.share for one in done.queries) == pytest.approx(1)
    for one in done.queries:
        count = sum(labels.count(one.label.text) for labels in seen) + (one.label.text == "a")
        assert one.running == pytest.approx(count / (len(seen) + 1))
    assert [one.share for one in done.queries] == sorted(
        (one.share for one in done.queries), reverse=True
    )

"""A server in recovery: reads of every kind work, and a write says at once that it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import raxol_sql as rx
from raxol_sql.testing import FaultProxy

if TYPE_CHECKING:
    from tests.engine.conftest import Play

ReadOnly = psycopg.errors.ReadOnlySqlTransaction


def events_of(db: Any) -> list[Any]:
    told: list[Any] = []
    db.subscribe(told.append)
    return told


@pytest.fixture
def caught_up(primary: Any, standby: Any) -> Any:
    """The standby, which has one note."""
    primary.ask("insert into server_notes values (1)")
    standby.catch_up()
    return standby


def test_reads_need_no_mark_on_a_standby(play: Play, q: Any, caught_up: Any) -> None:
    async def read(tx: Any) -> int:
        count: int = await tx.run(q.count())
        return count + await tx.run(q.count())

    async def story(db: Any) -> None:
        told = events_of(db)
        for outcome in ("xid", "marker", "none"):
            assert await db.run_transaction(read, commit_check=outcome) == 2
            assert await db.run(q.count(), commit_check=outcome) == 1
            multi = rx.Multi(commit_check=outcome).add("a", q.count()).add("b", q.all())
            assert await db.run(multi) == {"a": 1, "b": [1]}
        assert await db.run_many(q.count, [{}, {}]) == [1, 1]
        assert await db.run_all([q.count(), q.all()]) == [1, [1]]
        assert [row async for row in db.stream(q.all())] == [1]
        async with db.transaction(commit_check="xid") as tx:
            assert await read(tx) == 2
        assert {one.outcome for one in told} == {"ok"}
        assert {one.attempts for one in told} == {1}

    play(story, caught_up.conninfo())


def test_a_read_whose_commit_is_lost_on_a_standby_is_done_again(
    play: Play, q: Any, caught_up: Any
) -> None:
    async def read(tx: Any) -> int:
        count: int = await tx.run(q.count())
        return count

    async def story(db: Any) -> None:
        await db.run(q.count())
        fired = line.commit_answer_lost()
        assert await db.run_transaction(read) == 1
        assert fired.is_set()

    with FaultProxy(caught_up.conninfo()) as line:
        play(story, line.conninfo, retry_interval=0)


async def write_each_way(db: Any, q: Any) -> None:
    async def write(tx: Any) -> None:
        await tx.run(q.put(n=9))

    for attempt in (
        lambda: db.run(q.put(n=9)),
        lambda: db.run(q.put(n=9), commit_check="xid"),
        lambda: db.run(q.put(n=9), commit_check="marker"),
        lambda: db.run(rx.Multi().add("put", q.put(n=9))),
        lambda: db.run_many(q.put, [{"n": 9}]),
        lambda: db.run_transaction(write),
    ):
        with pytest.raises(ReadOnly):
            await attempt()


def test_where_one_host_is_configured_a_write_fails_without_waiting(
    play: Play, q: Any, caught_up: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(db: Any) -> None:
        await write_each_way(db, q)
        assert line.accepted < 20

    with FaultProxy(caught_up.conninfo()) as line:
        # A wait of that length before another attempt would end the test by its deadline.
        play(story, line.conninfo, retry_interval=60_000, retry_jitter=False, pool_size=1)


def test_the_error_says_that_the_only_host_is_a_standby(play: Play, q: Any, caught_up: Any) -> None:
    async def story(db: Any) -> None:
        with pytest.raises(ReadOnly) as caught:
            await db.run(q.put(n=9))
        assert any("only host that is configured" in note for note in caught.value.__notes__)

    play(story, caught_up.conninfo())


def test_a_begin_that_the_standby_refuses_is_the_error_of_the_transaction(
    play: Play, q: Any, caught_up: Any
) -> None:
    """It travels with the first statement, of which the server says nothing after that."""

    async def read(tx: Any) -> Any:
        return await tx.run(q.in_recovery())

    async def story(db: Any) -> None:
        for _ in range(2):
            with pytest.raises(psycopg.errors.FeatureNotSupported, match="read-write mode"):
                await db.run_transaction(read, read_only=False)
        assert await db.run_transaction(read, read_only=True)
        assert db.pool_status().in_use == 0

    play(story, caught_up.conninfo(), pool_size=1)


def test_with_several_hosts_a_write_is_done_again_at_another(
    play: Play, q: Any, primary: Any, caught_up: Any, notes: Any
) -> None:
    """The pool is at the standby, and the first host takes writes again by then."""

    async def write(tx: Any) -> None:
        await tx.run(q.put(n=3))

    async def story(db: Any) -> None:
        assert await db.run(q.in_recovery())
        first.heal()
        assert await db.run(q.put(n=2)) == 1
        await db.run_transaction(write)

    with FaultProxy(primary.conninfo()) as first, FaultProxy(caught_up.conninfo()) as second:
        first.refuse()
        both = make_conninfo(
            first.conninfo,
            host="127.0.0.1,127.0.0.1",
            hostaddr="",
            port=f"{first.port},{second.port}",
        )
        play(story, both, retry_interval=10, pool_size=2)
    assert notes() == [1, 2, 3]


def test_behind_one_address_the_server_that_takes_writes_by_then_is_found(
    play: Play, q: Any, primary: Any, caught_up: Any, notes: Any
) -> None:
    async def story(db: Any) -> None:
        assert await db.run(q.in_recovery())
        line.redirect(primary.conninfo())
        assert await db.run(q.put(n=2)) == 1

    with FaultProxy(caught_up.conninfo()) as line:
        play(story, line.conninfo, pool_size=2)
    assert notes() == [1, 2]


def test_a_promoted_standby_is_written_again_with_a_marker(
    play: Play, q: Any, primary: Any
) -> None:
    """Connections that were made before the promotion learn of it by themselves."""

    async def write(tx: Any) -> None:
        await tx.run(q.put(n=5))

    async def story(db: Any) -> None:
        assert await db.run(q.in_recovery())
        own.promote()
        await db.run_transaction(write)
        line.commit_answer_lost()
        await db.run_transaction(write)
        assert await db.run(q.all()) == [5, 5]

    with primary.standby() as own, FaultProxy(own.conninfo()) as line:
        play(story, line.conninfo, pool_size=1)


def test_with_several_hosts_another_one_is_tried_more_than_once(
    play: Play, q: Any, caught_up: Any
) -> None:
    """As in a failover: of both, none takes writes at first."""

    async def story(db: Any) -> None:
        with pytest.raises(ReadOnly) as caught:
            await db.run(q.put(n=9))
        assert any("after 3 attempts" in note for note in caught.value.__notes__)

    with FaultProxy(caught_up.conninfo()) as first, FaultProxy(caught_up.conninfo()) as second:
        ports = f"{first.port},{second.port}"
        both = make_conninfo(first.conninfo, host="127.0.0.1,127.0.0.1", hostaddr="", port=ports)
        play(story, both, retry_interval=10, max_retries=2, pool_size=1)

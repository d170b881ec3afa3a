"""Connections that end while nobody uses them: the next call does not notice."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from raxol_sql.testing import FaultProxy, to_server

if TYPE_CHECKING:
    from tests.engine.conftest import Play


# Where most of the time is spent waiting, the other colour does so in the deep run only.
mostly_asyncio = pytest.mark.parametrize(
    "play", ["asyncio", pytest.param("blocking", marks=pytest.mark.deep)], indirect=True
)


async def hold_all(db: Any, begin: Any, soon: Any, q: Any, backends: Any, size: int) -> None:
    """Has the pool make all of its connections, and gives them back."""
    calls = [begin(db.run, q.nap(n=n, seconds=0.1)) for n in range(size)]
    assert [await call for call in calls] == list(range(size))
    await soon(lambda: len(backends()) == size)


def test_eight_dead_connections_cost_the_next_call_less_than_50_ms(
    play: Play, q: Any, begin: Any, soon: Any, backends: Any, end_all: Any, watch: Any
) -> None:
    took = []

    async def story(db: Any) -> None:
        await hold_all(db, begin, soon, q, backends, 8)
        # The quickest of some: what else the machine does is no part of the promise.
        for _ in range(12):
            assert len(end_all()) >= 1
            with watch.at_most(5):
                assert await db.run(q.echo(n=7)) == 7
            took.append(watch.took - watch.allowance)
            await soon(lambda: len(backends()) >= 8)
            if took[-1] < 0.05:
                break

    play(story, pool_size=8, pool_min_size=8)
    assert min(took) < 0.05


def test_a_connection_that_the_server_ended_fails_no_write_and_writes_once(
    play: Play, q: Any, notes: Any, end_all: Any
) -> None:
    async def story(db: Any) -> None:
        for n in range(5):
            assert await db.run(q.put(n=n)) == 1
            end_all()
        async with db.transaction() as tx:
            await tx.run(q.put(n=5))

    play(story, pool_size=2)
    assert notes() == [0, 1, 2, 3, 4, 5]


def test_a_session_that_the_server_ended_for_idling_fails_no_write(
    play: Play, q: Any, notes: Any, soon: Any, backends: Any, watch: Any
) -> None:
    async def story(db: Any) -> None:
        assert await db.run(q.put(n=1)) == 1
        await soon(lambda: not backends())
        with watch.at_most(1):
            assert await db.run(q.put(n=2)) == 1

    play(story, play.conninfo + " options='-c idle_session_timeout=150'", pool_min_size=1)
    assert notes() == [1, 2]


def test_a_connection_that_was_reset_fails_no_write(
    play: Play, q: Any, notes: Any, soon: Any, proxy: FaultProxy
) -> None:
    async def story(db: Any) -> None:
        assert await db.run(q.put(n=1)) == 1
        proxy.reset()
        await soon(lambda: proxy.connections == 0)
        assert await db.run(q.put(n=2)) == 1

    play(story, proxy.conninfo, pool_size=4)
    assert notes() == [1, 2]


@mostly_asyncio
def test_a_peer_that_vanished_while_idle_is_found_out_before_anything_is_sent(
    play: Play, q: Any, notes: Any, proxy: FaultProxy, watch: Any
) -> None:
    async def story(db: Any) -> None:
        assert await db.run(q.put(n=1)) == 1
        # The line stands, and nobody is at its other end: no system knows that yet.
        frozen = proxy.cut_at(to_server(b"Q"), how="freeze")
        time.sleep(0.2)  # idle for longer than idle_timeout, after which it is asked first
        with watch.at_most(3):
            assert await db.run(q.put(n=2)) == 1
        assert frozen.wait(1)

    play(story, proxy.conninfo, pool_size=1, pool_min_size=1, idle_timeout=100)
    assert notes() == [1, 2]


def test_the_call_after_all_connections_died_has_the_pool_at_its_size_again(
    play: Play, q: Any, begin: Any, soon: Any, backends: Any, end_all: Any
) -> None:
    async def story(db: Any) -> None:
        await hold_all(db, begin, soon, q, backends, 4)
        before = end_all()
        await hold_all(db, begin, soon, q, backends, 4)
        assert not {*before} & {*backends()}

    play(story, pool_size=4, pool_min_size=4)


def test_a_dead_connection_is_no_leak(
    play: Play, q: Any, end_all: Any, backends: Any, until: Any
) -> None:
    async def story(db: Any) -> None:
        for n in range(20):
            end_all()
            assert await db.run(q.echo(n=n)) == n
            assert len(backends()) <= 3

    play(story, pool_size=3)
    until(lambda: not backends())

"""A server that is away for a while: callers wait for it, and go on the moment it is back."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import psycopg
import psycopg_pool
import pytest

import raxol_sql as rx
from raxol_sql.failures import Category, Phase, Verdict, classify
from raxol_sql.testing import FaultProxy, to_server

if TYPE_CHECKING:
    from tests.engine.conftest import Play


# Where most of the time is spent waiting, the other colour does so in the deep run only.
mostly_blocking = pytest.mark.parametrize(
    "play", ["blocking", pytest.param("asyncio", marks=pytest.mark.deep)], indirect=True
)


async def after_outage(db: Any, q: Any, begin: Any, proxy: FaultProxy, seconds: float) -> float:
    """How long the first of eight callers is served after an outage that began before them."""
    proxy.refuse()
    proxy.reset()
    served = []

    async def call(n: int) -> int:
        found: int = await db.run(q.echo(n=n))
        served.append(time.monotonic())
        return found

    calls = [begin(call, n) for n in range(8)]
    await asyncio.sleep(seconds)
    assert not served
    proxy.heal()
    back = time.monotonic()
    assert [await each for each in calls] == list(range(8))
    return min(served) - back


@mostly_blocking
def test_the_first_caller_is_served_within_a_second_after_an_outage_of_3_s(
    play: Play, q: Any, begin: Any, proxy: FaultProxy, backends: Any, until: Any
) -> None:
    async def story(db: Any) -> None:
        assert await after_outage(db, q, begin, proxy, 3) < 1

    play(story, proxy.conninfo, pool_size=4, pool_min_size=4)
    until(lambda: not backends())


@pytest.mark.deep
def test_the_first_caller_is_served_within_a_second_after_an_outage_of_20_s(
    play: Play, q: Any, begin: Any, proxy: FaultProxy
) -> None:
    async def story(db: Any) -> None:
        assert await after_outage(db, q, begin, proxy, 20) < 1

    play(story, proxy.conninfo, pool_size=4, pool_min_size=4, timeout=30_000)


@mostly_blocking
def test_a_call_after_an_outage_in_which_others_failed_finds_no_old_trouble(
    play: Play, q: Any, begin: Any, proxy: FaultProxy, watch: Any
) -> None:
    async def story(db: Any) -> None:
        proxy.refuse()
        proxy.reset()
        calls = [begin(db.run, q.echo(n=n)) for n in range(6)]
        for call in calls:
            with pytest.raises(psycopg.OperationalError, match="refused") as caught:
                await call
            failure = classify(caught.value, Phase.ACQUIRE)
            assert (failure.category, failure.verdict) == (Category.CONNECTION, Verdict.ACQUIRE)
            assert any("no connection was established within " in note for note in notes_of(caught))
        await asyncio.sleep(0.6)  # longer than the longest pause between two attempts
        proxy.heal()
        # a pause, and a moment
        with watch.at_most(0.8):
            assert await db.run(q.echo(n=7)) == 7

    play(story, proxy.conninfo, pool_size=4, pool_min_size=4, timeout=1200)


def notes_of(caught: Any) -> list[str]:
    return getattr(caught.value, "__notes__", [])


def test_a_restart_under_load_is_no_error_to_anybody_and_writes_everything_once(
    play: Play, q: Any, begin: Any, spare: Any, soon: Any
) -> None:
    written: list[int] = []
    stamps: list[float] = []
    over = threading.Event()

    async def work(db: Any, worker: int) -> None:
        turn = 0
        while not over.is_set():
            n = worker * 1_000_000 + turn

            async def put(tx: Any, n: int = n) -> None:
                await tx.run(q.put(n=n))

            await db.run_transaction(put)
            written.append(n)
            stamps.append(time.monotonic())
            await db.run(q.count())
            turn += 1

    async def story(db: Any) -> None:
        workers = [begin(work, db, worker) for worker in range(8)]
        await soon(lambda: len(stamps) > 50)
        spare.stop()
        await asyncio.sleep(0.4)
        spare.start()
        back = time.monotonic()
        await soon(lambda: stamps[-1] > back)
        assert min(stamp for stamp in stamps if stamp > back) - back < 1
        before = len(stamps)
        await soon(lambda: len(stamps) > before + 50)
        over.set()
        await asyncio.gather(*workers)

    try:
        play(story, spare.conninfo, pool_size=6)
    finally:
        over.set()
    assert [n for (n,) in spare.side("select n from pool_notes order by n")] == sorted(written)


def test_a_server_that_crashed_and_recovers_is_waited_for(play: Play, q: Any, spare: Any) -> None:
    async def story(db: Any) -> None:
        assert await db.run(q.put(n=1)) == 1
        spare.kill()
        back = threading.Timer(0.3, spare.start)
        back.start()
        try:
            assert await db.run(q.put(n=2)) == 1
        finally:
            back.join()

    play(story, spare.conninfo, pool_size=2)
    assert spare.side("select n from pool_notes order by n") == [(1,), (2,)]


def late(error: BaseException) -> None:
    """That an error says that there was no connection, and not that the pool is too small."""
    assert isinstance(error, psycopg.errors.ConnectionTimeout)
    assert not isinstance(error, psycopg_pool.PoolTimeout)
    assert "the server has not responded yet" in str(error)
    failure = classify(error, Phase.ACQUIRE)
    assert (failure.category, failure.verdict) == (Category.CONNECTION, Verdict.ACQUIRE)


@mostly_blocking
def test_a_frozen_server_holds_nobody_for_longer_than_their_time(
    play: Play, q: Any, spare: Any, watch: Any
) -> None:
    async def story(db: Any) -> None:
        async with db.transaction() as tx:
            with spare.frozen():
                with (
                    watch.at_most(1.5, at_least=0.4),
                    pytest.raises(psycopg.OperationalError) as caught,
                ):
                    await db.run(q.echo(n=1))
                late(caught.value)
                # What is connected already goes on.
                assert await tx.run(q.echo(n=2)) == 2
        assert await db.run(q.echo(n=3)) == 3

    play(story, spare.conninfo, pool_size=2, pool_min_size=1, timeout=500)


@mostly_blocking
def test_a_server_that_accepts_and_says_nothing_holds_nobody_for_longer_than_their_time(
    play: Play, q: Any, begin: Any, proxy: FaultProxy, watch: Any
) -> None:
    async def story(db: Any) -> None:
        proxy.accept_and_be_silent()
        proxy.reset()
        before = proxy.accepted
        with watch.at_most(1.5, at_least=0.4):
            calls = [begin(db.run, q.echo(n=n)) for n in range(10)]
            for error in await asyncio.gather(*calls, return_exceptions=True):
                assert isinstance(error, BaseException)
                late(error)
        assert proxy.accepted - before <= 6
        proxy.heal()
        with watch.at_most(1):
            assert await db.run(q.echo(n=7)) == 7

    play(story, proxy.conninfo, pool_size=4, timeout=500)


def test_to_open_at_a_server_that_says_nothing_ends_by_itself(door: Any, watch: Any) -> None:
    door.answer = None
    with watch.at_most(4), pytest.raises(psycopg.errors.ConnectionTimeout) as caught:
        rx.Database.open(door.conninfo, timeout=1000)
    assert classify(caught.value, Phase.ACQUIRE).verdict is Verdict.ACQUIRE


def test_to_close_ends_at_once_while_the_server_says_nothing(
    play: Play, q: Any, begin: Any, proxy: FaultProxy, watch: Any
) -> None:
    async def story(db: Any) -> None:
        proxy.accept_and_be_silent()
        proxy.reset()
        calls = [begin(db.run, q.echo(n=n)) for n in range(4)]
        await asyncio.sleep(0.2)
        with watch.at_most(2):
            await db.close()
            for error in await asyncio.gather(*calls, return_exceptions=True):
                assert isinstance(error, psycopg_pool.PoolClosed)

    play(story, proxy.conninfo, pool_size=4, timeout=10_000)


@mostly_blocking
def test_a_server_that_lets_in_and_then_says_nothing_does_not_stop_the_pool_for_good(
    play: Play, q: Any, proxy: FaultProxy, watch: Any
) -> None:
    async def story(db: Any) -> None:
        # Where the pool asks for the first time what server it has got to.
        proxy.cut_at(to_server(b"Q"), how="freeze")
        proxy.reset()
        with watch.at_most(3), pytest.raises(psycopg.OperationalError) as caught:
            await db.run(q.echo(n=1))
        assert classify(caught.value, Phase.ACQUIRE).verdict is Verdict.ACQUIRE
        assert await db.run(q.echo(n=2)) == 2

    play(story, proxy.conninfo, pool_size=1, pool_min_size=1, timeout=1500)


@mostly_blocking
def test_a_hundred_callers_in_an_outage_make_a_few_attempts_together(
    play: Play, q: Any, begin: Any, proxy: FaultProxy, door: Any, watch: Any
) -> None:
    async def story(db: Any) -> None:
        proxy.redirect(door.conninfo)
        proxy.reset()
        calls = [begin(db.run, q.echo(n=n)) for n in range(100)]
        with watch.at_most(4):
            errors = await asyncio.gather(*calls, return_exceptions=True)
        # All of them are told what was wrong, be it that no attempt was made for them.
        assert {str(error)[:60] for error in errors} == {str(errors[0])[:60]}
        assert "server closed the connection" in str(errors[0])
        # One after another, with pauses of a quarter of a second on average after the first few.
        assert 2 <= len(door.came) <= 20

    play(story, proxy.conninfo, pool_size=10, timeout=600)


def test_many_pools_in_an_outage_do_not_come_all_at_once(
    accounts_database: str, q: Any, door: Any
) -> None:
    """Twenty pools, each as one process has it, lose their server in the same moment."""
    # A machine that stalls for a moment brings them together once; a herd would come each time.
    for is_last in (False, False, True):
        bins = attempts_of(20, accounts_database, q, door)
        if max(bins) <= 15 or is_last:
            break
    # A pause of up to half a second has a mean of a quarter: four attempts a second for a pool.
    assert 24 <= sum(bins) <= 120, bins
    assert max(bins) <= 15, bins
    assert statistics.median(bins) >= 1, bins
    assert sum(count > 0 for count in bins) >= 12, bins


def attempts_of(pools: int, conninfo: str, q: Any, door: Any) -> list[int]:
    """How often they try to connect in each twentieth of the second from 0.6 s after the loss."""

    def call(db: rx.Database) -> None:
        with pytest.raises(psycopg.OperationalError):
            db.run(q.echo(n=1))

    with FaultProxy(conninfo) as proxy, ExitStack() as stack:
        databases = [
            stack.enter_context(
                rx.Database.open(proxy.conninfo, pool_size=1, pool_min_size=1, timeout=1600)
            )
            for _ in range(pools)
        ]
        proxy.redirect(door.conninfo)
        proxy.reset()
        since = time.monotonic()
        threads = [threading.Thread(target=call, args=(db,)) for db in databases]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    grown = [moment - since for moment in door.came if 0.6 <= moment - since < 1.6]
    return [sum(int(moment * 20) == bin for moment in grown) for bin in range(12, 32)]


def test_pools_of_processes_that_were_forked_from_one_do_not_come_in_step(
    program: Any, accounts_database: str, door: Any
) -> None:
    """Random numbers that a fork copies would have all children make their attempts together."""
    text = """\
        import random
        from raxol_sql.testing import FaultProxy
        random.seed(1)
        with FaultProxy(sys.argv[1]) as proxy:
            db = rx.Database.open(proxy.conninfo, pool_size=1, pool_min_size=1, timeout=1500)
            ready = os.pipe()
            children = []
            for _ in range(4):
                pid = os.fork()
                if not pid:
                    assert db.run(q.echo(n=1)) == 1
                    os.write(ready[1], b".")
                    try:
                        while True:
                            db.run(q.me())
                    except psycopg.OperationalError:
                        os._exit(0)
                children.append(pid)
            for _ in children:
                os.read(ready[0], 1)
            proxy.redirect(sys.argv[2])
            proxy.reset()
            print([os.waitpid(pid, 0)[1] for pid in children])
        db.close()
    """
    assert program(text, accounts_database, door.conninfo) == ["[0, 0, 0, 0]"]
    grown = sorted(moment for moment in door.came if moment - door.came[0] > 0.4)
    assert len(grown) >= 6
    # In step, three of four would come within a few milliseconds of the one before.
    together = sum(b - a < 0.004 for a, b in itertools.pairwise(grown))
    assert together <= len(grown) / 2

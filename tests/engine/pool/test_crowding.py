"""More callers than connections: they are served in turn, or told who holds what they want."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import psycopg_pool
import pytest

import raxol_sql as rx
from raxol_sql.failures import Category, Phase, Verdict, classify

if TYPE_CHECKING:
    from tests.engine.conftest import Play


# Where most of the time is spent waiting, the other colour does so in the deep run only.
mostly_asyncio = pytest.mark.parametrize(
    "play", ["asyncio", pytest.param("blocking", marks=pytest.mark.deep)], indirect=True
)


def test_a_hundred_callers_of_two_connections_are_all_served(
    play: Play, q: Any, begin: Any, backends: Any
) -> None:
    order: list[int] = []

    async def call(db: Any, n: int) -> None:
        assert await db.run(q.nap(n=n, seconds=0.005)) == n
        order.append(n)

    async def story(db: Any) -> None:
        calls = [begin(call, db, n) for n in range(100)]
        await asyncio.gather(*calls)
        assert len(backends()) <= 2

    play(story, pool_size=2)
    assert sorted(order) == [*range(100)]
    if play.colour == "asyncio":
        # First come, first served; threads come in an order of their own.
        assert all(abs(place - n) <= 4 for place, n in enumerate(order))


def test_none_waits_longer_than_their_own_time_and_the_pool_works_on(
    play: Play, q: Any, begin: Any, backends: Any, watch: Any
) -> None:
    async def story(db: Any) -> None:
        async with AsyncExitStack() as held:
            for _ in range(2):
                tx = await held.enter_async_context(db.transaction())
                await tx.run(q.echo(n=1))
            with watch.at_most(2, at_least=0.3):
                errors = await asyncio.gather(
                    *(begin(db.run, q.echo(n=n)) for n in range(50)), return_exceptions=True
                )
            for error in errors:
                assert isinstance(error, rx.PoolExhaustedError)
                assert isinstance(error, psycopg_pool.PoolTimeout)
                failure = classify(error, Phase.ACQUIRE)
                assert (failure.category, failure.verdict) == (Category.POOL, Verdict.NEVER)
        calls = [begin(db.run, q.echo(n=n)) for n in range(50)]
        assert await asyncio.gather(*calls) == [*range(50)]
        assert len(backends()) <= 2

    play(story, pool_size=2, timeout=400)


def test_who_finds_no_connection_is_told_who_holds_them_and_what_helps(
    play: Play, q: Any, begin: Any, soon: Any
) -> None:
    async def hold(db: Any, over: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(q.echo(n=1))
            running.append(1)
            while not over.is_set():
                await pause()

    async def pause() -> None:
        if play.colour == "asyncio":
            await asyncio.sleep(0.01)
        else:
            time.sleep(0.01)

    running: list[int] = []
    over = threading.Event()

    async def story(db: Any) -> None:
        holder = begin(hold, db, over)
        busy = begin(db.run, q.doze(n=1, seconds=0.8))
        await soon(lambda: running)
        await asyncio.sleep(0.1)
        with pytest.raises(rx.PoolExhaustedError) as caught:
            await db.run(q.echo(n=2))
        over.set()
        await holder
        await busy
        told = str(caught.value)
        who = "task Task-" if play.colour == "asyncio" else "thread caller_"
        assert "no connection became free in 0." in told
        assert "2 of 2 (pool_size) are in use, and 1 waits for one" in told
        assert re.search(rf"    a transaction begun at \S+\.py:\d+, \d\.\d s, {who}", told)
        assert re.search(rf"    q\.doze, \d\.\d s, {who}", told)
        for remedy in ("(1) release connections", "(2) raise pool_size", "(3) raise the timeout"):
            assert remedy in told
        assert "(4) run fewer calls at a time" in told
        assert caught.value.__notes__[0].startswith("in query q.echo (")

    try:
        play(story, pool_size=2, timeout=400)
    finally:
        over.set()


@mostly_asyncio
def test_who_holds_all_connections_and_asks_for_another_is_told_so_at_once(
    play: Play, q: Any, watch: Any
) -> None:
    async def story(db: Any) -> None:
        async with db.transaction() as tx:
            with watch.at_most(2):
                with pytest.raises(rx.PoolExhaustedError, match="already holds every connection"):
                    await db.run(q.echo(n=1))
                with pytest.raises(rx.PoolExhaustedError, match="already holds every connection"):
                    async with db.transaction():
                        pass
            assert await tx.run(q.echo(n=2)) == 2
        assert await db.run(q.echo(n=3)) == 3

    play(story, pool_size=1, timeout=20_000)
    play(story, pool_size=1, timeout=0)


@mostly_asyncio
def test_a_connection_that_is_held_for_long_is_warned_of_once_with_its_place(
    play: Play, q: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "raxol_sql.pool")

    def warnings() -> list[str]:
        return [one.getMessage() for one in caplog.records if one.name == "raxol_sql.pool"]

    async def story(db: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(q.echo(n=1))
            await asyncio.sleep(0.15)
            assert not warnings()  # nobody misses it yet
            for _ in range(2):
                with pytest.raises(rx.PoolExhaustedError):
                    await db.run(q.echo(n=2))
        (warning,) = warnings()
        assert re.search(r"leak: a transaction begun at \S+\.py:\d+, \d\.\d s, t", warning)

    play(story, pool_size=1, leak_after=100)


def test_a_connection_that_is_still_held_at_the_end_is_warned_of(
    play: Play, q: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "raxol_sql.pool")

    async def story(db: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(q.echo(n=1))
            await asyncio.sleep(0.1)
            await db.close()
            (told,) = [one.getMessage() for one in caplog.records if one.name == "raxol_sql.pool"]
            assert "possible connection leak: a transaction begun at " in told

    play(story, pool_size=2, leak_after=50)


def test_whoever_waits_when_the_database_closes_is_told_that_it_closed(
    play: Play, q: Any, begin: Any, backends: Any, until: Any, watch: Any
) -> None:
    async def story(db: Any) -> None:
        async with db.transaction() as tx:
            calls = [begin(db.run, q.echo(n=n)) for n in range(5)]
            await asyncio.sleep(0.2)
            with watch.at_most(1):
                await db.close()
                for error in await asyncio.gather(*calls, return_exceptions=True):
                    assert isinstance(error, psycopg_pool.PoolClosed)
            assert await tx.run(q.echo(n=6)) == 6

    play(story, pool_size=1)
    until(lambda: not backends())


def test_a_pool_that_is_drained_has_all_its_connections_made_anew(
    play: Play, q: Any, begin: Any, backends: Any, soon: Any
) -> None:
    async def story(db: Any) -> None:
        calls = [begin(db.run, q.nap(n=n, seconds=0.1)) for n in range(4)]
        await asyncio.gather(*calls)
        async with db.transaction() as tx:
            used = await tx.run(q.me())
            before = {*backends()}
            assert len(before) == 4
            await getattr(db, "verbs", db)._pool.drain()
            await soon(lambda: before & {*backends()} == {used})
            assert await tx.run(q.me()) == used
        await soon(lambda: used not in backends())
        for n in range(8):
            assert await db.run(q.echo(n=n)) == n
        assert not before & {*backends()}
        assert len(backends()) <= 4

    play(story, pool_size=4, pool_min_size=4)


def test_a_caller_who_gives_up_while_waiting_takes_no_connection_along(
    q: Any, accounts_database: str, backends: Any, until: Any, watch: Any
) -> None:
    """Cancelled at any moment: before, while and after a connection is handed over."""

    async def story() -> None:
        async with rx.AsyncDatabase.open(accounts_database, pool_size=2, pool_min_size=1) as db:
            for turn in range(60):
                calls = [asyncio.create_task(db.run(q.echo(n=n))) for n in range(6)]
                for _ in range(turn % 20):
                    await asyncio.sleep(0)
                for call in calls[turn % 3 :: 2]:
                    call.cancel()
                for n, found in enumerate(await asyncio.gather(*calls, return_exceptions=True)):
                    assert found == n or isinstance(found, asyncio.CancelledError)
            with watch.at_most(2):
                assert await asyncio.gather(*(db.run(q.echo(n=n)) for n in range(20))) == [
                    *range(20)
                ]
            assert len(backends()) <= 2

    asyncio.run(story())
    until(lambda: not backends())


def test_a_pool_that_is_asked_how_it_is_takes_no_connection_from_a_call_of_another_thread(
    program: Any, accounts_database: str
) -> None:
    """It looks for connections whose call has ended, while others use and return theirs."""
    text = """\
        lines = []
        handler = logging.Handler()
        handler.emit = lambda record: lines.append(record.getMessage())
        logging.getLogger("raxol_sql.pool").addHandler(handler)
        sys.setswitchinterval(1e-5)
        db = rx.Database.open(sys.argv[1], pool_size=4, pool_min_size=2)
        over, counts, errors = threading.Event(), [], []

        def work(worker):
            done = 0
            while not over.is_set():
                n = worker * 1_000_000 + done
                try:
                    if done % 3 == 0:
                        with db.transaction() as tx:
                            assert tx.run(q.echo(n=n)) == n
                    assert db.run(q.echo(n=n)) == n
                except Exception as error:
                    errors.append(error)
                done += 1
            counts.append(done)

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(6)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + 4
        while time.monotonic() < end:
            db.pool_status()
        over.set()
        for thread in threads:
            thread.join()
        print(errors, lines, db.pool_status().lost, min(counts) > 0)
        db.close()
    """
    assert program(text, accounts_database) == ["[] [] 0 True"]


def test_a_connection_on_its_way_to_a_caller_is_none_that_the_caller_holds(
    accounts_database: str, q: Any
) -> None:
    """Who holds all of them is told so at once; who is about to get one is served."""
    with rx.Database.open(accounts_database, pool_size=1) as db, db.transaction() as tx:
        assert tx.run(q.echo(n=1)) == 1
        pool = db._pool
        assert pool._keeper is not None
        checkouts, holds = pool._keeper.checkouts, pool._colour.holds
        (session,) = checkouts.checked_out()
        held, waiting = session.holding, ("q.echo", time.monotonic(), threading.get_ident())
        assert checkouts.are_of(waiting, holds)
        session.holding = waiting
        assert not checkouts.are_of(waiting, holds)
        session.holding = held

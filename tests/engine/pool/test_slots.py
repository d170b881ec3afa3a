"""A connection comes back to the pool whatever happens to the caller who had it."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.engine.conftest import Play

SIZE = 3


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Has nothing collected but what is no longer referenced."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def is_whole(q: Any) -> Callable[..., Any]:
    """Checks that all connections of a database can be used at the same time, and come back."""

    async def check(db: Any, size: int = SIZE) -> None:
        async with AsyncExitStack() as stack:
            blocks = [await stack.enter_async_context(db.transaction()) for _ in range(size)]
            pids = {await tx.run(q.me()) for tx in blocks}
        assert len(pids) == size
        status = db.pool_status()
        assert (status.in_use, status.waiting, status.available) == (0, 0, size)

    return check


def keeper_of(db: Any) -> Any:
    return getattr(db, "verbs", db)._pool._keeper


async def begun(db: Any) -> Any:
    """A transaction of either colour that was entered, and whose end is left to the caller."""
    if hasattr(db, "verbs"):
        return db.verbs.transaction().__enter__()
    return await db.transaction().__aenter__()


async def run_in(tx: Any, bound: Any) -> Any:
    found = tx.run(bound)
    return await found if asyncio.iscoroutine(found) else found


@pytest.mark.parametrize("is_used", [True, False], ids=["used", "unused"])
def test_a_transaction_that_is_dropped_without_an_end_is_rolled_back_replaced_and_logged(
    play: Play,
    q: Any,
    is_used: bool,
    notes: Any,
    is_whole: Any,
    no_collector: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story(db: Any) -> None:
        for _ in range(SIZE + 1):
            tx = await begun(db)
            if is_used:
                await run_in(tx, q.put(n=1))
            del tx
        await is_whole(db)

    with caplog.at_level(logging.WARNING, "raxol_sql.pool"):
        play(story, pool_size=SIZE, timeout=5000)
    told = [record.getMessage() for record in caplog.records if record.name == "raxol_sql.pool"]
    assert len([line for line in told if "begun at test_slots.py:" in line]) == SIZE + 1
    assert notes() == []


def test_a_transaction_that_is_dropped_after_an_error_is_found_before_a_caller_is_refused(
    play: Play, q: Any, write: Any, is_whole: Any, no_collector: None
) -> None:
    bad = write("-- name: bad :one -> scalar\nselect 1 / :x::int;").bad

    async def fail(db: Any) -> None:
        tx = await begun(db)
        with suppress(psycopg.Error):
            await run_in(tx, bad(x=0))

    async def story(db: Any) -> None:
        for _ in range(SIZE):
            await fail(db)
        assert await db.run(q.echo(n=1)) == 1
        await is_whole(db)

    play(story, pool_size=SIZE, timeout=8000)


class Interrupted(Exception):  # noqa: N818 (it is no error)
    """What a signal handler raises."""


async def interrupt(session: Any) -> None:
    """An interruption that comes before anything of a release is done."""
    raise Interrupted


def test_what_a_kept_exception_still_references_comes_back_all_the_same(
    q: Any, is_whole: Any, monkeypatch: pytest.MonkeyPatch, accounts_database: str
) -> None:
    kept: list[BaseException] = []
    with rx.Database.open(accounts_database, pool_size=SIZE, timeout=5000) as db:
        for _ in range(SIZE):
            with monkeypatch.context() as patch:
                patch.setattr(db._pool, "release", interrupt)
                with pytest.raises(Interrupted) as caught:
                    db.run(q.echo(n=1))
            kept.append(caught.value)
        assert db.pool_status().in_use == 0
        assert [db.run(q.echo(n=n)) for n in range(SIZE)] == [*range(SIZE)]
        assert db.pool_status().in_use == 0
    assert len(kept) == SIZE


def test_a_thread_that_goes_on_working_does_not_keep_what_it_has_lost(
    accounts_database: str, q: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[BaseException] = []
    with rx.Database.open(accounts_database, pool_size=1, timeout=8000) as db:

        def work() -> None:
            with monkeypatch.context() as patch:
                patch.setattr(db._pool, "release", interrupt)
                with pytest.raises(Interrupted) as caught:
                    db.run(q.echo(n=1))
            kept.append(caught.value)
            found.append(db.run(q.echo(n=2)))

        found: list[int] = []
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(20)
        assert found == [2]


def test_a_count_that_psycopg_pool_has_lost_is_noticed_repaired_and_logged_once(
    play: Play, q: Any, is_whole: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(db: Any) -> None:
        keeper = keeper_of(db)
        await is_whole(db)
        await db.recycle()
        # Behind our back, and never given back: as a cancelled getconn() would leave it.
        lost = [await keeper._colour.wait(keeper._pool.getconn(5)) for _ in range(SIZE)]
        assert await db.run(q.echo(n=1)) == 1
        await is_whole(db)
        for connection in lost:
            await keeper._colour.wait(connection.close())

    with caplog.at_level(logging.WARNING, "raxol_sql.pool"):
        play(story, pool_size=SIZE, timeout=10_000)
    assert sum("replaced its pool" in record.getMessage() for record in caplog.records) == 1


# In some of these moments the pool connects, in others all calls run.
@pytest.mark.parametrize("moment", [0.0, 0.001, 0.003, 0.01, 0.03, 0.1])
def test_a_program_that_cancels_every_task_of_its_loop_can_go_on(
    accounts_database: str, q: Any, moment: float
) -> None:
    async def story() -> None:
        async with rx.AsyncDatabase.open(accounts_database, pool_size=SIZE, timeout=10_000) as db:
            calls = [asyncio.create_task(db.run(q.nap(n=n, seconds=5))) for n in range(9)]
            await asyncio.sleep(moment)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            _, going_on = await asyncio.wait(others, timeout=10)
            assert not going_on
            assert all(call.cancelled() for call in calls)
            assert await db.run(q.echo(n=1)) == 1
            # The pool replaces what it had made, which leaves it when a caller returns it.
            async with AsyncExitStack() as stack:
                for _ in range(SIZE):
                    await stack.enter_async_context(db.transaction())
            status = db.pool_status()
            assert (status.in_use, status.waiting) == (0, 0)

    asyncio.run(story())


@pytest.mark.parametrize("moment", [0.0, 0.001, 0.003, 0.01])
def test_a_loop_that_ends_while_the_pool_connects_ends_at_once(
    accounts_database: str, q: Any, watch: Any, moment: float
) -> None:
    async def story() -> None:
        db = rx.AsyncDatabase.open(accounts_database, pool_size=SIZE)
        await db.__aenter__()
        calls = [asyncio.create_task(db.run(q.nap(n=n, seconds=5))) for n in range(9)]
        await asyncio.sleep(moment)
        assert not any(call.done() for call in calls)

    with watch.at_most(4):
        asyncio.run(story())


def test_a_database_that_is_dropped_without_being_closed_leaves_no_connection(
    accounts_database: str, q: Any, backends: Any, until: Any
) -> None:
    db = rx.Database.open(accounts_database, pool_size=SIZE)
    assert db.run(q.echo(n=1)) == 1
    assert backends()
    del db
    gc.collect()
    until(lambda: not backends())


def test_surplus_sessions_go_back_to_psycopg_pool_and_end(
    play: Play, is_whole: Any, backends: Any, soon: Any
) -> None:
    async def story(db: Any) -> None:
        await is_whole(db)
        assert len(backends()) == SIZE
        await soon(lambda: len(backends()) == 1)
        assert db.pool_status().size == 1

    play(story, pool_size=SIZE, pool_min_size=1, idle_timeout=300)

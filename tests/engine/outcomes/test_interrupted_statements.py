"""A lone statement that is interrupted says what its effect was."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import psycopg
import pytest

import raxol_sql as rx


def notes_of(error: BaseException) -> str:
    return " ".join(getattr(error, "__notes__", ()))


async def cancelled(db: Any, work: Any, after: float) -> BaseException:
    task = asyncio.create_task(work(db))
    await asyncio.sleep(after)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    return caught.value


@pytest.mark.parametrize("verb", ["run", "run with a timeout", "copy"])
def test_a_cancelled_statement_that_did_happen_says_so(
    proxy: Any, q: Any, marks: Any, verb: str
) -> None:
    work = {
        "run": lambda db: db.run(q.add(n=1)),
        "run with a timeout": lambda db: db.run(q.add_in_time(n=1)),
        "copy": lambda db: db.copy(q.load, [(1,)]),
    }[verb]

    async def story() -> BaseException:
        async with rx.AsyncDatabase.open(proxy.conninfo, pool_size=1) as db:
            await work(db)
            await db.run(q.clear())
            # The server is done before it is told to stop, and its answer is on the way.
            proxy.delay(0.3)
            task = asyncio.create_task(work(db))
            while not await asyncio.to_thread(marks):
                assert not task.done(), "the answer came before the mark was seen"
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            return caught.value

    error = asyncio.run(story())
    assert marks() == [1]
    assert "The statement had been sent. Its effect: committed." in notes_of(error)


def test_a_cancelled_statement_that_was_stopped_says_rolled_back(
    proxy: Any, q: Any, marks: Any
) -> None:
    async def story() -> BaseException:
        async with rx.AsyncDatabase.open(proxy.conninfo) as db:
            return await cancelled(db, lambda db: db.run(q.sleep()), 0.3)

    assert "Its effect: rolled back." in notes_of(asyncio.run(story()))


def test_a_cancelled_statement_on_a_dead_line_says_unknown(proxy: Any, q: Any) -> None:
    async def story() -> BaseException:
        async with rx.AsyncDatabase.open(proxy.conninfo, pool_size=1) as db:
            await db.run(q.add(n=0))
            proxy.black_hole()
            return await cancelled(db, lambda db: db.run(q.add(n=1)), 0.1)

    assert "Its effect: unknown." in notes_of(asyncio.run(story()))


def test_a_statement_of_a_transaction_has_no_effect_of_its_own_to_tell(proxy: Any, q: Any) -> None:
    async def block(db: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(q.sleep())

    async def story() -> BaseException:
        async with rx.AsyncDatabase.open(proxy.conninfo) as db:
            return await cancelled(db, block, 0.3)

    assert "had been sent" not in notes_of(asyncio.run(story()))


def test_a_statement_that_was_still_to_be_sent_tells_nothing(proxy: Any, q: Any) -> None:
    async def story() -> BaseException:
        async with rx.AsyncDatabase.open(proxy.conninfo, pool_size=1) as db:
            await db.run(q.pid())
            proxy.delay(0.15)
            return await cancelled(db, lambda db: db.run(q.add(n=1)), 0.1)

    assert "had been sent" not in notes_of(asyncio.run(story()))


@pytest.mark.parametrize("kind", [KeyboardInterrupt, TimeoutError])
def test_a_signal_during_a_statement_that_did_happen_says_so(
    proxy: Any, q: Any, marks: Any, kind: type[BaseException]
) -> None:
    def interrupt(*_: object) -> None:
        raise kind

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with rx.Database.open(proxy.conninfo, pool_size=1) as db:
            db.run(q.add(n=0))
            proxy.delay(0.15)
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            with pytest.raises(kind) as caught:
                db.run(q.add(n=1))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert marks() == [0, 1]
    assert "Its effect: committed." in notes_of(caught.value)


def test_a_lone_statement_that_the_transaction_timeout_ends_is_what_it_is(
    play: Any, q: Any, accounts_database: str, side: Any, marks: Any
) -> None:
    if side.info.server_version < 170000:
        pytest.skip("this server has no transaction_timeout")
    address = psycopg.conninfo.make_conninfo(
        accounts_database, options="-c transaction_timeout=200"
    )

    async def story(db: Any) -> None:
        for work in (
            lambda: db.run(q.sleep()),
            lambda: db.run(q.sleep(), commit_check="xid"),
            lambda: db.run(rx.Multi().add("one", q.add(n=1)).add("two", q.sleep())),
            lambda: db.run_many(q.sleep, [{}, {}]),
        ):
            with pytest.raises(psycopg.errors.TransactionTimeout) as caught:
                await work()
            assert not isinstance(caught.value, rx.OutcomeUnknownError)

    play(story, address)
    assert marks() == []

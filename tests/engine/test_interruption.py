"""What is interrupted or cancelled gives its connection back, and takes back what it did."""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

SQL = """\
    -- name: sleep :exec
    select pg_sleep(60);
    -- name: slow_rows :many -> scalar
    select n from generate_series(1, 9) as n where n < 5 or pg_sleep(60) is not null;
    -- name: load :copy
    copy users (email, name, age) from stdin;
    -- name: slow_out :copy
    copy (select n from generate_series(1, 9) as n where n < 5 or pg_sleep(60) is not null)
    to stdout;
    -- name: limited_sleep :exec
    -- @timeout 1min
    select pg_sleep(60);
    -- name: limit_now :one -> scalar
    show statement_timeout;
"""
BUSY = """\
    select count(*) from pg_stat_activity
    where datname = current_database() and state = 'active' and pid <> pg_backend_pid()
    and (wait_event = 'PgSleep' or query like 'copy users%')
"""


@pytest.fixture
def q(write: Any) -> Any:
    return write(SQL)


@pytest.fixture
def busy(side: Any) -> Callable[[], bool]:
    """Whether the server is at work on one of the queries above."""
    return lambda: side.execute(BUSY).fetchone()[0] > 0


@pytest.fixture
def small(db: rx.Database) -> Any:
    """A blocking database with one connection."""
    with rx.Database.open(db.config.conninfo(), pool_size=1) as small:
        yield small


@pytest.fixture
def interrupting(busy: Any, until: Any) -> Any:
    """Presses Ctrl-C for the main thread, once the server is at work."""
    main = threading.main_thread().ident
    assert main is not None
    # Who starts the tests in the background of a script, starts them deaf to Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def press() -> None:
        until(busy)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=press)
    yield thread
    thread.join()
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_stops_a_query_on_the_server(
    small: rx.Database, queries: rx.Queries, q: Any, interrupting: Any, busy: Any, until: Any
) -> None:
    interrupting.start()
    with pytest.raises(KeyboardInterrupt):
        small.run(q.sleep())

    until(lambda: not busy())
    assert small.run(queries.users.count()) == 0


def test_ctrl_c_in_a_transaction_takes_it_back(
    small: rx.Database, queries: rx.Queries, q: Any, interrupting: Any
) -> None:
    def work() -> None:
        with small.transaction() as tx:
            tx.run(queries.users.create(email="a@b.de", name="Ann", age=1))
            interrupting.start()
            tx.run(q.sleep())

    with pytest.raises(KeyboardInterrupt):
        work()

    assert small.run(queries.users.count()) == 0


def test_an_interrupted_transaction_does_not_wait_for_the_statements_of_other_threads(
    small: rx.Database, queries: rx.Queries, q: Any, busy: Any, until: Any, watch: Any
) -> None:
    failed: list[BaseException] = []

    def share(tx: Any) -> None:
        try:
            tx.run(q.sleep())
        except BaseException as error:
            failed.append(error)

    def work() -> None:
        with small.transaction() as tx:
            threads.append(threading.Thread(target=share, args=[tx]))
            threads[0].start()
            until(busy)
            raise KeyboardInterrupt

    threads: list[threading.Thread] = []
    with watch.at_most(3):
        with pytest.raises(KeyboardInterrupt):
            work()
        threads[0].join(20)

    assert [type(error) for error in failed] == [psycopg.errors.QueryCanceled]
    until(lambda: not busy())
    assert small.run(queries.users.count()) == 0


def test_ctrl_c_leaves_no_limit_of_the_query_behind(
    small: rx.Database, q: Any, interrupting: Any
) -> None:
    before = small.run(q.limit_now())
    interrupting.start()
    with pytest.raises(KeyboardInterrupt):
        small.run(q.limited_sleep())

    assert small.run(q.limit_now()) == before == "15s"


def test_ctrl_c_in_a_stream_closes_it(
    small: rx.Database, queries: rx.Queries, q: Any, interrupting: Any
) -> None:
    interrupting.start()
    found = []
    with pytest.raises(KeyboardInterrupt):
        found.extend(small.stream(q.slow_rows(), batch=2))

    assert small.run(queries.users.count()) == 0


async def cancel_when(condition: Callable[[], Any], work: Any) -> None:
    """Cancels ``work`` once the condition is met, and waits for its end."""
    task = asyncio.ensure_future(work)
    for _ in range(2000):
        if condition():
            break
        await asyncio.sleep(0.005)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def in_transaction(db: Any, queries: rx.Queries, q: Any) -> None:
    async with db.transaction() as tx, tx.transaction() as inner:
        await inner.run(queries.users.create(email="a@b.de", name="Ann", age=1))
        await inner.run(q.sleep())


async def in_stream(db: Any, queries: rx.Queries, q: Any) -> None:
    async for _ in db.stream(q.slow_rows(), batch=2):
        pass


async def in_copy(db: Any, queries: rx.Queries, q: Any) -> None:
    async def rows() -> AsyncIterator[Any]:
        yield ("a@b.de", "Ann", 1)
        await asyncio.sleep(60)

    await db.copy(q.load, rows())


WORK = {
    "run": lambda db, queries, q: db.run(q.sleep()),
    "run with a limit": lambda db, queries, q: db.run(q.limited_sleep()),
    "run_many": lambda db, queries, q: db.run_many(q.sleep, [{}, {}]),
    "transaction": in_transaction,
    "stream": in_stream,
    "copy in": in_copy,
    "copy out": lambda db, queries, q: db.copy(q.slow_out),
}


@pytest.mark.parametrize("work", WORK.values(), ids=WORK.keys())
def test_a_cancelled_task_stops_the_server_and_gives_the_connection_back(
    accounts_database: str, queries: rx.Queries, q: Any, busy: Any, work: Any
) -> None:
    async def story() -> None:
        async with rx.AsyncDatabase.open(accounts_database, pool_size=1, timeout=5000) as db:
            await cancel_when(busy, work(db, queries, q))
            assert await db.run(queries.users.count()) == 0
            assert await db.run(q.limit_now()) == "5s"
            async with db.transaction() as tx:
                assert await tx.run(queries.users.count()) == 0
        assert not busy()

    asyncio.run(story())


def test_a_time_limit_of_asyncio_is_a_cancellation(
    accounts_database: str, queries: rx.Queries, q: Any
) -> None:
    async def story() -> None:
        async with rx.AsyncDatabase.open(accounts_database, pool_size=1) as db:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await db.run(q.sleep())
            assert await db.run(queries.users.count()) == 0

    asyncio.run(story())


def test_a_cancelled_task_that_waits_for_a_connection_frees_its_place(
    accounts_database: str, queries: rx.Queries
) -> None:
    async def story() -> None:
        async with rx.AsyncDatabase.open(accounts_database, pool_size=1, timeout=5000) as db:
            async with db.transaction() as tx:
                waiting = [asyncio.create_task(db.run(queries.users.count())) for _ in range(3)]
                await tx.run(queries.users.count())  # by now they wait
                for task in waiting[:2]:
                    task.cancel()
                cancelled = await asyncio.gather(*waiting[:2], return_exceptions=True)
                assert [type(each) for each in cancelled] == [asyncio.CancelledError] * 2
            assert await waiting[2] == 0
            assert await db.run(queries.users.count()) == 0

    asyncio.run(story())


def test_an_abandoned_stream_of_a_task_gives_its_connection_back(
    accounts_database: str, queries: rx.Queries, q: Any
) -> None:
    async def story() -> None:
        async with rx.AsyncDatabase.open(accounts_database, pool_size=1, timeout=5000) as db:
            async for number in db.stream(q.slow_rows(), batch=2):
                assert number == 1
                break  # and nobody closes it: the loop does, as it does for every generator
            assert await db.run(queries.users.count()) == 0

    asyncio.run(story())


def test_an_abandoned_stream_takes_nothing_back_of_its_transaction(
    accounts_database: str, queries: rx.Queries
) -> None:
    rows = [{"email": f"{n}@b.de", "name": "x", "age": 1} for n in range(5)]

    async def story() -> None:
        async with rx.AsyncDatabase.open(accounts_database, pool_size=1, timeout=5000) as db:
            async with db.transaction() as tx:
                await tx.run_many(queries.users.create, rows)
                async for user in tx.stream(queries.users.all(), batch=2):
                    await tx.run(queries.users.delete(id=user.id))
                    break
                await tx.run(queries.users.delete(id=2))
            assert [user.id for user in await db.run(queries.users.all())] == [3, 4, 5]

    asyncio.run(story())

"""A task that is cancelled at any moment leaves behind a pool that serves as before."""

from __future__ import annotations

import asyncio
import importlib
import signal
import threading
from contextlib import AsyncExitStack, aclosing, suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import raxol_sql as rx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

SQL = """\
    -- name: echo :one -> scalar
    select :n::int;
    -- name: nap :one -> scalar
    select :n::int from pg_sleep(0.01);
    -- name: long :one -> scalar
    select 1 from pg_sleep(30);
    -- name: limited_nap :one -> scalar
    -- @timeout 4s
    select :n::int from pg_sleep(0.01);
    -- name: rows :many -> scalar
    select n from generate_series(1, 3000) as n where n % 1000 > 0 or pg_sleep(0.004) is not null;
    -- name: out :copy
    copy (select n, repeat('x', 100) from generate_series(1, 3000) as n
    where n % 1000 > 0 or pg_sleep(0.004) is not null) to stdout;
    -- name: limit_now :one -> scalar
    show statement_timeout;
    -- name: pid :one -> scalar
    select pg_backend_pid();
"""
# What its connections do, apart from nothing.
STATES = """\
    select pid, state, query from pg_stat_activity
    where datname = current_database() and application_name = 'raxol_sql' and state <> 'idle'
"""
POOL = 2
USERS = 5


@pytest.fixture
def q(write: Any) -> Any:
    return write(SQL)


@pytest.fixture(params=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    """Runs coroutines in one event loop, of asyncio's own sort or of uvloop's."""
    factory = None
    if request.param == "uvloop":
        try:
            factory = importlib.import_module("uvloop").new_event_loop
        except ImportError:
            pytest.skip("uvloop is not installed")
    with asyncio.Runner(loop_factory=factory) as runner:
        yield runner


def new_user(number: int) -> dict[str, Any]:
    return {"email": f"{number}@b.de", "name": "n", "age": number + 1}


async def by_run(db: Any, queries: rx.Queries, q: Any) -> None:
    assert await db.run(q.nap(n=1)) == 1
    assert await db.run(q.nap(n=2)) == 2


async def by_run_with_a_limit(db: Any, queries: rx.Queries, q: Any) -> None:
    assert await db.run(q.limited_nap(n=1)) == 1


async def by_run_of_rows(db: Any, queries: rx.Queries, q: Any) -> None:
    assert len(await db.run(q.rows())) == 3000


async def by_run_many(db: Any, queries: rx.Queries, q: Any) -> None:
    made = await db.run_many(queries.users.create, map(new_user, range(USERS)))
    assert len(made) == USERS
    assert await db.run_many(q.nap, [{"n": 1}, {"n": 2}]) == [1, 2]


async def by_stream(db: Any, queries: rx.Queries, q: Any) -> None:
    found = [row async for row in db.stream(q.rows(), batch=700)]
    assert len(found) == 3000


async def by_copy_in(db: Any, queries: rx.Queries, q: Any) -> None:
    async def rows() -> AsyncIterator[Any]:
        for number in range(USERS):
            yield tuple(new_user(number).values())
            await asyncio.sleep(0.002)

    assert await db.copy(queries.users.load, rows()) == USERS


async def by_copy_out(db: Any, queries: rx.Queries, q: Any) -> None:
    assert len(await db.copy(q.out)) == 3000


async def by_transaction(db: Any, queries: rx.Queries, q: Any) -> None:
    async with db.transaction() as tx:
        for number in range(USERS - 1):
            await tx.run(queries.users.create(**new_user(number)))
        async with tx.transaction() as inner:
            assert await inner.run(q.nap(n=1)) == 1
            await inner.run(queries.users.create(**new_user(USERS)))


async def by_multi(db: Any, queries: rx.Queries, q: Any) -> None:
    create = queries.users.create
    steps = rx.Multi().add("nap", q.nap(n=1))
    for number in range(USERS):
        steps = steps.add(f"user{number}", create(**new_user(number)))
    await db.run(steps.add("last", lambda done: q.nap(n=done["nap"] + 1)))


async def by_run_all(db: Any, queries: rx.Queries, q: Any) -> None:
    done = await db.run_all([q.nap(n=1), q.rows(), q.nap(n=3)])
    assert (done[0], len(done[1]), done[2]) == (1, 3000, 3)


VERBS = [
    by_run,
    by_run_with_a_limit,
    by_run_of_rows,
    by_run_many,
    by_stream,
    by_copy_in,
    by_copy_out,
    by_transaction,
    by_multi,
    by_run_all,
]
moments = st.tuples(st.just("steps"), st.integers(0, 60)) | st.tuples(
    st.just("milliseconds"), st.integers(0, 30)
)


async def cancelled_at(moment: tuple[str, int], work: Any) -> None:
    """Starts ``work``, cancels it at the moment, and waits for its end."""
    task = asyncio.ensure_future(work)
    unit, count = moment
    if unit == "steps":
        for _ in range(count):
            await asyncio.sleep(0)
    else:
        await asyncio.sleep(count / 1000)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def as_before(db: Any, queries: rx.Queries, q: Any, limit: str) -> None:
    """Every connection of the pool is there, each with its own results and limits, and idle."""
    async with asyncio.timeout(5), AsyncExitStack() as stack:
        all_ = [await stack.enter_async_context(db.transaction()) for _ in range(POOL)]
        assert len({await tx.run(q.pid()) for tx in all_}) == POOL
        for number, tx in enumerate(all_):
            assert await tx.run(q.echo(n=100 + number)) == 100 + number
            assert await tx.run(q.limit_now()) == limit
    assert [await db.run(q.echo(n=n)) for n in range(3)] == [0, 1, 2]
    assert await db.run(queries.users.count()) in (0, USERS)


async def idle(side: Any) -> None:
    """Waits until none of the connections is at work or in a transaction."""
    for _ in range(500):
        if not (found := side.execute(STATES).fetchall()):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"still not idle: {found}")


@pytest.mark.parametrize("verb", VERBS)
def test_cancelled_at_any_moment_it_leaves_the_pool_as_before(
    accounts_database: str,
    queries: rx.Queries,
    q: Any,
    side: psycopg.Connection[Any],
    runner: asyncio.Runner,
    verb: Callable[..., Awaitable[None]],
) -> None:
    db = rx.AsyncDatabase.open(accounts_database, pool_size=POOL, timeout=5000)

    async def story(moment: tuple[str, int]) -> None:
        await db.run(queries.users.clear())
        await cancelled_at(moment, verb(db, queries, q))
        await idle(side)
        await as_before(db, queries, q, "5s")

    @settings(max_examples=8)
    @given(moments)
    def holds(moment: tuple[str, int]) -> None:
        runner.run(story(moment))

    runner.run(db.__aenter__())
    try:
        holds()
    finally:
        runner.run(db.close())


def test_a_crowd_of_which_many_are_cancelled_gets_only_its_own_results(
    accounts_database: str, queries: rx.Queries, q: Any, side: Any, runner: asyncio.Runner
) -> None:
    async def one(db: Any, number: int) -> None:
        assert await db.run(q.nap(n=number)) == number
        assert await db.run_all([q.echo(n=number), q.echo(n=-number)]) == [number, -number]
        async with db.transaction() as tx:
            assert await tx.run(q.echo(n=number)) == number

    async def story() -> None:
        async with rx.AsyncDatabase.open(accounts_database, pool_size=POOL) as db:
            tasks = [asyncio.ensure_future(one(db, number)) for number in range(40)]
            for number, task in enumerate(tasks):
                await asyncio.sleep(0.001 * (number % 3))
                if number % 4:
                    task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            assert {type(each) for each in done} <= {type(None), asyncio.CancelledError}
            assert [each for each in done[::4] if each] == []
            await idle(side)
            await as_before(db, queries, q, "15s")

    runner.run(story())


def test_cancelling_again_while_the_first_is_heeded_does_no_harm(
    accounts_database: str, queries: rx.Queries, q: Any, side: Any, runner: asyncio.Runner
) -> None:
    async def story() -> None:
        async with rx.AsyncDatabase.open(accounts_database, pool_size=POOL, timeout=5000) as db:
            for verb in VERBS:
                for steps in range(1, 8, 2):
                    await db.run(queries.users.clear())
                    task = asyncio.ensure_future(verb(db, queries, q))
                    await asyncio.sleep(0.004)
                    while not task.done():
                        task.cancel()
                        for _ in range(steps):
                            await asyncio.sleep(0)
                    await asyncio.gather(task, return_exceptions=True)
                    await idle(side)
                    await as_before(db, queries, q, "5s")

    runner.run(story())


def test_ctrl_c_ends_the_loops_main_task_and_the_statement(
    accounts_database: str, queries: rx.Queries, q: Any, side: Any, until: Any
) -> None:
    main = threading.main_thread().ident
    assert main is not None

    def press() -> None:
        until(lambda: side.execute(STATES).fetchall())
        signal.pthread_kill(main, signal.SIGINT)

    async def story() -> None:
        async with rx.AsyncDatabase.open(accounts_database, pool_size=1) as db:
            thread.start()
            while True:
                await db.run(q.nap(n=1))

    thread = threading.Thread(target=press)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(story())
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)
    assert side.execute(STATES).fetchall() == []


@pytest.mark.parametrize("body", [0.0, 0.05, 30.0])
@pytest.mark.parametrize("wait", [0.0005, 0.02, 0.2])
def test_a_cancelled_transaction_does_not_wait_for_the_statements_of_other_tasks(
    runner: asyncio.Runner, accounts_database: str, q: Any, watch: Any, body: float, wait: float
) -> None:
    async def main() -> None:
        async with rx.AsyncDatabase.open(accounts_database, pool_size=1) as db:
            children: list[asyncio.Task[Any]] = []
            began = asyncio.Event()

            async def owner() -> None:
                async with db.transaction() as tx:
                    children.append(asyncio.create_task(tx.run(q.long())))
                    began.set()
                    await asyncio.sleep(body)

            task = asyncio.create_task(owner())
            await began.wait()
            await asyncio.sleep(wait)
            with watch.at_most(2):
                task.cancel()
                done, pending = await asyncio.wait([task, *children], timeout=20)
            assert not pending
            assert all(one.cancelled() or one.exception() for one in done)
            assert await db.run(q.echo(n=5)) == 5

    runner.run(main())


def test_a_stream_that_is_cancelled_twice_gives_its_connection_back(
    runner: asyncio.Runner, accounts_database: str, q: Any
) -> None:
    async def main() -> None:
        async with rx.AsyncDatabase.open(accounts_database, pool_size=1, timeout=5000) as db:

            async def consume() -> None:
                async with aclosing(db.stream(q.rows(), batch=10)) as rows:
                    async for _ in rows:
                        await asyncio.sleep(10)

            for turns in range(6):
                task = asyncio.create_task(consume())
                await asyncio.sleep(0.05)
                task.cancel()
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
                assert await db.run(q.echo(n=turns)) == turns

    runner.run(main())


def test_opening_that_is_cancelled_leaves_nothing_behind(
    runner: asyncio.Runner, accounts_database: str
) -> None:
    async def main() -> None:
        for number in range(10):
            task = asyncio.create_task(rx.AsyncDatabase.open(accounts_database).__aenter__())
            await asyncio.sleep(number * 0.004)
            task.cancel()
            try:
                db = await task
            except asyncio.CancelledError:
                continue
            await db.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        if others:
            await asyncio.wait(others, timeout=5)
        assert all(task.done() for task in others)

    runner.run(main())

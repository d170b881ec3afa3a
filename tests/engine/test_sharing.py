"""One database for many threads or tasks, and the two colours beside each other."""

from __future__ import annotations

import asyncio
import inspect
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg_pool
import pytest

import raxol_sql as rx
from raxol_sql.engine.core.concurrency import run_sync

SQL = """\
    -- name: echo :one -> scalar
    select :n::int;
    -- name: echoes :many -> scalar
    select :n + m from generate_series(0, 2) as m;
    -- name: pids :one -> scalar
    select count(*) from pg_stat_activity
    where application_name = 'raxol_sql' and datname = current_database();
"""


@pytest.fixture
def q(write: Any) -> Any:
    return write(SQL)


def test_threads_share_a_pool_smaller_than_their_number(
    accounts_database: str, queries: rx.Queries, q: Any
) -> None:
    def work(db: rx.Database, thread: int) -> None:
        for turn in range(50):
            number = thread * 1000 + turn
            assert db.run(q.echo(n=number)) == number
        assert list(db.stream(q.echoes(n=thread), batch=1)) == [thread, thread + 1, thread + 2]
        with db.transaction() as tx:
            user = {"email": f"{thread}@b.de", "name": str(thread), "age": None}
            (made,) = tx.run_many(queries.users.create, [user])
            assert tx.run(queries.users.get(id=made.id)) == made

    with (
        rx.Database.open(accounts_database, pool_size=3) as db,
        ThreadPoolExecutor(8) as threads,
    ):
        for done in [threads.submit(work, db, thread) for thread in range(8)]:
            done.result(timeout=30)
        assert db.run(queries.users.count()) == 8
        assert db.run(q.pids()) <= 3


def test_tasks_share_a_pool_smaller_than_their_number(
    accounts_database: str, queries: rx.Queries, q: Any
) -> None:
    async def work(db: rx.AsyncDatabase, number: int) -> None:
        assert await db.run(q.echo(n=number)) == number
        async with db.transaction() as tx:
            user = {"email": f"{number}@b.de", "name": str(number), "age": None}
            made = await tx.run(queries.users.create(**user))
            assert await tx.run(queries.users.get(id=made.id)) == made
        found = [each async for each in db.stream(q.echoes(n=number), batch=2)]
        assert found == [number, number + 1, number + 2]

    async def story() -> None:
        async with rx.AsyncDatabase.open(accounts_database, pool_size=3) as db:
            await asyncio.gather(*(work(db, number) for number in range(50)))
            assert await db.run(queries.users.count()) == 50
            assert await db.run(q.pids()) <= 3

    asyncio.run(story())


def test_statements_of_one_transaction_started_together_all_run(
    accounts_database: str, q: Any
) -> None:
    async def story() -> None:
        async with (
            rx.AsyncDatabase.open(accounts_database, pool_size=1) as db,
            db.transaction() as tx,
        ):
            found = await asyncio.gather(*(tx.run(q.echo(n=n)) for n in range(20)))
            assert found == list(range(20))

    asyncio.run(story())


def test_waiting_for_a_connection_ends_with_the_configured_time(
    accounts_database: str, queries: rx.Queries
) -> None:
    count = queries.users.count()
    with (
        rx.Database.open(accounts_database, pool_size=1, timeout=400) as db,
        db.transaction() as tx,
    ):
        with pytest.raises(psycopg_pool.PoolTimeout) as caught:
            db.run(count)
        assert caught.value.__notes__ == [f"in query users.count ({count.query.location})"]
        assert tx.run(count) == 0


def test_the_blocking_colour_works_inside_of_a_running_event_loop(
    db: rx.Database, queries: rx.Queries
) -> None:
    async def story() -> None:
        with db.transaction() as tx:
            tx.copy(queries.users.load, [("a@b.de", "Ann", 1)])
            assert [user.name for user in tx.stream(queries.users.all())] == ["Ann"]
        assert db.run(queries.users.count()) == 1

    asyncio.run(story())


def test_both_colours_work_beside_each_other(
    db: rx.Database, open_async: Any, queries: rx.Queries
) -> None:
    async def story() -> None:
        async with open_async() as other:
            user = await other.run(queries.users.create(email="a@b.de", name="Ann", age=1))
            assert db.run(queries.users.get(id=user.id)) == user

    asyncio.run(story())


def test_a_coroutine_that_waits_in_the_blocking_colour_is_an_error() -> None:
    async def waits() -> None:
        await asyncio.sleep(0)

    async def gives() -> int:
        return 7

    async def raises() -> None:
        raise ZeroDivisionError

    assert run_sync(gives()) == 7
    with pytest.raises(ZeroDivisionError):
        run_sync(raises())
    with pytest.raises(RuntimeError, match="suspended in the synchronous backend"):
        run_sync(waits())


# The protocols of `with` and of `await` are what the two colours do not share.
OWN = {"__enter__", "__exit__", "__aenter__", "__aexit__", "__await__"}


def described(kind: type, name: str) -> Any:
    """What a caller sees of a method, without what the colour makes of its result."""
    method = inspect.getattr_static(kind, name)
    kind_of = type(method).__name__ if isinstance(method, (classmethod, property)) else "method"
    function = getattr(kind, name)
    parameters = [
        (each.name, each.kind, each.default, _uncoloured(each.annotation))
        for each in inspect.signature(function).parameters.values()
    ]
    return kind_of, parameters


def _uncoloured(annotation: Any) -> Any:
    """What is called back may be awaited by the asyncio colour, and is given its own objects."""
    awaited = r"Awaitable\[([^][]*)\](?: \| None(?=\]))?"
    return re.sub(awaited + r"|Async(?=Transaction|Connection)", r"\1", str(annotation))


@pytest.mark.parametrize(
    ("blocking", "asynchronous"),
    [(rx.Database, rx.AsyncDatabase), (rx.Transaction, rx.AsyncTransaction)],
)
def test_both_colours_have_the_same_methods(blocking: type, asynchronous: type) -> None:
    names = {name for name in dir(blocking) if not name.startswith("_")}

    assert names == {name for name in dir(asynchronous) if not name.startswith("_")}
    assert names >= {"run", "run_many", "stream", "copy", "transaction"}
    for name in sorted(names):
        assert described(asynchronous, name) == described(blocking, name)
        for facade in (blocking, asynchronous):
            assert inspect.getdoc(getattr(facade, name)), f"{name} has no documentation"
    assert OWN & set(dir(blocking)) == {"__enter__", "__exit__"}
    assert {"__aenter__", "__aexit__"} <= OWN & set(dir(asynchronous))

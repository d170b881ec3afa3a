"""Work of every kind that takes as long as it is let, and what may be seen of it beside."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from typing import Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql import embedded
from raxol_sql.testing import FaultProxy

SQL = """\
    -- name: one :one -> scalar
    select 1;
    -- name: echo :one -> scalar
    select :n::int;
    -- name: pid :one -> scalar
    select pg_backend_pid();
    -- name: sleep :exec
    select pg_sleep(:seconds);
    -- name: stand :exec
    select pg_advisory_xact_lock(77);
    -- name: standing_rows :many -> scalar
    select n from generate_series(1, 9) as n
    where n < 5 or pg_advisory_xact_lock(77) is not null;
    -- name: standing_out :copy
    copy (
        select n from generate_series(1, 9) as n
        where n < 5 or pg_advisory_xact_lock(77) is not null
    ) to stdout;
    -- name: add :exec
    insert into marks (n) values (:n);
    -- name: add_one :one -> scalar
    insert into marks (n) values (:n) returning n;
    -- name: load :copy
    copy marks (n) from stdin;
    -- name: total :one -> scalar
    select count(*)::int from marks;
    -- name: fail_as :exec
    select fail_as(:state);
    -- name: limit_now :one -> scalar
    show statement_timeout;
"""
TABLES = """\
    drop table if exists marks, slow_marks;
    create table marks (n int);
    create or replace function fail_as(state text) returns void language plpgsql as $$
    begin
        raise exception using errcode = state, message = 'as it was asked for';
    end $$;
"""
OURS = """\
    select pid, state, query from pg_stat_activity
    where datname = current_database() and application_name = 'raxol_sql'
"""


@pytest.fixture(autouse=True)
def _tables(side: Any) -> Iterator[None]:
    # Whoever is left behind with a lock is to fail a test, and not to hold it up.
    side.execute("set lock_timeout = '5s'")
    side.execute(TABLES)
    yield
    with suppress(psycopg.errors.UndefinedTable):
        side.execute("drop table marks")
    side.execute("drop function fail_as")


@pytest.fixture
def q(write: Any) -> Any:
    """Queries that leave marks, and some that stand still for as long as `barrier` is down."""
    return write(SQL)


@pytest.fixture
def marks(side: Any) -> Callable[[], list[int]]:
    """What was marked, as somebody else sees it."""
    return lambda: [n for (n,) in side.execute("select n from marks order by n")]


@pytest.fixture
def ours(side: Any) -> Callable[..., list[int]]:
    """The pids of the sessions of the database under test; with ``busy`` of those at work."""

    def pids(busy: bool = False) -> list[int]:
        return [
            pid for pid, state, _ in side.execute(OURS).fetchall() if not busy or state != "idle"
        ]

    return pids


@pytest.fixture
def barrier(side: Any) -> Iterator[Any]:
    """Holds up whoever comes to ``stand``; closed by the test's own connection until the end."""
    side.execute("select pg_advisory_lock(77)")
    yield
    with suppress(psycopg.Error):
        side.execute("select pg_advisory_unlock_all()")


@pytest.fixture
def proxy(accounts_database: str) -> Iterator[FaultProxy]:
    """A line to the database that can be disturbed."""
    with FaultProxy(accounts_database) as proxy:
        yield proxy


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.fixture
def freeze() -> Callable[[int], Any]:
    """Stops a process of the server for the length of a block."""
    return stopped


@pytest.fixture
def postmaster(server: embedded.Server, side: Any) -> int:
    """The process that takes new connections, and requests to cancel."""
    ((folder,),) = side.execute("show data_directory").fetchall()
    with open(f"{folder}/postmaster.pid") as file:
        return int(file.readline())


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


async def by_run(db: Any, q: Any) -> None:
    await db.run(q.stand())


async def by_run_of_rows(db: Any, q: Any) -> None:
    await db.run(q.standing_rows())


async def by_run_in_a_transaction_of_its_own(db: Any, q: Any) -> None:
    await db.run(q.stand(), commit_check="xid")


async def by_run_many(db: Any, q: Any) -> None:
    await db.run_many(q.stand, [{}, {}])


async def by_run_all(db: Any, q: Any) -> None:
    await db.run_all([q.one(), q.stand(), q.one()])


async def by_multi(db: Any, q: Any) -> None:
    steps = rx.Multi().add("mark", q.add(n=1)).add("stand", q.stand())
    await db.run(steps.add("last", lambda done: q.add(n=2)))


async def by_stream(db: Any, q: Any) -> None:
    async with aclosing(db.stream(q.standing_rows(), batch=2)) as rows:
        async for _ in rows:
            pass


async def by_copy_in(db: Any, q: Any) -> None:
    # A trigger of the table stands still for it.
    await db.copy(q.load, [(1,), (77,), (2,)])


async def by_copy_out(db: Any, q: Any) -> None:
    await db.copy(q.standing_out)


async def by_transaction(db: Any, q: Any) -> None:
    async with db.transaction() as tx:
        await tx.run(q.add(n=1))
        await tx.run(q.stand())


async def by_nested_transaction(db: Any, q: Any) -> None:
    async with db.transaction() as tx:
        await tx.run(q.add(n=1))
        async with tx.transaction() as inner:
            await inner.run(q.add(n=2))
            await inner.run(q.stand())


async def by_run_transaction(db: Any, q: Any) -> None:
    async def work(tx: Any) -> None:
        await tx.run(q.add(n=1))
        await tx.run(q.stand())

    await db.run_transaction(work)


STANDING = {
    verb.__name__[3:]: verb
    for verb in (
        by_run,
        by_run_of_rows,
        by_run_in_a_transaction_of_its_own,
        by_run_many,
        by_run_all,
        by_multi,
        by_stream,
        by_copy_in,
        by_copy_out,
        by_transaction,
        by_nested_transaction,
        by_run_transaction,
    )
}
# What makes the COPY stand still, once it comes to a row that says so.
TRIGGER = """\
    create or replace function hold_up() returns trigger language plpgsql as $$
    begin
        if new.n = 77 then perform pg_advisory_xact_lock(77); end if;
        return new;
    end $$;
    create trigger hold_up before insert on marks for each row execute function hold_up();
"""


@pytest.fixture(params=STANDING.keys())
def standing(
    request: pytest.FixtureRequest, side: Any, barrier: Any
) -> Callable[[Any, Any], Awaitable[None]]:
    """Work by each of the public verbs, which stands still on the server until it is stopped."""
    side.execute(TRIGGER)
    return STANDING[request.param]


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Awaitable[Any]]:
    """Waits in an event loop for a condition, for five seconds at most."""

    async def wait(condition: Callable[[], Any]) -> Any:
        async with asyncio.timeout(5):
            while not (value := condition()):
                await asyncio.sleep(0.005)
        return value

    return wait

"""Callers are interrupted at any moment, while others work: nothing stays behind of their calls."""

from __future__ import annotations

import asyncio
import itertools
import random
import signal
import sys
import threading
import time
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.engine.colour import run_blocking

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

PACKAGE = rx.__path__[0]
SQL = """\
    -- name: one :one -> scalar
    select 1;
    -- name: nap :one -> scalar
    select 1 from pg_sleep(0.002);
    -- name: add :exec
    insert into interrupted (n) values (:n);
    -- name: rows :many -> scalar
    select n from generate_series(1, 40) as n;
    -- name: limit :one -> scalar
    show statement_timeout;
    -- name: out :copy
    -- @timeout 3s
    copy (select n from generate_series(1, 40) as n) to stdout;
    -- name: load :copy
    copy interrupted (n) from stdin;
"""


OUTCOMES = """\
    create table raxol_outcomes (
        key uuid primary key,
        is_tombstone boolean not null default false,
        created_at timestamptz not null default now()
    )
"""


class Interrupted(Exception):  # noqa: N818 (it is no error)
    """What a signal handler raises."""


@pytest.fixture
def q(write: Any) -> Any:
    return write(SQL)


@pytest.fixture
def side(database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection of the test's own, next to the database under test."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table interrupted (n int)")
        connection.execute(OUTCOMES)
        yield connection


@pytest.fixture
def url(database: str, side: Any) -> str:
    """A database with a table to write to, and with one for outcomes."""
    return database


async def by_run(db: Any, q: Any) -> None:
    assert await db.run(q.one()) == 1


async def by_run_that_naps(db: Any, q: Any) -> None:
    assert await db.run(q.nap()) == 1


async def by_run_with_an_id(db: Any, q: Any) -> None:
    await db.run(q.add(n=1), outcome="xid")


async def by_run_with_a_witness(db: Any, q: Any) -> None:
    await db.run(q.add(n=1), outcome="witness")


async def by_run_many(db: Any, q: Any) -> None:
    await db.run_many(q.add, [{"n": n} for n in range(3)])


async def by_run_all(db: Any, q: Any) -> None:
    assert await db.run_all([q.one(), q.nap()]) == [1, 1]


async def by_multi(db: Any, q: Any) -> None:
    await db.run(rx.Multi().add("a", q.one()).add("b", lambda done: q.add(n=done["a"])))


async def by_copy_out(db: Any, q: Any) -> None:
    assert len(await db.copy(q.out)) == 40


async def by_copy_in(db: Any, q: Any) -> None:
    assert await db.copy(q.load, [(1,), (2,)]) == 2


async def by_health(db: Any, q: Any) -> None:
    await db.health(timeout=2000)


async def by_stream(db: Any, q: Any) -> None:
    assert [n async for n in db.stream(q.rows(), batch=10)] == [*range(1, 41)]


async def by_transact(db: Any, q: Any) -> None:
    async def work(tx: Any) -> None:
        await tx.run(q.add(n=1))
        await tx.run(q.nap())

    await db.transact(work)


async def by_transaction(db: Any, q: Any) -> None:
    async with db.transaction() as tx:
        await tx.run(q.add(n=1))
        async with tx.transaction() as inner:
            await inner.run(q.one())


async def by_connection(db: Any, q: Any) -> None:
    async with db.connection() as connection:
        await connection.execute("select 1")


VERBS = [
    *(by_run, by_run_that_naps, by_run_with_an_id, by_run_with_a_witness, by_run_many),
    *(by_run_all, by_multi, by_copy_out, by_copy_in, by_health),
    *(by_stream, by_transact, by_transaction, by_connection),
]


def stream(db: rx.Database, q: Any) -> None:
    assert list(db.stream(q.rows(), batch=10)) == [*range(1, 41)]


def transact(db: rx.Database, q: Any) -> None:
    def work(tx: Any) -> None:
        tx.run(q.add(n=1))
        tx.run(q.nap())

    db.transact(work)


def transaction(db: rx.Database, q: Any) -> None:
    with db.transaction() as tx:
        tx.run(q.add(n=1))
        with tx.transaction() as inner:
            inner.run(q.one())


def connection(db: rx.Database, q: Any) -> None:
    with db.connection() as connection:
        connection.execute("select 1")


def figures(db: rx.Database, q: Any) -> None:
    db.pool_status()
    db.metrics()


class Direct:
    """A blocking database whose calls are given as coroutines that never suspend."""

    def __init__(self, db: rx.Database) -> None:
        self._db = db

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._db, name)

        async def call(*given: Any, **named: Any) -> Any:
            return method(*given, **named)

        return call


BLOCKING = [
    *(lambda db, q, verb=verb: run_blocking(verb(Direct(db), q)) for verb in VERBS[:10]),
    *(stream, transact, transaction, connection, figures),
]
NAMES = [*(verb.__name__ for verb in VERBS[:10]), "stream", "transact", "transaction", "connection"]


def check_whole(db: rx.Database, q: Any, side: Any, size: int) -> None:
    """All connections can be used, nothing runs on, and the figures say so."""
    with ExitStack() as stack:
        blocks = [stack.enter_context(db.transaction()) for _ in range(size)]
        assert [tx.run(q.one()) for tx in blocks] == [1] * size
        assert {tx.run(q.limit()) for tx in blocks} == {f"{db.config.timeout // 1000}s"}
    status = db.pool_status()
    assert (status.in_use, status.waiting, status.available) == (0, 0, size)
    check_quiet(side)


def check_quiet(side: Any) -> None:
    query = """\
        select query from pg_stat_activity
        where datname = current_database() and application_name = 'raxol_sql' and state <> 'idle'
    """
    end = time.monotonic() + 5
    while (found := side.execute(query).fetchall()) and time.monotonic() < end:
        time.sleep(0.01)
    assert found == []


class Tracer:
    """Raises at one of the bytecodes of this package that a thread runs; counts them."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.count = 0

    def __call__(self, frame: Any, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            self.count += 1
            if self.count == self.at:
                raise Interrupted
        return self

    def run(self, work: Callable[[], object]) -> bool:
        """Whether it was raised, and came out."""
        before = sys.gettrace()
        sys.settrace(self)
        try:
            work()
        except Interrupted:
            return True
        finally:
            sys.settrace(before)
        return False


def interrupt_at_bytecodes(db: rx.Database, q: Any, verb: Any, stride: int) -> int:
    def work() -> None:
        verb(db, q)

    work()
    counting = Tracer(0)
    assert not counting.run(work)
    numbers = range(random.randrange(1, stride + 1), counting.count, stride)
    raised = 0
    for number in numbers:
        began = time.monotonic()
        tracer = Tracer(number)
        is_raised = tracer.run(work)
        # It takes another way where others came first, and then may be over before.
        assert is_raised or tracer.count < number, "the interruption did not come out"
        assert time.monotonic() - began < db.config.timeout / 1000 + 0.65
        raised += is_raised
    return raised


@pytest.mark.parametrize("verb", BLOCKING[:14], ids=NAMES)
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_an_interruption_at_any_bytecode_comes_out_and_leaves_the_pool_whole(
    url: str, q: Any, side: Any, verb: Any
) -> None:
    over = threading.Event()
    failed: list[BaseException] = []

    def contend() -> None:
        while not over.is_set():
            try:
                transaction(db, q)
                db.run(q.nap())
            except BaseException as error:
                failed.append(error)

    with rx.Database.open(url, pool_size=2, timeout=4000) as db:
        other = threading.Thread(target=contend)
        other.start()
        try:
            assert interrupt_at_bytecodes(db, q, verb, 97) > 3
        finally:
            over.set()
            other.join(10)
        assert not other.is_alive()
        assert failed == []
        check_whole(db, q, side, 2)


def raise_interruption(*_: object) -> None:
    raise Interrupted


def interrupt_at_random(db: rx.Database, q: Any, count: int, seed: int) -> None:
    """So many calls end by an exception of a signal handler, which comes at a random time."""
    choice = random.Random(seed)
    interrupted = 0
    before = signal.signal(signal.SIGALRM, raise_interruption)
    try:
        while interrupted < count:
            verb = choice.choice(BLOCKING)
            began = time.monotonic()
            try:
                # The timer rings once: what comes here may come at the end as well.
                try:
                    signal.setitimer(signal.ITIMER_REAL, choice.uniform(0.0001, 0.003))
                    verb(db, q)
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except Interrupted:
                interrupted += 1
            assert time.monotonic() - began < db.config.timeout / 1000 + 0.65
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("count", [300, pytest.param(20_000, marks=pytest.mark.deep)])
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_exceptions_out_of_signal_handlers_disturb_no_other_thread_and_leave_the_pool_whole(
    url: str, q: Any, side: Any, count: int
) -> None:
    over = threading.Event()
    failed: list[BaseException] = []
    slow: list[float] = []

    def work(seed: int) -> None:
        choice = random.Random(seed)
        while not over.is_set():
            began = time.monotonic()
            try:
                choice.choice(BLOCKING)(db, q)
            except BaseException as error:
                failed.append(error)
            slow.append(time.monotonic() - began)

    with rx.Database.open(url, pool_size=4, timeout=8000) as db:
        threads = [threading.Thread(target=work, args=[seed]) for seed in range(3)]
        for thread in threads:
            thread.start()
        try:
            interrupt_at_random(db, q, count, seed=count)
        finally:
            over.set()
            for thread in threads:
                thread.join(20)
        assert not any(thread.is_alive() for thread in threads)
        assert failed == []
        assert max(slow) < 8.65
        check_whole(db, q, side, 4)
        # Nothing turns in a circle in the background.
        before = time.process_time()
        time.sleep(0.2)
        assert time.process_time() - before < 0.1


@pytest.mark.parametrize("count", [1500, pytest.param(20_000, marks=pytest.mark.deep)])
def test_time_limits_of_many_tasks_at_any_moment_leave_the_pool_whole(
    url: str, q: Any, side: Any, count: int
) -> None:
    numbers = itertools.count()

    async def call(db: Any, seed: int) -> int:
        choice, ended = random.Random(seed), 0
        while next(numbers) < count:
            verb: Callable[[Any, Any], Awaitable[None]] = choice.choice(VERBS)
            try:
                async with asyncio.timeout(choice.uniform(0, choice.choice([0.01, 0.1]))):
                    await verb(db, q)
            except TimeoutError:
                ended += 1
        return ended

    async def story() -> None:
        async with rx.AsyncDatabase.open(url, pool_size=10, timeout=20_000) as db:
            ended = await asyncio.gather(*(call(db, seed) for seed in range(50)))
            assert sum(ended) > count / 10
            async with AsyncExitStack() as stack:
                blocks = [await stack.enter_async_context(db.transaction()) for _ in range(10)]
                assert [await tx.run(q.one()) for tx in blocks] == [1] * 10
            status = db.pool_status()
            assert (status.in_use, status.waiting, status.available) == (0, 0, 10)
            await asyncio.to_thread(check_quiet, side)

    asyncio.run(story())

"""Callers are interrupted at any moment, while others work: nothing stays behind of their calls."""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
import time
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx
from tests.engine.pool.interrupting import (
    BLOCKING,
    NAMES,
    PACKAGE,
    VERBS,
    interrupt_at_bytecodes,
    interrupt_at_random,
    transaction,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

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


COMMIT_CHECKS = """\
    create table raxol_outcomes (
        key uuid primary key,
        is_tombstone boolean not null default false,
        created_at timestamptz not null default now()
    )
"""


@pytest.fixture
def q(write: Any) -> Any:
    return write(SQL)


@pytest.fixture
def side(database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection of the test's own, next to the database under test."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table interrupted (n int)")
        connection.execute(COMMIT_CHECKS)
        yield connection


@pytest.fixture
def url(database: str, side: Any) -> str:
    """A database with a table to write to, and with one for outcomes."""
    return database


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


@pytest.mark.parametrize(
    ("name", "module"),
    [
        *(("by_run_all", "batch/execute_many"), ("by_run_many", "batch/execute_many")),
        *(("by_run_with_a_marker", "batch/batch"), ("by_multi", "batch/runner")),
        *(("by_run", "wire/pipeline"), ("run_transaction", "wire/pipeline"), ("stream", "cursor")),
        *(("transaction", "transaction/transaction"), ("by_copy_out", "copy/decoder")),
    ],
)
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interruption_at_every_bytecode_of_a_module_comes_out(
    url: str, q: Any, side: Any, name: str, module: str
) -> None:
    verb = dict(zip(NAMES, BLOCKING, strict=False))[name]
    with rx.Database.open(url, pool_size=2, timeout=4000) as db:
        assert interrupt_at_bytecodes(db, q, verb, 1, f"{PACKAGE}/engine/{module}.py") > 50
        check_whole(db, q, side, 2)


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

"""Lines that are slow, end, or turn out to have ended long ago, and who shares a connection."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx

if TYPE_CHECKING:
    from raxol_sql.testing import FaultProxy
    from tests.engine.conftest import Play

SQL = """\
    -- name: rows :many -> scalar
    select n from generate_series(1, :count::int) as n;
    -- name: wide_rows :many -> scalar
    select repeat('x', 20000) || n from generate_series(1, :count::int) as n;
    -- name: slow_rows :many -> scalar
    select n from generate_series(1, 60) as n
    where n <= 40 or pg_advisory_xact_lock(77) is not null;
    -- name: echo :one -> scalar
    select :n::int;
    -- name: nap :one -> scalar
    select :n::int from pg_sleep(:seconds);
    -- name: add :exec
    insert into marks (n) values (:n);
    -- name: add_one :one -> scalar
    insert into marks (n) values (:n) returning n;
    -- name: load :copy
    copy marks (n) from stdin;
    -- name: out :copy
    copy (select n from generate_series(1, 50) as n) to stdout;
    -- name: pid :one -> scalar
    select pg_backend_pid();
"""


@pytest.fixture
def lines(write: Any) -> Any:
    return write(SQL)


async def everything(db: Any, q: Any, collect: Any) -> None:
    """A call of every kind, with the right results."""
    assert await db.run(q.echo(n=1)) == 1
    assert await db.run(q.rows(count=30)) == list(range(1, 31))
    assert await db.run_many(q.add_one, [{"n": n} for n in range(3)]) == [0, 1, 2]
    assert await db.run_all([q.echo(n=5), q.echo(n=6)]) == [5, 6]
    steps = rx.Multi().add("a", q.echo(n=7)).add("b", lambda done: q.echo(n=done["a"] + 1))
    assert await db.run(steps) == {"a": 7, "b": 8}
    assert await collect(db.stream(q.rows(count=5), batch=3)) == [1, 2, 3, 4, 5]
    assert await db.copy(q.load, [(8,), (9,)]) == 2
    assert len(await db.copy(q.out)) == 50
    assert await db.run_transaction(lambda tx: tx.run(q.add_one(n=10))) == 10


def test_in_pieces_of_one_byte_everything_arrives(
    play: Play, lines: Any, proxy: FaultProxy, collect: Any, marks: Any
) -> None:
    async def story(db: Any) -> None:
        proxy.slice(1)
        await everything(db, lines, collect)

    play(story, proxy.conninfo, pool_size=1)
    assert marks() == [0, 1, 2, 8, 9, 10]


def test_on_a_slow_line_everything_arrives_and_no_limit_is_mistaken(
    play: Play, lines: Any, proxy: FaultProxy, collect: Any, marks: Any
) -> None:
    async def story(db: Any) -> None:
        await db.run(lines.echo(n=0))
        proxy.delay(0.02)
        await everything(db, lines, collect)

    play(story, proxy.conninfo, pool_size=1)
    assert marks() == [0, 1, 2, 8, 9, 10]


def test_a_line_slower_than_the_call_may_be_ends_it_in_its_time(
    play: Play, lines: Any, proxy: FaultProxy, watch: Any
) -> None:
    async def story(db: Any) -> None:
        await db.run(lines.echo(n=0))
        proxy.delay(0.3)
        with watch.at_most(1.0), pytest.raises(rx.DeadlineExceededError):
            await db.run(lines.echo(n=1))
        proxy.heal()
        assert await db.run(lines.echo(n=2)) == 2

    play(story, proxy.conninfo, pool_size=1, timeout=200)


def test_a_connection_whose_other_end_went_while_it_was_idle_is_never_handed_out(
    play: Play, lines: Any, proxy: FaultProxy, marks: Any
) -> None:
    async def story(db: Any) -> None:
        for number, end in enumerate([proxy.cut, proxy.reset] * 2):
            await db.run(lines.echo(n=0))
            end()
            # A write that is not idempotent: only what was never sent may be sent again.
            await db.run(lines.add(n=number))
        assert marks() == [0, 1, 2, 3]

    play(story, proxy.conninfo, pool_size=1)


@pytest.mark.parametrize("how", ["cut", "reset"])
def test_a_result_that_is_cut_in_the_middle_is_an_error_and_never_a_part(
    play: Play, lines: Any, proxy: FaultProxy, barrier: Any, how: str, until: Any, side: Any
) -> None:
    async def story(db: Any) -> None:
        def cut() -> None:
            with psycopg.connect(side.info.dsn, autocommit=True) as other:
                until(
                    lambda: other.execute(
                        "select 1 from pg_locks where locktype = 'advisory' and not granted"
                    ).fetchone()
                )
            getattr(proxy, how)()

        thread = threading.Thread(target=cut)
        thread.start()
        try:
            with pytest.raises(psycopg.OperationalError):
                await db.run(lines.slow_rows())
        finally:
            thread.join()
        assert await db.run(lines.echo(n=2)) == 2

    play(story, proxy.conninfo, pool_size=1)


@pytest.mark.parametrize("how", ["cut", "reset"])
def test_who_streams_has_the_rows_before_the_end_of_the_line_and_then_an_error(
    play: Play, lines: Any, proxy: FaultProxy, how: str
) -> None:
    async def story(db: Any) -> None:
        seen = []
        rows = db.stream(lines.rows(count=1000), batch=100)

        async def take() -> None:
            async for row in rows:
                seen.append(row)
                if row == 250:
                    getattr(proxy, how)()

        with pytest.raises(psycopg.OperationalError):
            await take()
        assert seen == list(range(1, 301))
        assert await db.run(lines.echo(n=2)) == 2

    play(story, proxy.conninfo, pool_size=1)


def test_tasks_that_share_a_transaction_are_served_one_after_the_other(
    runner: asyncio.Runner, accounts_database: str, lines: Any
) -> None:
    async def story() -> None:
        async with (
            rx.AsyncDatabase.open(accounts_database, pool_size=1) as db,
            db.transaction() as tx,
        ):
            calls = [tx.run(lines.nap(n=n, seconds=0.001 * (n % 3))) for n in range(30)]
            calls += [tx.run_all([lines.echo(n=n), lines.echo(n=-n)]) for n in range(30)]
            done = await asyncio.gather(*calls)
            assert done == [*range(30), *([n, -n] for n in range(30))]

    runner.run(story())


def test_threads_that_share_a_transaction_never_get_each_others_results(
    accounts_database: str, lines: Any
) -> None:
    failures: list[BaseException] = []

    def work(tx: Any, first: int) -> None:
        try:
            for number in range(first, first + 40):
                assert tx.run(lines.echo(n=number)) == number
        except BaseException as error:
            failures.append(error)

    with rx.Database.open(accounts_database, pool_size=1) as db, db.transaction() as tx:
        threads = [threading.Thread(target=work, args=[tx, 1000 * n]) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert failures == []


def test_a_task_that_is_cancelled_in_a_shared_transaction_stops_nobody_elses_statement(
    runner: asyncio.Runner, accounts_database: str, lines: Any
) -> None:
    # One that waits for its turn is not at the server yet; a cancel would hit another one's.
    async def story() -> None:
        async with (
            rx.AsyncDatabase.open(accounts_database, pool_size=1) as db,
            db.transaction() as tx,
        ):
            for _ in range(10):
                first = asyncio.create_task(tx.run(lines.nap(n=1, seconds=0.01)))
                waiting = [asyncio.create_task(tx.run(lines.echo(n=n))) for n in range(5)]
                await asyncio.sleep(0.003)
                for task in waiting:
                    task.cancel()
                assert await first == 1
                done = await asyncio.gather(*waiting, return_exceptions=True)
                assert {type(each) for each in done} == {asyncio.CancelledError}
            assert await tx.run(lines.echo(n=9)) == 9

    runner.run(story())


def test_a_cancel_that_comes_late_never_hits_the_next_query(
    runner: asyncio.Runner, accounts_database: str, lines: Any
) -> None:
    async def story() -> int:
        cancelled = 0
        async with rx.AsyncDatabase.open(accounts_database, pool_size=1) as db:
            await db.run(lines.nap(n=0, seconds=0.0))
            for number in range(250):
                # About as long as it takes: some end before, some after, some in that moment.
                task = asyncio.create_task(db.run(lines.nap(n=number, seconds=0.001)))
                await asyncio.sleep(0.0008 + 0.00001 * (number % 120))
                task.cancel()
                for n in itertools.count(number * 10):
                    assert await db.run(lines.echo(n=n)) == n
                    if n % 3 == 2:
                        break
                (done,) = await asyncio.gather(task, return_exceptions=True)
                assert done == number or isinstance(done, asyncio.CancelledError)
                cancelled += isinstance(done, asyncio.CancelledError)
        return cancelled

    assert 0 < runner.run(story()) <= 250


def test_a_deadline_that_comes_late_never_hits_the_next_query(
    play: Play, lines: Any, accounts_database: str
) -> None:
    # Of the server's own limit and of the end of the work, either may be first.
    async def story(db: Any) -> None:
        effects = []
        for number in range(30):
            try:
                await db.run(lines.nap(n=number, seconds=0.0385 + 0.0001 * (number % 30)))
            except rx.DeadlineExceededError as error:
                effects.append(error.effect)
            assert await db.run(lines.echo(n=number)) == number
        assert effects
        assert set(effects) <= {"rolled back", "committed"}

    play(story, pool_size=1, timeout=40)


def test_the_time_of_a_call_is_not_that_of_the_clock_on_the_wall(
    play: Play, lines: Any, watch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    year = 365 * 86400.0
    moments = itertools.cycle([0.0, year, -20 * year, 3600.0, -1.0])
    true = time.time

    async def story(db: Any) -> None:
        monkeypatch.setattr(time, "time", lambda: true() + next(moments))
        before = await db.run(lines.pid())
        for number in range(20):
            assert await db.run(lines.echo(n=number)) == number
        with watch.at_most(1.2, at_least=0.29), pytest.raises(rx.DeadlineExceededError):
            await db.run(lines.nap(n=1, seconds=10))
        assert await db.run(lines.pid()) == before
        with pytest.raises(rx.DeadlineExceededError):
            await db.run_transaction(lambda tx: tx.run(lines.nap(n=1, seconds=10)), timeout=200)
        assert await db.run(lines.pid()) == before
        monkeypatch.undo()

    play(story, pool_size=1, timeout=300)

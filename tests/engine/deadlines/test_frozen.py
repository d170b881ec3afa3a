"""A server, or a line to it, that does not answer any more costs a call no more than its time."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx

if TYPE_CHECKING:
    from collections.abc import Callable

    from raxol_sql.testing import FaultProxy
    from tests.engine.conftest import Play

# Long enough for the calls of the same database that succeed, on a busy machine.
TIMEOUT = 400
# Seconds: what a call may take over its time, and what a busy machine may add to that.
LATE = 0.5
BUSY = 0.25
LIMIT = TIMEOUT / 1000 + LATE + BUSY

# What stands still before its COMMIT is sent.
BEFORE_COMMIT = ("multi", "stream", "transaction", "nested_transaction", "run_transaction")
STANDING_NOW = """
    select pid from pg_locks where locktype = 'advisory' and not granted and database = (
        select oid from pg_database where datname = current_database()
    )
"""


@pytest.fixture
def freeze_what_stands(side: Any, freeze: Any, until: Any) -> Any:
    """Freezes the backend that stands still, once it does, until the end of the test."""
    begun: list[tuple[int, Any]] = []

    def wait_and_freeze() -> None:
        with psycopg.connect(side.info.dsn, autocommit=True) as other:
            ((pid,),) = until(lambda: other.execute(STANDING_NOW).fetchall())
        stopping = freeze(pid)
        stopping.__enter__()
        begun.append((pid, stopping))

    thread = threading.Thread(target=wait_and_freeze)

    def frozen() -> int:
        thread.join()
        return begun[0][0]

    frozen.start = thread.start  # type: ignore[attr-defined]
    try:
        yield frozen
    finally:
        if thread.ident is not None:
            thread.join()
        for _, stopping in begun:
            stopping.__exit__(None, None, None)


def deadline_of(error: BaseException) -> rx.DeadlineExceededError:
    """The deadline that an error is, or comes from."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, rx.DeadlineExceededError):
        found = found.__cause__
    assert found is not None, f"no deadline: {error!r}"
    return found


def test_a_frozen_backend_costs_a_call_its_time_and_nobody_else_anything(
    play: Play,
    q: Any,
    standing: Any,
    side: Any,
    marks: Any,
    ours: Any,
    until: Any,
    watch: Any,
    freeze_what_stands: Any,
) -> None:
    async def story(db: Any) -> None:
        freeze_what_stands.start()
        with watch.at_most(LIMIT), pytest.raises(rx.RaxolSQLError) as caught:
            await standing(db, q)
        frozen = freeze_what_stands()
        is_before_commit = standing.__name__.removeprefix("by_") in BEFORE_COMMIT
        expected = "rolled back" if is_before_commit else "unknown"
        assert deadline_of(caught.value).effect == expected
        if caught.value is not deadline_of(caught.value):
            # Its COMMIT went along, and may be done when the server is thawed.
            assert isinstance(caught.value, rx.OutcomeUnknownError)
            assert caught.value.token is not None

        # The frozen one is nobody's any more, and its place is free.
        with watch.at_most(1):
            pids = [await db.run(q.pid()) for _ in range(5)]
        assert frozen not in pids
        async with db.transaction() as one, db.transaction() as other:
            assert frozen not in (await one.run(q.pid()), await other.run(q.pid()))

    play(story, pool_size=2, timeout=TIMEOUT)
    assert marks() == []


def test_work_on_a_frozen_backend_is_taken_back_once_it_finds_its_client_gone(
    play: Play, q: Any, marks: Any, ours: Any, until: Any, side: Any, freeze: Any
) -> None:
    async def story(db: Any) -> None:
        pids = []

        async def work(tx: Any) -> None:
            await tx.run(q.add(n=1))
            pids.append(await tx.run(q.pid()))
            with freeze(pids[0]):
                await tx.run(q.add(n=2))

        with pytest.raises(rx.DeadlineExceededError):
            await db.run_transaction(work)
        until(lambda: pids[0] not in ours())
        assert marks() == []
        await db.run(q.add(n=3))
        assert marks() == [3]

    play(story, pool_size=1, timeout=TIMEOUT)


def test_a_statement_that_a_frozen_backend_has_not_read_yet_may_happen_as_it_is_said(
    play: Play, q: Any, marks: Any, ours: Any, until: Any, freeze: Any
) -> None:
    async def story(db: Any) -> None:
        pid = await db.run(q.pid())
        await db.run(q.add(n=1))
        with freeze(pid), pytest.raises(rx.DeadlineExceededError) as caught:
            await db.run(q.add(n=2))
        # It reads it when it is thawed, before it sees that nobody is there.
        assert caught.value.effect == "unknown"
        until(lambda: pid not in ours())
        assert marks() in ([1], [1, 2])

    play(story, pool_size=1, timeout=TIMEOUT)


def test_a_backend_that_freezes_at_the_commit_leaves_a_doubt_that_is_settled_by_the_thaw(
    play: Play, q: Any, side: Any, marks: Any, freeze: Any, watch: Any
) -> None:
    async def story(db: Any) -> None:
        stopping: list[Any] = []

        async def work(tx: Any) -> None:
            await tx.run(q.add(n=1))
            stopping.append(freeze(await tx.run(q.pid())))
            stopping[0].__enter__()

        try:
            with watch.at_most(LIMIT), pytest.raises(rx.OutcomeUnknownError) as caught:
                await db.run_transaction(work, timeout=TIMEOUT)
        finally:
            stopping[0].__exit__(None, None, None)
        assert deadline_of(caught.value).effect == "unknown"
        assert caught.value.token is not None
        effect = await db.resolve(caught.value.token)
        assert (effect is rx.failures.Effect.COMMITTED) == (marks() == [1])
        assert effect in (rx.failures.Effect.COMMITTED, rx.failures.Effect.ROLLED_BACK)

    play(story, pool_size=2, timeout=5000)


def test_attempts_and_waits_between_them_are_a_part_of_the_time(
    play: Play, q: Any, watch: Any, marks: Any
) -> None:
    calls = []

    async def work(tx: Any) -> None:
        calls.append(1)
        await tx.run(q.add(n=1))
        await tx.run(q.sleep(seconds=0.03))
        await tx.run(q.fail_as(state="40001"))

    policy = rx.RetryPolicy(attempts=1000, conflict_wait=0.02, longest_conflict_wait=0.02)

    async def story(db: Any) -> None:
        with watch.at_most(0.6 + LATE + BUSY), pytest.raises(psycopg.Error):
            await db.run_transaction(work, timeout=600, retry=policy)
        assert marks() == []
        assert await db.run(q.one()) == 1

    play(story, pool_size=1)
    assert len(calls) > 1


def test_who_waits_for_a_connection_that_never_comes_waits_for_the_time_of_the_call(
    accounts_database: str, q: Any, watch: Any
) -> None:
    with rx.Database.open(accounts_database, pool_size=1, timeout=TIMEOUT) as db:
        held, over = threading.Event(), threading.Event()

        def hold() -> None:
            with db.transaction():
                held.set()
                assert over.wait(10)

        thread = threading.Thread(target=hold)
        thread.start()
        try:
            assert held.wait(5)
            with watch.at_most(LIMIT, at_least=0.39), pytest.raises(rx.PoolExhaustedError):
                db.run(q.one())
        finally:
            over.set()
            thread.join()
        assert db.run(q.one()) == 1


def test_a_frozen_postmaster_costs_who_needs_a_new_connection_the_time_of_the_call(
    play: Play, q: Any, postmaster: int, freeze: Any, watch: Any
) -> None:
    async def story(db: Any) -> None:
        with (
            freeze(postmaster),
            watch.at_most(LIMIT, at_least=0.39),
            pytest.raises(psycopg.OperationalError),
        ):
            await db.run(q.one())
        with watch.at_most(5):
            while True:
                try:
                    assert await db.run(q.one()) == 1
                    break
                except psycopg.OperationalError:
                    assert time.monotonic() - begun < 10

    begun = time.monotonic()
    play(story, pool_size=1, pool_min_size=0, timeout=TIMEOUT)


@pytest.mark.parametrize("standing", ["run", "multi"], indirect=True)
def test_with_a_frozen_postmaster_nobody_can_be_cancelled_and_the_deadline_holds(
    play: Play, q: Any, standing: Any, postmaster: int, freeze: Any, watch: Any, until: Any
) -> None:
    # A request to cancel is a connection of its own: it is not answered either.
    async def story(db: Any) -> None:
        pid = await db.run(q.pid())
        with freeze(postmaster), freeze(pid), watch.at_most(LIMIT):
            with pytest.raises(psycopg.Error) as caught:
                await standing(db, q)
            deadline_of(caught.value)

    play(story, pool_size=1, timeout=TIMEOUT)


def test_opening_a_database_whose_server_does_not_answer_ends_within_its_time(
    play: Play, proxy: FaultProxy, watch: Any
) -> None:
    proxy.accept_and_be_silent()

    async def story(db: Any) -> None:
        raise AssertionError("it opened")

    # libpq takes less than two seconds for two.
    with watch.at_most(3), pytest.raises(psycopg.OperationalError):
        play(story, proxy.conninfo, timeout=TIMEOUT)


@pytest.mark.parametrize("direction", ["both", "to_server", "to_client"])
def test_a_black_hole_on_the_line_costs_a_call_its_time(
    play: Play,
    q: Any,
    proxy: FaultProxy,
    direction: Any,
    marks: Any,
    ours: Any,
    until: Any,
    watch: Any,
) -> None:
    async def story(db: Any) -> None:
        await db.run(q.add(n=1))
        proxy.black_hole(direction)
        with watch.at_most(LIMIT), pytest.raises(rx.DeadlineExceededError) as caught:
            await db.run(q.add(n=2))
        assert caught.value.effect == "unknown"
        # Nothing got there in one direction, and all of it in the other.
        assert marks() == ([1, 2] if direction == "to_client" else [1])
        proxy.heal()
        until(lambda: len(ours()) <= 1)
        assert await db.run(q.one()) == 1

    play(story, proxy.conninfo, pool_size=1, timeout=TIMEOUT)


def test_a_large_parameter_into_a_black_hole_costs_a_call_its_time(
    play: Play, write: Any, proxy: FaultProxy, watch: Any
) -> None:
    long = write("-- name: length :one -> scalar\nselect length(:text::text);")

    async def story(db: Any) -> None:
        assert await db.run(long.length(text="x")) == 1
        proxy.black_hole()
        with watch.at_most(LIMIT), pytest.raises(rx.DeadlineExceededError):
            await db.run(long.length(text="x" * 40_000_000))
        proxy.heal()
        assert await db.run(long.length(text="xy")) == 2

    play(story, proxy.conninfo, pool_size=1, timeout=TIMEOUT)


@pytest.mark.parametrize("verb", ["many", "copy"])
def test_many_rows_into_a_black_hole_cost_a_call_its_time_and_nothing_stays(
    play: Play, q: Any, proxy: FaultProxy, watch: Any, marks: Any, verb: str
) -> None:
    def rows() -> Any:
        for number in range(2_000_000):
            if number == 20_000:
                proxy.black_hole()
            yield (number,) if verb == "copy" else {"n": number}

    async def story(db: Any) -> None:
        assert await db.run(q.total()) == 0
        # Rows are made before the hole as well, so the time begins earlier.
        with watch.at_most(LIMIT + 0.5), pytest.raises(rx.DeadlineExceededError):
            await (db.copy(q.load, rows()) if verb == "copy" else db.run_many(q.add, rows()))
        proxy.heal()
        assert await db.run(q.one()) == 1

    play(story, proxy.conninfo, pool_size=1, timeout=500)
    assert marks() == []


@pytest.mark.parametrize("standing", ["run_transaction"], indirect=True)
def test_a_time_limit_of_asyncio_holds_for_a_frozen_server(
    runner: asyncio.Runner, accounts_database: str, q: Any, standing: Any, freeze: Any, watch: Any
) -> None:
    async def story() -> None:
        async with rx.AsyncDatabase.open(accounts_database, pool_size=1) as db:
            pid = await db.run(q.pid())
            with freeze(pid), watch.at_most(2.5):
                with pytest.raises(TimeoutError) as caught:
                    async with asyncio.timeout(0.2):
                        await standing(db, q)
                assert not isinstance(caught.value, rx.DeadlineExceededError)
                assert await db.run(q.pid()) != pid

    runner.run(story())


def test_closing_does_not_wait_for_a_frozen_server(
    play: Play, q: Any, postmaster: int, freeze: Any, watch: Any
) -> None:
    async def story(db: Any) -> float:
        pid = await db.run(q.pid())
        with freeze(postmaster), freeze(pid), watch.at_most(2.5):
            with pytest.raises(rx.DeadlineExceededError):
                await db.run(q.one())
            await db.close()
        return watch.took

    assert play(story, pool_size=1, timeout=TIMEOUT) < 2.5
    gc.collect()


def test_a_deadline_of_many_calls_at_once_is_that_of_each(
    runner: asyncio.Runner,
    accounts_database: str,
    q: Any,
    proxy: FaultProxy,
    watch: Any,
    eventually: Callable[..., Any],
) -> None:
    async def story() -> None:
        size = 8
        async with rx.AsyncDatabase.open(
            proxy.conninfo, pool_size=size, pool_min_size=size, timeout=1000
        ) as db:
            await asyncio.gather(*(db.run(q.sleep(seconds=0.02)) for _ in range(size)))
            proxy.black_hole()
            with watch.at_most(1 + LATE + BUSY):
                done = await asyncio.gather(
                    *(db.run(q.one()) for _ in range(3 * size)), return_exceptions=True
                )
            kinds = {type(each) for each in done}
            assert kinds <= {rx.DeadlineExceededError, rx.PoolExhaustedError}
            proxy.heal()
            await asyncio.gather(*(db.run(q.one()) for _ in range(size)))

    runner.run(story())

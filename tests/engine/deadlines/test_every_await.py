"""A task may be cancelled at each of the moments in which it waits: all of them are tried."""

from __future__ import annotations

import asyncio
import itertools
import types
import uuid
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import attrs
import pytest

import raxol_sql as rx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator

SQL = """\
    -- name: nap :one -> scalar
    select :n::int from pg_sleep(0.002);
    -- name: add :exec
    insert into marks (n) values (:n);
    -- name: add_one :one -> scalar
    insert into marks (n) values (:n) returning n;
    -- name: add_napping :one -> scalar
    with nap as materialized (select pg_sleep(0.002))
    insert into marks (n) select :n from nap returning n;
    -- name: add_limited :exec
    -- @timeout 4s
    insert into marks (n) values (:n);
    -- name: rows :many -> scalar
    select n from generate_series(1, 40) as n where n % 20 > 0 or pg_sleep(0.002) is not null;
    -- name: load :copy
    copy marks (n) from stdin;
    -- name: out :copy
    copy (select n from generate_series(1, 40) as n where n % 20 > 0 or pg_sleep(0.002) is not null)
    to stdout;
    -- name: fail_as :exec
    select fail_as(:state);
    -- name: pid :one -> scalar
    select pg_backend_pid();
    -- name: limit_now :one -> scalar
    show statement_timeout;
"""
POOL = 2
# More suspensions than any of these calls has.
MOST = 400
# In which loop, and whether as the answer comes instead of while it is waited for.
MOMENTS = [("asyncio", False), ("asyncio", True), ("uvloop", False)]
NOTE = "the COMMIT had been sent; the transaction: "


@pytest.fixture
def awaits(write: Any) -> Any:
    """Queries that wait for a moment each."""
    return write(SQL)


@attrs.define
class Cancelling:
    """
    Awaits a coroutine, and cancels the task at its suspension number ``at``, the first being 1.

    With ``late`` it does so as what was waited for comes, before the task can go on: the cancel
    and the answer meet. ``count`` is how often it was suspended.
    """

    at: int
    late: bool = False
    count: int = 0
    is_cancelled: bool = False

    @types.coroutine
    def __call__(self, coroutine: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        task = asyncio.current_task()
        assert task is not None
        value, error = None, None
        while True:
            try:
                waited_for = coroutine.throw(error) if error else coroutine.send(value)
            except StopIteration as finished:
                return finished.value
            self.count += 1
            if self.count == self.at:
                self._cancel(task, waited_for)
            value, error = None, None
            try:
                value = yield waited_for
            except BaseException as caught:
                error = caught

    def _cancel(self, task: asyncio.Task[Any], waited_for: Any) -> None:
        def cancel(_: object = None) -> None:
            self.is_cancelled = True
            task.cancel()

        if self.late and waited_for is not None:
            # Ours is called before the one with which the task waits for it.
            waited_for._asyncio_future_blocking = False
            waited_for.add_done_callback(cancel)
            waited_for._asyncio_future_blocking = True
        else:
            cancel()


async def by_run(db: Any, q: Any) -> None:
    assert await db.run(q.add_one(n=1)) == 1


async def by_run_that_takes_a_moment(db: Any, q: Any) -> None:
    assert await db.run(q.add_napping(n=1)) == 1


async def by_run_with_a_limit(db: Any, q: Any) -> None:
    await db.run(q.add_limited(n=1))


async def by_run_with_a_marker(db: Any, q: Any) -> None:
    assert await db.run(q.add_napping(n=1), commit_check="marker") == 1


async def by_run_many(db: Any, q: Any) -> None:
    assert await db.run_many(q.add_one, [{"n": n} for n in (1, 2, 3)]) == [1, 2, 3]


async def by_run_all(db: Any, q: Any) -> None:
    assert await db.run_all([q.nap(n=1), q.nap(n=2)]) == [1, 2]


async def by_multi(db: Any, q: Any) -> None:
    steps = rx.Multi().add("a", q.add_one(n=1)).add("b", lambda done: q.add_one(n=done["a"] + 1))
    assert await db.run(steps) == {"a": 1, "b": 2}


async def by_stream(db: Any, q: Any) -> None:
    found = [row async for row in db.stream(q.rows(), batch=20)]
    assert len(found) == 40


async def by_stream_that_is_closed_early(db: Any, q: Any) -> None:
    async with aclosing(db.stream(q.rows(), batch=10)) as rows:
        async for _ in rows:
            break


async def by_copy_in(db: Any, q: Any) -> None:
    async def rows() -> AsyncIterator[Any]:
        for number in range(3):
            yield (number,)
            await asyncio.sleep(0)

    assert await db.copy(q.load, rows()) == 3


async def by_copy_out(db: Any, q: Any) -> None:
    assert len(await db.copy(q.out)) == 40


async def by_transaction(db: Any, q: Any) -> None:
    async with db.transaction() as tx:
        await tx.run(q.add(n=1))
        await tx.run(q.add_napping(n=2))


async def by_nested_transaction(db: Any, q: Any) -> None:
    async with db.transaction() as tx:
        await tx.run(q.add(n=1))
        async with tx.transaction() as inner:
            await inner.run(q.add_napping(n=2))


async def by_run_transaction(db: Any, q: Any) -> None:
    async def work(tx: Any) -> int:
        await tx.run(q.add(n=1))
        return int(await tx.run(q.add_napping(n=2)))

    assert await db.run_transaction(work) == 2


async def by_transact_with_a_marker(db: Any, q: Any) -> None:
    async def work(tx: Any) -> int:
        return int(await tx.run(q.add_one(n=1)))

    assert await db.run_transaction(work, commit_check="marker") == 1


async def by_transact_that_is_repeated(db: Any, q: Any) -> None:
    attempts = itertools.count(1)

    async def work(tx: Any) -> None:
        await tx.run(q.add(n=1))
        if next(attempts) < 3:
            await tx.run(q.fail_as(state="40001"))

    await db.run_transaction(work)


async def by_resolve(db: Any, q: Any) -> None:
    token = rx.OutcomeToken(None, None, uuid.uuid4())
    assert await db.resolve(token) is rx.failures.Effect.ROLLED_BACK


async def by_transactions_that_wait_for_a_connection(db: Any, q: Any) -> None:
    async with db.transaction() as one, db.transaction() as other:
        await one.run(q.add(n=1))
        waiting = asyncio.create_task(db.run(q.pid()))
        try:
            await other.run(q.add(n=2))
            await asyncio.sleep(0)
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)


# What each of them marks, if it happens.
VERBS: dict[Callable[[Any, Any], Awaitable[None]], list[list[int]]] = {
    by_run: [[1]],
    by_run_that_takes_a_moment: [[1]],
    by_run_with_a_limit: [[1]],
    by_run_with_a_marker: [[1]],
    by_run_many: [[1, 2, 3]],
    by_run_all: [[]],
    by_multi: [[1, 2]],
    by_stream: [[]],
    by_stream_that_is_closed_early: [[]],
    by_copy_in: [[0, 1, 2]],
    by_copy_out: [[]],
    by_transaction: [[1, 2]],
    by_nested_transaction: [[1, 2]],
    by_run_transaction: [[1, 2]],
    by_transact_with_a_marker: [[1]],
    by_transact_that_is_repeated: [[1]],
    by_resolve: [[]],
    # The one that was committed may be the inner one alone.
    by_transactions_that_wait_for_a_connection: [[1, 2], [2]],
}
# A statement outside of a transaction is its own commit, and nobody waits for that.
ALONE = (by_run, by_run_that_takes_a_moment, by_run_with_a_limit, by_copy_in)


def validate_commit_check(verb: Any, error: BaseException, marks: list[int]) -> None:
    """What the error says of a COMMIT that was sent is what the table says."""
    notes = [n.removeprefix(NOTE) for n in getattr(error, "__notes__", ()) if n.startswith(NOTE)]
    happened = VERBS[verb]
    if notes and happened != [[]]:
        assert len(notes) == 1 or verb is by_transactions_that_wait_for_a_connection, notes
        assert (notes[0] == "committed") == (marks in happened), (notes, marks)
        assert notes[0] in ("committed", "rolled back")
    elif verb in ALONE:
        assert marks in ([], *happened)
    else:
        assert marks == []


@pytest.mark.parametrize(("runner", "late"), MOMENTS, indirect=["runner"])
@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__[3:])
def test_cancelled_wherever_it_waits_a_call_ends_so_and_leaves_nothing_behind(
    accounts_database: str,
    awaits: Any,
    side: Any,
    marks: Any,
    ours: Any,
    eventually: Any,
    runner: asyncio.Runner,
    verb: Any,
    late: bool,
) -> None:
    q = awaits
    policy = rx.RetryPolicy(conflict_wait=0.002)

    async def at(db: Any, number: int) -> Cancelling:
        side.execute("truncate marks")
        cancelling = Cancelling(number, late)
        task = asyncio.ensure_future(cancelling(verb(db, q)))
        done, _ = await asyncio.wait([task], timeout=5)
        assert done, "it did not end"
        if not cancelling.is_cancelled:
            await task
            assert marks() in VERBS[verb]
            return cancelling
        # Never lost, and never taken for something else.
        assert task.cancelled(), f"at {number}: {task!r}"
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        await eventually(lambda: not ours(busy=True))
        validate_commit_check(verb, caught.value, marks())
        return cancelling

    async def is_whole(db: Any) -> None:
        async with asyncio.timeout(5):
            async with db.transaction() as one, db.transaction() as other:
                pids = {await one.run(q.pid()), await other.run(q.pid())}
                assert await one.run(q.limit_now()) == await other.run(q.limit_now()) == "5s"
            assert len(pids) == POOL
            assert await db.run(q.nap(n=7)) == 7
        await eventually(lambda: len(ours()) == POOL)

    async def story() -> int:
        async with rx.AsyncDatabase.open(
            accounts_database, pool_size=POOL, pool_min_size=POOL, timeout=5000, retry=policy
        ) as db:
            await verb(db, q)
            for number in range(1, MOST):
                if not (await at(db, number)).is_cancelled:
                    return number - 1
                await is_whole(db)
            raise AssertionError("it never ends")

    assert runner.run(story()) > 0


@pytest.mark.parametrize("late", [False, True], ids=["as it waits", "as the answer comes"])
def test_opening_that_is_cancelled_wherever_it_waits_leaves_no_connection(
    accounts_database: str, ours: Any, eventually: Any, runner: asyncio.Runner, late: bool
) -> None:
    async def open_and_close() -> None:
        async with rx.AsyncDatabase.open(accounts_database, pool_size=2, pool_min_size=2):
            pass

    async def story() -> int:
        for number in range(1, MOST):
            cancelling = Cancelling(number, late)
            task = asyncio.ensure_future(cancelling(open_and_close()))
            done, _ = await asyncio.wait([task], timeout=5)
            assert done, "it did not end"
            if cancelling.is_cancelled:
                assert task.cancelled(), f"at {number}: {task!r}"
            else:
                await task
                return number - 1
            await eventually(lambda: not ours())
            others = asyncio.all_tasks() - {asyncio.current_task()}
            if others:
                _, running = await asyncio.wait(others, timeout=5)
                assert not running
        raise AssertionError("it never ends")

    assert runner.run(story()) > 0


def test_closing_that_is_cancelled_can_be_done_again_and_leaves_no_connection(
    accounts_database: str, awaits: Any, ours: Any, eventually: Any, runner: asyncio.Runner
) -> None:
    async def story() -> int:
        for number in range(1, MOST):
            db = await rx.AsyncDatabase.open(accounts_database, pool_size=2, pool_min_size=2)
            await db.run(awaits.nap(n=1))
            cancelling = Cancelling(number)
            task = asyncio.ensure_future(cancelling(db.close()))
            await asyncio.wait([task], timeout=5)
            assert task.done()
            assert task.cancelled() == cancelling.is_cancelled
            await db.close()
            await eventually(lambda: not ours())
            if not cancelling.is_cancelled:
                return number - 1
        raise AssertionError("it never ends")

    assert runner.run(story()) > 0


def test_a_time_limit_that_is_over_at_any_moment_is_told_apart_from_ours(
    accounts_database: str,
    awaits: Any,
    runner: asyncio.Runner,
    marks: Any,
    ours: Any,
    side: Any,
    eventually: Any,
) -> None:
    q = awaits

    async def story() -> None:
        async with rx.AsyncDatabase.open(accounts_database, pool_size=POOL) as db:
            for tenths in range(60):
                side.execute("truncate marks")
                error: BaseException | None = None
                try:
                    async with asyncio.timeout(tenths / 10_000):
                        await by_run_transaction(db, q)
                except TimeoutError as caught:
                    error = caught
                if error is None:
                    assert marks() == [1, 2]
                    continue
                assert type(error) is TimeoutError
                assert isinstance(error.__cause__, asyncio.CancelledError)
                validate_commit_check(by_run_transaction, error.__cause__, marks())
            # The pool stops what a call left, after the call.
            await eventually(lambda: not ours(busy=True))

    runner.run(story())

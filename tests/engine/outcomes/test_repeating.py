"""What is done again after a failure, how often, and what never is."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.testing import to_server

if TYPE_CHECKING:
    from tests.engine.conftest import Play

NO_WAITS = rx.RetryPolicy().without_waits()


@pytest.mark.parametrize("retries", [0, 1, 5])
def test_a_conflict_is_repeated_as_often_as_is_configured(
    play: Play, q: Any, attempts: Any, retries: int
) -> None:
    async def work(tx: Any) -> None:
        await tx.run(q.attempt())
        await tx.run(q.raise_state(state="40001"))

    async def story(db: Any) -> None:
        with pytest.raises(psycopg.errors.SerializationFailure) as caught:
            await db.run_transaction(work)
        notes = caught.value.__notes__
        assert "in query q.raise_state" in notes[0]
        if retries:
            assert f"after {retries + 1} attempts" in notes[-1]
            assert "the attempts are used up" in notes[-1]

    play(story, max_retries=retries, retry_interval=0)
    assert attempts() == retries + 1


@pytest.mark.parametrize("state", ["23505", "22012", "42P01", "P0001", "40002", "57014", "XX000"])
def test_what_would_fail_again_is_not_repeated(
    play: Play, q: Any, attempts: Any, state: str
) -> None:
    async def work(tx: Any) -> None:
        await tx.run(q.attempt())
        await tx.run(q.raise_state(state=state))

    async def story(db: Any) -> None:
        with pytest.raises(psycopg.Error) as caught:
            await db.run_transaction(work, retry=NO_WAITS)
        assert caught.value.sqlstate == state

    play(story)
    assert attempts() == 1


def test_a_state_is_repeated_by_choice(play: Play, q: Any, attempts: Any) -> None:
    async def work(tx: Any) -> None:
        await tx.run(q.attempt())
        await tx.run(q.raise_state(state="55P03"))

    async def story(db: Any) -> None:
        chosen = rx.RetryPolicy(extra_sqlstates={"55P03"}, extra_max_retries=2).without_waits()
        with pytest.raises(psycopg.errors.LockNotAvailable):
            await db.run_transaction(work, retry=chosen)

    play(story)
    assert attempts() == 3


def test_an_exception_of_the_programs_own_is_no_reason_to_repeat(
    play: Play, q: Any, attempts: Any, marks: Any
) -> None:
    async def work(tx: Any) -> None:
        await tx.run(q.attempt())
        await tx.run(q.add(n=1))
        raise ConnectionError("somewhere else")

    async def story(db: Any) -> None:
        with pytest.raises(ConnectionError, match="somewhere else"):
            await db.run_transaction(work)

    play(story)
    assert (attempts(), marks()) == (1, [])


def test_a_conflict_at_the_commit_itself_is_repeated(
    play: Play, q: Any, side: Any, attempts: Any, marks: Any
) -> None:
    side.execute(
        """
        create function once() returns trigger language plpgsql as $$
        begin
            if currval('attempts') < 3 then
                raise exception using errcode = '40001', message = 'not yet';
            end if;
            return null;
        end $$;
        create constraint trigger once after insert on marks
        deferrable initially deferred for each row execute function once();
        """
    )

    async def work(tx: Any) -> int:
        turn: int = await tx.run(q.attempt())
        await tx.run(q.add(n=turn))
        return turn

    async def story(db: Any) -> None:
        assert await db.run_transaction(work) == 3

    try:
        play(story, retry_interval=0)
        assert (attempts(), marks()) == (3, [3])
    finally:
        side.execute("drop function once cascade")


def test_a_deferred_constraint_that_fails_at_the_commit_is_not_repeated(
    play: Play, q: Any, attempts: Any, marks: Any, write: Any
) -> None:
    twice = write("-- name: twice :exec\nset constraints all deferred;\n")

    async def work(tx: Any) -> None:
        await tx.run(q.attempt())
        await tx.run(twice.twice())
        await tx.run(q.add(n=1))
        await tx.run(q.add(n=1))

    async def story(db: Any) -> None:
        with pytest.raises(psycopg.errors.UniqueViolation):
            await db.run_transaction(work)

    play(story)
    assert (attempts(), marks()) == (1, [])


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_a_conflict_in_a_nested_block_repeats_the_whole_even_if_it_was_caught(
    play: Play, q: Any, attempts: Any, marks: Any, state: str
) -> None:
    async def nested(tx: Any) -> None:
        async with tx.transaction() as inner:
            await inner.run(q.add(n=2))
            await inner.run(q.raise_state(state=state))

    async def work(tx: Any) -> int:
        turn: int = await tx.run(q.attempt())
        await tx.run(q.add(n=1))
        if turn < 3:
            with pytest.raises(psycopg.OperationalError):
                await nested(tx)
        return turn

    async def story(db: Any) -> None:
        assert await db.run_transaction(work) == 3

    play(story, retry_interval=0)
    assert (attempts(), marks()) == (3, [1])


def test_another_error_in_a_nested_block_leaves_the_outer_one_going_on(
    play: Play, q: Any, attempts: Any, marks: Any
) -> None:
    async def nested(tx: Any) -> None:
        async with tx.transaction() as inner:
            await inner.run(q.add(n=2))
            await inner.run(q.fail())

    async def work(tx: Any) -> None:
        await tx.run(q.attempt())
        await tx.run(q.add(n=1))
        with pytest.raises(psycopg.errors.DivisionByZero):
            await nested(tx)
        await tx.run(q.add(n=3))

    async def story(db: Any) -> None:
        await db.run_transaction(work)

    play(story)
    assert (attempts(), marks()) == (1, [1, 3])


def test_a_nested_transact_is_a_savepoint_that_is_never_repeated_alone(
    play: Play, q: Any, attempts: Any, marks: Any
) -> None:
    inner_calls: list[int] = []

    async def inner(tx: Any) -> None:
        inner_calls.append(1)
        await tx.run(q.add(n=2))
        if len(inner_calls) < 3:
            await tx.run(q.raise_state(state="40001"))

    async def work(tx: Any) -> None:
        await tx.run(q.attempt())
        await tx.run(q.add(n=1))
        await tx.run_transaction(inner)

    async def story(db: Any) -> None:
        await db.run_transaction(work)

    play(story, retry_interval=0)
    assert (attempts(), len(inner_calls), marks()) == (3, 3, [1, 2])


def test_options_of_a_nested_transact_are_refused(play: Play, q: Any) -> None:
    async def work(tx: Any) -> None:
        with pytest.raises(rx.errors.TransactionError, match="belong to the outermost"):
            await tx.run_transaction(work, isolation="serializable")

    async def story(db: Any) -> None:
        await db.run_transaction(work)

    play(story)


@pytest.mark.parametrize("state", ["40001", "22012"])
def test_an_error_that_was_caught_is_never_a_silent_success(
    play: Play, q: Any, attempts: Any, marks: Any, state: str
) -> None:
    async def work(tx: Any) -> int:
        turn: int = await tx.run(q.attempt())
        await tx.run(q.add(n=1))
        if turn < 3:
            with pytest.raises(psycopg.Error):
                await tx.run(q.raise_state(state=state))
        return turn

    async def story(db: Any) -> None:
        if state == "40001":
            assert await db.run_transaction(work) == 3
            return
        with pytest.raises(
            rx.errors.TransactionError, match="the transaction was rolled back"
        ) as caught:
            await db.run_transaction(work)
        assert isinstance(caught.value.__cause__, psycopg.errors.DivisionByZero)

    play(story, retry_interval=0)
    assert (attempts(), marks()) == ((3, [1]) if state == "40001" else (1, []))


def test_a_lost_connection_that_was_caught_is_never_a_silent_success(
    play: Play, q: Any, side: Any, marks: Any
) -> None:
    async def block(db: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(q.add(n=1))
            side.execute("select pg_terminate_backend(%s, 5000)", [await tx.run(q.pid())])
            with pytest.raises(psycopg.OperationalError):
                await tx.run(q.add(n=2))

    async def story(db: Any) -> None:
        with pytest.raises(psycopg.OperationalError) as caught:
            await block(db)
        assert not isinstance(caught.value, rx.OutcomeUnknownError)

    play(story)
    assert marks() == []


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_a_session_that_is_ended_in_a_transaction_is_replaced_and_the_whole_repeated(
    play: Play, q: Any, side: Any, attempts: Any, marks: Any, isolation: str
) -> None:
    async def work(tx: Any) -> str:
        turn = await tx.run(q.attempt())
        await tx.run(q.add(n=1))
        if turn < 3:
            side.execute("select pg_terminate_backend(%s, 5000)", [await tx.run(q.pid())])
        await tx.run(q.add(n=2))
        given: str = await tx.run(q.isolation())
        return given

    async def story(db: Any) -> None:
        assert await db.run_transaction(work, isolation=isolation) == isolation

    play(story, retry_interval=0)
    assert (attempts(), marks()) == (3, [1, 2])


def test_a_query_that_ends_its_connection_without_a_word_is_not_tried_a_third_time(
    play: Play, q: Any, proxy: Any, attempts: Any
) -> None:
    async def work(tx: Any) -> None:
        await tx.run(q.attempt())
        proxy.cut_at(to_server(b"E", contains=b"insert into marks"), when="after")
        await tx.run(q.add_one(n=1))

    async def story(db: Any) -> None:
        with pytest.raises(psycopg.OperationalError) as caught:
            await db.run_transaction(work)
        assert "the query itself may be crashing the connection" in caught.value.__notes__[-1]

    play(story, proxy.conninfo, retry_interval=0)
    assert attempts() == 2


def test_a_deadlock_has_one_victim_and_both_succeed(play: Play, q: Any, side: Any) -> None:
    side.execute("insert into marks select generate_series(1, 2)")
    meeting = threading.Barrier(2, timeout=10)

    def work(first: int, second: int) -> Any:
        async def both(tx: Any) -> int:
            turn: int = await tx.run(q.attempt())
            await tx.run(q.touch(n=first))
            if turn <= 2:  # the first attempts of the two
                await asyncio.to_thread(meeting.wait)
            await tx.run(q.touch(n=second))
            return turn

        return both

    def in_thread(first: int, second: int) -> int:
        def both(tx: Any) -> int:
            turn: int = tx.run(q.attempt())
            tx.run(q.touch(n=first))
            if turn <= 2:
                meeting.wait()
            tx.run(q.touch(n=second))
            return turn

        return int(blocking.run_transaction(both))

    async def story(db: Any) -> list[int]:
        nonlocal blocking
        if play.colour == "asyncio":
            return await asyncio.gather(
                db.run_transaction(work(1, 2)), db.run_transaction(work(2, 1))
            )
        blocking = db.verbs
        return await asyncio.gather(
            asyncio.to_thread(in_thread, 1, 2), asyncio.to_thread(in_thread, 2, 1)
        )

    blocking: Any = None
    turns = play(story)
    assert sorted(turns) in ([1, 3], [2, 3])


def test_write_skew_is_never_committed_by_both(play: Play, q: Any, side: Any, marks: Any) -> None:
    # Each adds a mark only if there is none: together that is one mark, in any order.
    def work(n: int) -> Any:
        async def alone(tx: Any) -> bool:
            if await tx.run(q.count()):
                return False
            await asyncio.sleep(0.01)
            await tx.run(q.add(n=n))
            return True

        return alone

    async def story(db: Any) -> None:
        async with rx.AsyncDatabase.open(play.conninfo) as other:
            for _ in range(5):
                added = await asyncio.gather(
                    *(other.run_transaction(work(n), isolation="serializable") for n in (1, 2, 3))
                )
                assert sorted(added) == [False, False, True]
                assert len(marks()) == 1
                side.execute("truncate marks")

    play(story)


@pytest.mark.parametrize("workers", [32])
def test_a_storm_of_conflicts_ends_with_every_increment(
    accounts_database: str, q: Any, side: Any, workers: int
) -> None:
    side.execute("insert into marks values (0)")
    turns, patient = 25, rx.RetryPolicy(attempts=100)

    async def increase(tx: Any) -> None:
        await tx.run(q.increase())

    async def worker(db: Any) -> None:
        for _ in range(turns):
            await db.run_transaction(
                increase, isolation="serializable", retry=patient, timeout=60_000
            )

    async def story() -> None:
        async with rx.AsyncDatabase.open(accounts_database, pool_size=16, timeout=60_000) as db:
            await asyncio.gather(*(worker(db) for _ in range(workers)))

    asyncio.run(story())
    assert side.execute("select n from marks").fetchall() == [(workers * turns,)]

"""Work whose COMMIT was never sent is rolled back, and every error says so."""

from __future__ import annotations

from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.testing import to_server

if TYPE_CHECKING:
    from tests.engine.conftest import Play

SELECT = to_server(b"B")
# What a call of several queries has, and the making of a connection; a query has less.
LONGER = 700


def in_transaction(silence: Any) -> Any:
    async def work(db: Any, q: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(q.add(n=1))
            silence()
            await tx.run(q.add(n=2))

    return work


def in_savepoint(silence: Any) -> Any:
    async def work(db: Any, q: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(q.add(n=1))
            async with tx.transaction() as inner:
                await inner.run(q.add(n=2))
                silence()
                await inner.run(q.add(n=3))

    return work


def in_transact(silence: Any) -> Any:
    async def steps(tx: Any) -> None:
        await tx.run(q_.add(n=1))
        silence()
        await tx.run(q_.add(n=2))

    q_: Any = None

    async def work(db: Any, q: Any) -> None:
        nonlocal q_
        q_ = q
        await db.run_transaction(steps)

    return work


def in_multi(silence: Any) -> Any:
    async def work(db: Any, q: Any) -> None:
        def second(done: Any) -> Any:
            silence()
            return q.add(n=2)

        # The function needs a result, so the COMMIT cannot travel with the first step.
        await db.run(rx.Multi().add("one", q.add_one(n=1)).add("two", second))

    return work


def in_nested_multi(silence: Any) -> Any:
    async def work(db: Any, q: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(q.add(n=1))
            silence()
            await tx.run(rx.Multi().add("one", q.add(n=2)))

    return work


def in_nested_run_many(silence: Any) -> Any:
    async def work(db: Any, q: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(q.add(n=1))
            silence()
            await tx.run_many(q.add, [{"n": 2}])

    return work


def in_stream(silence: Any) -> Any:
    async def work(db: Any, q: Any) -> None:
        async with aclosing(db.stream(q.numbers(), batch=2)) as rows:
            async for _ in rows:
                silence()

    return work


def in_copy(silence: Any) -> Any:
    async def work(db: Any, q: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(q.add(n=1))
            silence()
            await tx.copy(q.load, [(2,)])

    return work


WORK = {
    "transaction": in_transaction,
    "savepoint": in_savepoint,
    "run_transaction": in_transact,
    "Multi": in_multi,
    "Multi in a transaction": in_nested_multi,
    "run_many in a transaction": in_nested_run_many,
    "stream": in_stream,
    "copy in a transaction": in_copy,
}


@pytest.fixture
def q(write: Any) -> Any:
    """Queries that leave marks, and some numbers to stream."""
    return write(
        """\
        -- name: add :exec
        -- @timeout 150ms
        insert into marks (n) values (:n);
        -- name: add_one :one -> scalar
        insert into marks (n) values (:n) returning n;
        -- name: numbers :many -> scalar
        -- @timeout 150ms
        select n from generate_series(1, 9) as n;
        -- name: load :copy
        -- @timeout 150ms
        copy marks (n) from stdin;
        -- name: pid :one -> scalar
        select pg_backend_pid();
        """
    )


@pytest.mark.parametrize("work", WORK.values(), ids=WORK.keys())
def test_where_the_line_goes_dead_before_the_commit_the_effect_is_rolled_back(
    play: Play, q: Any, proxy: Any, marks: Any, until: Any, sessions: Any, work: Any
) -> None:
    async def story(db: Any) -> None:
        with pytest.raises(rx.DeadlineExceededError) as caught:
            await work(proxy.black_hole)(db, q)
        assert caught.value.effect == "rolled back"
        assert "rolled back" in str(caught.value)

    play(story, proxy.conninfo, timeout=LONGER)
    proxy.reset()
    until(lambda: sessions() == 0)
    assert marks() == []


@pytest.mark.parametrize("work", WORK.values(), ids=WORK.keys())
def test_where_the_line_is_cut_before_the_commit_it_is_no_unknown_outcome(
    play: Play, q: Any, proxy: Any, marks: Any, work: Any
) -> None:
    async def story(db: Any) -> None:
        with pytest.raises(psycopg.OperationalError) as caught:
            await work(proxy.cut)(db, q)
        assert not isinstance(caught.value, rx.OutcomeUnknownError)

    play(story, proxy.conninfo, max_retries=0)
    assert marks() == []


def test_an_error_that_is_caught_inside_says_rolled_back_too(
    play: Play, q: Any, proxy: Any
) -> None:
    async def block(db: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(q.add(n=1))
            proxy.black_hole()
            with pytest.raises(rx.DeadlineExceededError) as caught:
                await tx.run(q.add(n=2))
            assert caught.value.effect == "rolled back"
            proxy.heal()

    async def story(db: Any) -> None:
        with pytest.raises(psycopg.OperationalError):
            await block(db)

    play(story, proxy.conninfo, timeout=LONGER)


def test_a_deadline_in_another_database_keeps_its_own_effect(
    play: Play, q: Any, proxy: Any, accounts_database: str
) -> None:
    # The error passes through a block of a database that has nothing to do with it.
    async def block(db: Any, other: Any) -> None:
        async with other.transaction() as tx:
            await tx.run(q.add(n=1))
            proxy.cut_at(to_server(b"S"), when="after", how="freeze")
            await db.run(q.add(n=2))

    async def story(db: Any) -> None:
        await db.run(q.add(n=0))
        async with rx.AsyncDatabase.open(accounts_database) as other:
            with pytest.raises(rx.DeadlineExceededError) as caught:
                await block(db, other)
        assert caught.value.effect == "unknown"

    play(story, proxy.conninfo, timeout=LONGER)


def test_a_lone_statement_on_a_dead_line_stays_unknown_after_a_transaction_before_it(
    play: Play, q: Any, proxy: Any
) -> None:
    async def story(db: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(q.add(n=1))
        with suppress(ZeroDivisionError):
            async with db.transaction() as tx:
                await tx.run(q.add(n=2))
                raise ZeroDivisionError
        proxy.cut_at(to_server(b"S"), when="after", how="freeze")
        with pytest.raises(rx.DeadlineExceededError) as caught:
            await db.run(q.add(n=3))
        assert caught.value.effect == "unknown"

    play(story, proxy.conninfo, timeout=LONGER, pool_size=1)


def test_a_statement_that_was_never_sent_had_no_effect(play: Play, q: Any, proxy: Any) -> None:
    # The line goes dead while the server is asked what the statement is like.
    async def story(db: Any) -> None:
        await db.run(q.pid())
        proxy.cut_at(to_server(b"P"), how="freeze")
        with pytest.raises(rx.DeadlineExceededError) as caught:
            await db.run(q.add(n=1))
        assert caught.value.effect == "none"

    play(story, proxy.conninfo, timeout=LONGER, pool_size=1)


def test_a_statement_that_ends_as_its_deadline_comes_is_rolled_back_with_its_transaction(
    play: Play, q: Any, proxy: Any, marks: Any
) -> None:
    async def block(db: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(q.add(n=1))
            proxy.delay(0.2)
            await tx.run(q.add(n=2))

    async def story(db: Any) -> None:
        await db.run(q.add(n=0))
        with pytest.raises(rx.DeadlineExceededError) as caught:
            await block(db)
        assert caught.value.effect == "rolled back"

    play(story, proxy.conninfo, timeout=2000)
    assert marks() == [0]

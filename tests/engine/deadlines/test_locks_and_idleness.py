"""Locks that are not to be had, and transactions that the server itself ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import raxol_sql as rx
from raxol_sql import RetryPolicy
from raxol_sql.failures import Category, Effect, Phase, classify

if TYPE_CHECKING:
    from tests.engine.conftest import Play

LOCKS = """\
    -- name: lock_nowait :many -> scalar
    select n from marks for update nowait;
    -- name: lock_wait :many -> scalar
    select n from marks for update;
    -- name: pid :one -> scalar
    select pg_backend_pid();
"""


@pytest.fixture
def locks(write: Any) -> Any:
    """Queries that want rows for themselves."""
    return write(LOCKS)


@pytest.fixture
def table_lock(side: Any, accounts_database: str) -> Any:
    """Locks the table of marks against everybody, until it is released."""
    with psycopg.connect(accounts_database) as connection:
        connection.execute("lock table marks in access exclusive mode")
        yield connection
        connection.rollback()


@pytest.mark.parametrize("query", ["lock_nowait", "lock_wait"])
def test_a_lock_that_is_not_to_be_had_is_the_servers_error_after_lock_timeout(
    play: Play, accounts_database: str, locks: Any, table_lock: Any, watch: Any, query: str
) -> None:
    # NOWAIT is for the rows: for the table's own lock even that waits.
    async def story(db: Any) -> None:
        before = await db.run(locks.pid())
        with (
            watch.at_most(1.5, at_least=0.14),
            pytest.raises(psycopg.errors.LockNotAvailable) as caught,
        ):
            await db.run(locks[query]())
        failure = classify(caught.value, Phase.SENT)
        assert (failure.category, failure.effect) == (Category.LOCK, Effect.ROLLED_BACK)
        assert await db.run(locks.pid()) == before

    play(story, make_conninfo(accounts_database, options="-c lock_timeout=150"), pool_size=1)


def test_a_lock_is_waited_for_no_longer_than_the_call_may_take(
    play: Play, locks: Any, table_lock: Any, watch: Any
) -> None:
    async def story(db: Any) -> None:
        before = await db.run(locks.pid())
        with watch.at_most(0.9, at_least=0.29), pytest.raises(rx.DeadlineExceededError) as caught:
            await db.run(locks.lock_nowait())
        assert caught.value.effect == "rolled back"
        assert await db.run(locks.pid()) == before

    play(story, pool_size=1, timeout=300)


def test_who_chose_to_asks_again_for_a_lock_and_gets_it_once_it_is_free(
    play: Play, q: Any, locks: Any, side: Any, accounts_database: str
) -> None:
    side.execute("insert into marks values (1)")
    attempts = []
    with psycopg.connect(accounts_database) as other:
        other.execute("select n from marks for update")

        async def work(tx: Any) -> Any:
            attempts.append(1)
            if len(attempts) == 2:
                other.rollback()
            return await tx.run(locks.lock_nowait())

        async def story(db: Any) -> None:
            with pytest.raises(psycopg.errors.LockNotAvailable):
                await db.run(locks.lock_nowait())
            policy = RetryPolicy(extra_sqlstates={"55P03"})
            assert await db.run_transaction(work, retry=policy) == [1]

        play(story, pool_size=1)
    assert len(attempts) == 2


CONFIGURED = {
    "idle_in_transaction_session_timeout": (
        psycopg.errors.IdleInTransactionSessionTimeout,
        "25P03",
    ),
    "transaction_timeout": (getattr(psycopg.errors, "TransactionTimeout", psycopg.Error), "25P04"),
}


@pytest.mark.parametrize("setting", CONFIGURED.keys())
@pytest.mark.parametrize("way", ["block", "function"])
def test_a_transaction_that_the_server_ends_while_it_is_idle_is_taken_back_and_not_repeated(
    play: Play,
    q: Any,
    side: Any,
    accounts_database: str,
    marks: Any,
    until: Any,
    ours: Any,
    setting: str,
    way: str,
) -> None:
    if side.info.server_version < 170000 and setting == "transaction_timeout":
        pytest.skip("the server has no such setting before 17")
    kind, sqlstate = CONFIGURED[setting]
    calls = []

    async def work(tx: Any) -> None:
        calls.append(await tx.run(q.pid()))
        await tx.run(q.add(n=1))
        until(lambda: calls[-1] not in ours())
        await tx.run(q.add(n=2))

    async def in_a_block(db: Any) -> None:
        async with db.transaction() as tx:
            await work(tx)

    async def story(db: Any) -> None:
        before = await db.run(q.pid())
        with pytest.raises(psycopg.Error) as caught:
            await (db.run_transaction(work) if way == "function" else in_a_block(db))
        assert isinstance(caught.value, kind)
        assert caught.value.sqlstate == sqlstate
        failure = classify(caught.value, Phase.IN_TRANSACTION)
        assert (failure.category, failure.effect) == (Category.TIMEOUT, Effect.ROLLED_BACK)
        assert marks() == []
        assert calls == [before]
        assert await db.run(q.pid()) != before
        assert len(ours()) == 1

    play(story, make_conninfo(accounts_database, options=f"-c {setting}=200"), pool_size=1)


@pytest.mark.usefixtures("barrier")
def test_a_transaction_that_the_server_ends_at_work_is_taken_back_and_not_repeated(
    play: Play, q: Any, side: Any, accounts_database: str, marks: Any, watch: Any
) -> None:
    if side.info.server_version < 170000:
        pytest.skip("the server has no such setting before 17")
    url = make_conninfo(accounts_database, options="-c transaction_timeout=200")
    calls = []

    async def work(tx: Any) -> None:
        calls.append(1)
        await tx.run(q.add(n=1))
        await tx.run(q.stand())

    async def story(db: Any) -> None:
        with watch.at_most(2), pytest.raises(psycopg.Error) as caught:
            await db.run_transaction(work)
        assert caught.value.sqlstate == "25P04"
        assert marks() == []
        assert await db.run(q.one()) == 1

    play(story, url, pool_size=1)
    assert calls == [1]

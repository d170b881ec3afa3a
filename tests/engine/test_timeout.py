"""How long a statement may take: the query's own limit, and that of the configuration."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import raxol_sql as rx

if TYPE_CHECKING:
    from tests.engine.conftest import Play, Relay

SQL = """\
    -- name: quick :one -> scalar
    -- @timeout 321ms
    show statement_timeout;
    -- name: slow :exec
    -- @timeout 150ms
    select pg_sleep(30);
    -- name: patient :exec
    -- @timeout 1min
    select pg_sleep(0.45);
    -- name: sleep :exec
    select pg_sleep(:seconds);
    -- name: slow_rows :many -> scalar
    -- @timeout 150ms
    select n from generate_series(1, 5) as n where n < 3 or pg_sleep(30) is not null;
    -- name: quick_rows :many -> scalar
    -- @timeout 321ms
    select current_setting('statement_timeout') from generate_series(1, 5);
    -- name: slow_out :copy
    -- @timeout 150ms
    copy (select pg_sleep(30)) to stdout;
    -- name: quick_in :copy
    -- @timeout 321ms
    copy users (email, name, age) from stdin;
    -- name: limit_to :exec
    select set_config('statement_timeout', :limit, true);
    -- name: limit_now :one -> scalar
    show statement_timeout;
    -- name: one :one -> scalar
    select 1;
"""


@pytest.fixture
def q(write: Any) -> Any:
    return write(SQL)


async def cancelled(work: Any, after: float = 0.15) -> None:
    """Waits for ``work`` to be cancelled by the server, and near its limit."""
    begin = time.monotonic()
    with pytest.raises(psycopg.errors.QueryCanceled):
        await work
    assert after - 0.01 <= time.monotonic() - begin < 5


def test_a_slow_query_is_cancelled_at_its_own_limit(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        assert await db.run(q.quick()) == "321ms"
        assert await db.run(q.limit_now()) == "15s"
        await cancelled(db.run(q.slow()))
        assert await db.run(q.limit_now()) == "15s"

    play(story, pool_size=1)


def test_every_verb_has_the_limit_and_puts_the_old_one_back(
    play: Play, q: Any, collect: Any
) -> None:
    async def story(db: Any) -> None:
        assert await db.run_many(q.quick, [{}, {}]) == ["321ms"] * 2
        assert await db.run(q.limit_now()) == "15s"
        await cancelled(db.run_many(q.slow, [{}]))
        assert await db.run(q.limit_now()) == "15s"

        assert await collect(db.stream(q.quick_rows(), batch=2)) == ["321ms"] * 5
        assert await db.run(q.limit_now()) == "15s"
        assert await collect(db.stream(q.quick_rows(), batch=2), upto=1) == ["321ms"]
        assert await db.run(q.limit_now()) == "15s"
        await cancelled(collect(db.stream(q.slow_rows(), batch=1)))
        assert await db.run(q.limit_now()) == "15s"

        assert await db.copy(q.quick_in, [("a@b.de", "Ann", 1)]) == 1
        assert await db.run(q.limit_now()) == "15s"
        await cancelled(db.copy(q.slow_out))
        assert await db.run(q.limit_now()) == "15s"

    play(story, pool_size=1)


def test_a_transaction_has_its_own_limit_back_too(play: Play, q: Any) -> None:
    async def failing(db: Any) -> None:
        async with db.transaction() as tx:
            assert await tx.run(q.limit_now()) == "15s"
            await tx.run(q.slow())

    async def story(db: Any) -> None:
        async with db.transaction() as tx:
            assert await tx.run(q.quick()) == "321ms"
            assert await tx.run(q.limit_now()) == "15s"
            await cancelled(failing(tx))
            assert await tx.run(q.limit_now()) == "15s"
        assert await db.run(q.limit_now()) == "15s"
        await cancelled(failing(db))
        assert await db.run(q.limit_now()) == "15s"

    play(story, pool_size=1)


def test_the_configured_limit_holds_for_the_others(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        assert await db.run(q.limit_now()) == "300ms"
        await cancelled(db.run(q.sleep(seconds=30)), after=0.3)
        async with db.transaction() as tx:
            await tx.run(q.patient())  # a query's own may be longer
            assert await tx.run(q.limit_now()) == "300ms"
        assert await db.run(q.limit_now()) == "300ms"

    play(story, pool_size=1, timeout=300)


def test_a_limit_of_zero_is_none_for_statements_and_for_waiting(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        assert await db.run(q.limit_now()) == "0"
        assert await db.run(q.quick()) == "321ms"
        assert await db.run(q.limit_now()) == "0"

    # No connection is there at first, so that the first query has to wait for one.
    play(story, pool_size=1, pool_min_size=0, timeout=0)


def test_a_limit_holds_for_each_batch_and_not_between_them(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        async with db.transaction() as tx:
            rows = tx.stream(q.quick_rows(), batch=1)
            async for row in rows:
                assert row == "321ms"
                assert await tx.run(q.limit_now()) == "15s"

    play(story, pool_size=1)


def test_a_limit_that_a_transaction_set_itself_comes_back(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(q.limit_to(limit="77s"))
            assert await tx.run(q.quick()) == "321ms"
            assert await tx.run(q.limit_now()) == "77s"
        assert await db.run(q.limit_now()) == "15s"

    play(story, pool_size=1)


def test_tasks_that_share_a_transaction_do_not_share_a_limit(
    q: Any, accounts_database: str
) -> None:
    async def main() -> None:
        async with (
            rx.AsyncDatabase.open(accounts_database, pool_size=1) as db,
            db.transaction() as tx,
        ):
            bounds = [q.quick(), q.limit_now()] * 20
            assert await asyncio.gather(*map(tx.run, bounds)) == ["321ms", "15s"] * 20

    asyncio.run(main())


def test_a_cancelled_call_leaves_no_limit_to_the_next_one(q: Any, accounts_database: str) -> None:
    async def main() -> None:
        async with rx.AsyncDatabase.open(accounts_database, pool_size=2) as db:
            for steps in range(200):
                task = asyncio.create_task(db.run(q.quick()))
                # Cancelled at another step of its way each time.
                for _ in range(steps % 40):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                assert await db.run(q.limit_now()) == "15s"

    asyncio.run(main())


def test_a_limit_in_libpqs_options_stays_unless_one_is_configured(
    play: Play, q: Any, accounts_database: str
) -> None:
    url = make_conninfo(accounts_database, options="-c statement_timeout=61s")

    async def story(db: Any) -> Any:
        return await db.run(q.limit_now())

    assert play(story, url) == "61s"
    assert play(story, url, timeout=2000) == "2s"


def test_a_limit_beyond_what_the_server_takes_is_refused_at_once(accounts_database: str) -> None:
    with pytest.raises(rx.errors.ConfigError, match="from 0 to 2147483647"):
        rx.Database.open(accounts_database, timeout=2**31)


def test_a_limit_of_its_own_costs_a_query_no_round_trip(play: Play, q: Any, relay: Relay) -> None:
    async def story(db: Any) -> list[int]:
        needed = []
        for bound in (q.one(), q.quick()):
            await db.run(bound)
        for bound in (q.one(), q.quick()):
            trips = relay.round_trips
            await db.run(bound)
            needed.append(relay.round_trips - trips)
        return needed

    assert play(story, relay.conninfo, pool_size=1, pool_min_size=0) == [1, 1]

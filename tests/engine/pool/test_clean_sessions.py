"""What a caller leaves on a connection is gone before the next one has it, and costs no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.engine.conftest import Play, Relay

SQL = """\
    -- name: clean :one -> scalar
    select :n::int8;
    -- name: state :one
    select
        current_setting('work_mem') as work_mem,
        current_setting('search_path') as search_path,
        current_user::text as role,
        (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())
            as locks,
        (select count(*) from pg_class where relpersistence = 't') as temporary,
        (select count(*) from pg_cursors) as cursors,
        (select count(*) from pg_listening_channels()) as channels,
        pg_backend_pid() as pid;
    -- name: set :exec
    set work_mem = '7MB';
    -- name: set_isolation :exec
    set default_transaction_isolation = 'serializable';
    -- name: set_role :exec
    set role pg_read_all_data;
    -- name: set_config :one -> scalar
    select set_config('search_path', :path, false);
    -- name: configs :many -> scalar
    select set_config('search_path', 'pg_catalog', false) from generate_series(1, 3);
    -- name: listen :exec
    listen raxol_channel;
    -- name: lock :exec
    select pg_advisory_lock(:key);
    -- name: try_lock :one -> scalar
    select pg_try_advisory_lock(:key);
    -- name: temp :exec
    create temp table raxol_temp (n int);
    -- name: temp_of :exec
    select 1 as n into temporary raxol_temp_of;
    -- name: cursor :exec
    declare raxol_cursor cursor with hold for select 1;
    -- name: lock_and_fail :one -> scalar
    select 1 / (:zero::int + length(pg_advisory_lock(7)::text)) as n;
    -- name: level :one -> scalar
    show transaction_isolation;
    -- name: local :exec
    set local work_mem = '9MB';
"""


@pytest.fixture
def q(write: Callable[..., Any]) -> Any:
    return write(SQL)


async def alone(db: Any, bound: Any) -> None:
    await db.run(bound)


async def in_transaction(db: Any, bound: Any) -> None:
    async with db.transaction() as tx:
        await tx.run(bound)


async def in_transact(db: Any, bound: Any) -> None:
    await db.run_transaction(lambda tx: tx.run(bound))


async def as_step(db: Any, bound: Any) -> None:
    await db.run(rx.Multi().add("one", bound))


def same(state: Any) -> tuple[Any, ...]:
    return (
        state.work_mem,
        state.search_path,
        state.role,
        state.locks,
        state.temporary,
        state.cursors,
        state.channels,
    )


TRACES = {
    "set": lambda q: q.set(),
    "set role": lambda q: q.set_role(),
    "set_config": lambda q: q.set_config(path="pg_catalog"),
    "listen": lambda q: q.listen(),
    "advisory lock": lambda q: q.lock(key=42),
    "try advisory lock": lambda q: q.try_lock(key=42),
    "temporary table": lambda q: q.temp(),
    "select into temporary": lambda q: q.temp_of(),
    "cursor with hold": lambda q: q.cursor(),
}


@pytest.mark.parametrize("way", [alone, in_transaction, in_transact, as_step])
def test_what_a_statement_leaves_on_its_connection_is_gone_for_the_next_caller(
    play: Play, q: Any, way: Callable[[Any, Any], Awaitable[None]]
) -> None:
    async def story(db: Any) -> None:
        before = await db.run(q.state())
        for name, trace in TRACES.items():
            await way(db, trace(q))
            after = await db.run(q.state())
            assert same(after) == same(before), name
            assert after.pid == before.pid, name

    play(story, pool_size=1, pool_min_size=1)


def test_what_many_rows_and_many_queries_leave_is_gone_for_the_next_caller(
    play: Play, q: Any
) -> None:
    async def story(db: Any) -> None:
        before = await db.run(q.state())
        await db.run_many(q.lock, [{"key": 1}, {"key": 2}])
        assert same(await db.run(q.state())) == same(before)
        await db.run_all([q.try_lock(key=3), q.clean(n=1)])
        assert same(await db.run(q.state())) == same(before)

    play(story, pool_size=1, pool_min_size=1)


def test_what_a_stream_leaves_is_gone_for_the_next_caller(play: Play, q: Any, collect: Any) -> None:
    async def story(db: Any) -> None:
        before = await db.run(q.state())
        assert len(await collect(db.stream(q.configs()))) == 3
        assert same(await db.run(q.state())) == same(before)

    play(story, pool_size=1, pool_min_size=1)


def test_the_limit_and_the_isolation_that_the_pool_has_set_are_there_again(
    play: Play, q: Any, write: Any
) -> None:
    own = write("-- name: limit :one -> scalar\nselect current_setting('statement_timeout')")

    async def story(db: Any) -> None:
        limit = await db.run(own.limit())
        assert limit == "5s"
        await db.run(q.set_isolation())
        assert await db.run(q.level()) == "read committed"
        assert await db.run(own.limit()) == limit

    play(story, pool_size=1, pool_min_size=1, timeout=5000)


def test_an_advisory_lock_of_a_statement_that_failed_is_not_inherited(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        with pytest.raises(psycopg.errors.DivisionByZero):
            await db.run(q.lock_and_fail(zero=0))
        assert (await db.run(q.state())).locks == 0
        with pytest.raises(psycopg.errors.DivisionByZero):
            await in_transaction(db, q.lock_and_fail(zero=0))
        assert (await db.run(q.state())).locks == 0

    play(story, pool_size=1, pool_min_size=1)


def test_a_session_that_was_left_clean_costs_no_round_trip(
    play: Play, q: Any, relay: Relay
) -> None:
    async def story(db: Any) -> None:
        async def cost(call: Callable[[], Awaitable[Any]]) -> int:
            await call()
            before = relay.round_trips
            await call()
            return relay.round_trips - before

        assert await cost(lambda: db.run(q.clean(n=1))) == 1
        assert await cost(lambda: in_transaction(db, q.local())) == 3
        # Once for the reset of everything, once for the limit that the pool sets.
        assert await cost(lambda: db.run(q.set())) == 3
        before = relay.round_trips
        for n in range(10):
            assert await db.run(q.clean(n=n)) == n
        assert relay.round_trips - before == 10

    play(story, relay.conninfo, pool_size=1, pool_min_size=1)


def test_a_connection_that_cannot_be_reset_is_replaced(
    play: Play, q: Any, end_all: Any, backends: Any
) -> None:
    async def story(db: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(q.lock(key=42))
            (pid,) = backends()
        assert await db.run(q.clean(n=1)) == 1
        assert backends() == [pid]
        try:
            async with db.transaction() as tx:
                await tx.run(q.lock(key=42))
                end_all()
        except psycopg.OperationalError:
            pass
        assert (await db.run(q.state())).locks == 0
        assert pid not in backends()

    play(story, pool_size=1, pool_min_size=1)


def test_notifications_that_nobody_reads_cost_no_caller_anything(
    play: Play, q: Any, side: Any
) -> None:
    """They wait in the socket, where a connection that ended says so, too."""

    async def story(db: Any) -> None:
        for n in range(5):
            async with db.transaction() as tx:
                await tx.run(q.listen())
                side.execute("notify raxol_channel, 'x'")
            side.execute("notify raxol_channel, 'y'")
            assert await db.run(q.clean(n=n)) == n

    play(story, pool_size=1, pool_min_size=1)

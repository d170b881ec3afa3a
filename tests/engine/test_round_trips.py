"""How often a client waits for the server, counted on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import raxol_sql as rx

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.engine.conftest import Play, Relay

SQL = """\
    -- name: one :one -> scalar
    select 1;
    -- name: numbers :many -> scalar
    select n from generate_series(1, :upto::int) as n;
    -- name: rename :affected
    update users set name = :name where id = :id;
    -- name: quick :many -> scalar
    -- @timeout 2s
    select 1;
"""


@pytest.fixture
def q(write: Any) -> Any:
    return write(SQL)


def trips(play: Play, relay: Relay, call: Callable[[Any], Awaitable[Any]]) -> int:
    """The round trips of a call whose statements are prepared."""

    async def story(db: Any) -> int:
        await call(db)
        before = relay.round_trips
        await call(db)
        return relay.round_trips - before

    counted: int = play(story, relay.conninfo, pool_size=1, pool_min_size=1)
    return counted


def test_a_query_is_one(play: Play, relay: Relay, q: Any) -> None:
    assert trips(play, relay, lambda db: db.run(q.one())) == 1


def test_a_type_that_users_made_costs_one_more_the_first_time_and_then_none(
    play: Play, relay: Relay, write: Any, side: Any
) -> None:
    side.execute("create type shade as enum ('dark'); create type pair as (a int, b shade)")
    q = write(
        "-- name: first :one -> scalar\nselect :x::pair;\n"
        "-- name: third :one -> scalar\nselect :x::pair[];\n"
    )

    async def story(db: Any) -> list[int]:
        counts = []
        for bound in (q.first(x=(1, "dark")), q.third(x=[(1, "dark")]), q.first(x=(2, "dark"))):
            before = relay.round_trips
            await db.run(bound)
            counts.append(relay.round_trips - before)
        return counts

    try:
        # The array's own OID is one more to ask about.
        assert play(story, relay.conninfo, pool_size=1, pool_min_size=1) == [3, 3, 1]
    finally:
        side.execute("drop type pair; drop type shade")


def test_a_limit_of_its_own_costs_none(play: Play, relay: Relay, q: Any) -> None:
    assert trips(play, relay, lambda db: db.run(q.quick())) == 1


def test_queries_that_only_read_share_one(play: Play, relay: Relay, q: Any) -> None:
    bounds = [q.one(), q.numbers(upto=3), q.one(), q.quick()] * 5
    assert trips(play, relay, lambda db: db.run_all(bounds)) == 1


def test_a_transaction_of_steps_that_cannot_fail_here_is_one(
    play: Play, relay: Relay, q: Any
) -> None:
    multi = rx.Multi()
    for number in range(5):
        multi = multi.add(f"step {number}", q.rename(id=number, name="x"))
    assert trips(play, relay, lambda db: db.run(multi)) == 1


def test_a_result_that_may_be_refused_has_the_commit_wait(play: Play, relay: Relay, q: Any) -> None:
    multi = rx.Multi().add("a", q.rename(id=1, name="x")).add("b", q.one()).add("c", q.one())
    assert trips(play, relay, lambda db: db.run(multi)) == 2


def test_each_function_costs_one_more(play: Play, relay: Relay, q: Any) -> None:
    multi = (
        rx.Multi()
        .add("a", q.numbers(upto=3))
        .add("b", lambda done: q.numbers(upto=len(done["a"])))
        .add("c", q.numbers(upto=1))
        .add("d", lambda done: q.rename(id=len(done["b"]), name="x"))
        .add("e", q.numbers(upto=1))
    )
    assert trips(play, relay, lambda db: db.run(multi)) == 3


@pytest.mark.parametrize(("rows", "expected"), [(0, 0), (1, 1), (1000, 1), (1001, 2), (5000, 5)])
def test_rows_share_one_by_the_thousand(
    play: Play, relay: Relay, q: Any, rows: int, expected: int
) -> None:
    given = [{"id": number, "name": "x"} for number in range(rows)]
    assert trips(play, relay, lambda db: db.run_many(q.rename, given)) == expected


def test_a_transaction_costs_one_more_at_each_end(play: Play, relay: Relay, q: Any) -> None:
    async def call(db: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(q.one())
            await tx.run(q.one())

    assert trips(play, relay, call) == 4


def test_a_statement_is_prepared_and_described_in_one(play: Play, relay: Relay, q: Any) -> None:
    async def story(db: Any) -> None:
        before = relay.round_trips
        await db.run(q.one())
        assert relay.round_trips - before == 2

    play(story, relay.conninfo, pool_size=1, pool_min_size=1)


def test_all_statements_of_a_multi_are_prepared_in_one(play: Play, relay: Relay, q: Any) -> None:
    multi = (
        rx.Multi()
        .add("a", q.numbers(upto=3))
        .add("b", q.rename(id=1, name="x"))
        .add("c", q.quick())
        .add("d", q.numbers(upto=3))
    )

    async def story(db: Any) -> None:
        before = relay.round_trips
        await db.run(multi)
        assert relay.round_trips - before == 2

    play(story, relay.conninfo, pool_size=1, pool_min_size=1)

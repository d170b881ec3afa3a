"""How many prepared statements a connection keeps; and none at all where that is asked for."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

import raxol_sql as rx
from raxol_sql.engine.session.prepared import LIMIT

if TYPE_CHECKING:
    from tests.engine.conftest import Play, Relay

SQL = """\
    -- name: echo :one -> scalar
    select :n::int;
    -- name: echoes :many -> scalar
    select :n + m from generate_series(0, 4) as m;
    -- name: quick :one -> scalar
    -- @timeout 4321ms
    select :n::int;
    -- name: counted :copy
    copy (select n from generate_series(1, 5) as n) to stdout;
    -- name: kept :one -> scalar
    select count(*) from pg_prepared_statements;
"""


@pytest.fixture
def q(write: Any) -> Any:
    return write(SQL)


@pytest.fixture
def many(write: Any) -> list[Any]:
    """More queries than a connection keeps; the one of number n gives n."""
    texts = [f"-- name: n{n} :one -> scalar\nselect {n} + :zero;\n" for n in range(LIMIT + 30)]
    found = write("".join(texts))
    return [found[f"n{n}"] for n in range(len(texts))]


def test_however_many_run_the_connection_keeps_no_more_than_its_limit(
    play: Play, q: Any, many: list[Any]
) -> None:
    luck = random.Random(7)

    async def story(db: Any) -> None:
        for turn in range(3 * len(many)):
            n = luck.randrange(len(many))
            assert await db.run(many[n](zero=0)) == n
            if not turn % 20:
                assert await db.run(q.kept()) <= LIMIT
        assert await db.run(q.kept()) == LIMIT

    play(story, pool_size=1)


def test_more_statements_than_the_limit_in_one_go_give_their_own_results(
    play: Play, q: Any, many: list[Any]
) -> None:
    numbers = [*range(len(many)), *range(len(many) - 1, -1, -1)]
    bounds = [many[n](zero=0) for n in numbers]

    async def story(db: Any) -> None:
        for _ in range(2):
            assert await db.run_all(bounds) == numbers
            assert await db.run(q.kept()) <= LIMIT
        async with db.transaction() as tx:
            for n in numbers:
                assert await tx.run(many[n](zero=0)) == n
        assert await db.run(q.kept()) <= LIMIT

    play(story, pool_size=1)


def test_the_one_whose_use_is_longest_ago_is_the_one_to_go(
    play: Play, q: Any, many: list[Any], relay: Relay
) -> None:
    async def parsed(db: Any, number: int) -> int:
        before = relay.messages["P"]
        assert await db.run(many[number](zero=0)) == number
        return relay.messages["P"] - before

    async def story(db: Any) -> None:
        await db.run(many[0](zero=0))  # connects
        for n in range(1, LIMIT):
            assert await parsed(db, n) == 1
        assert await parsed(db, 0) == 0
        assert await parsed(db, LIMIT) == 1  # in the place of 1
        assert [await parsed(db, n) for n in (0, 2, 1)] == [0, 0, 1]

    # The statements that open a connection are not of them.
    play(story, relay.conninfo, pool_size=1, pool_min_size=0)


def test_a_call_is_one_round_trip_with_statements_kept_and_without(
    play: Play, q: Any, relay: Relay
) -> None:
    async def story(db: Any) -> None:
        for n in range(5):
            before = relay.round_trips
            assert await db.run(q.echo(n=n)) == n
            assert relay.round_trips - before == 1 or n == 0

    for prepare in (True, False):
        play(story, relay.conninfo, pool_size=1, pool_min_size=0, prepare=prepare)


def test_without_preparing_nothing_is_left_on_the_server_by_any_verb(
    play: Play, q: Any, queries: rx.Queries, collect: Any
) -> None:
    users = [{"email": f"{n}@b.de", "name": "n", "age": n + 1} for n in range(3)]
    rows = [(f"{n}@c.de", "c", n + 1) for n in range(3)]

    async def story(db: Any) -> None:
        for n in range(3):
            assert await db.run(q.echo(n=n)) == n
            assert await db.run(q.quick(n=n)) == n
            assert await db.run(q.echoes(n=n)) == [n, n + 1, n + 2, n + 3, n + 4]
            assert await collect(db.stream(q.echoes(n=n), batch=2)) == [n + m for m in range(5)]
            assert [one.age for one in await db.run_many(queries.users.create, users)] == [1, 2, 3]
            assert await db.copy(queries.users.load, rows) == 3
            assert len(await db.copy(q.counted)) == 5
            assert await db.run_all([q.echo(n=n), q.echoes(n=n)]) == [n, [n + m for m in range(5)]]
            steps = rx.Multi().add("one", q.echo(n=n))
            assert (await db.run(steps.add("two", lambda done: q.echo(n=done["one"]))))["two"] == n
            async with db.transaction() as tx:
                assert await tx.run(queries.users.count()) == 6
                assert await tx.run(q.kept()) == 0
            await db.run(queries.users.clear())
            assert await db.run(q.kept()) == 0

    play(story, pool_size=1, prepare=False)


def test_more_statements_at_once_than_are_kept_are_run_all_the_same(play: Play, write: Any) -> None:
    count = LIMIT + 5
    many = write("".join(f"-- name: n{n} :one -> scalar\nselect {n};\n" for n in range(count)))

    async def story(db: Any) -> None:
        for _ in range(2):
            assert await db.run_all([many[f"n{n}"]() for n in range(count)]) == [*range(count)]

    play(story, pool_size=1)

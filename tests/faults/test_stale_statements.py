"""What others change under a prepared statement costs no call, and a transaction one repetition."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.types.composite import CompositeInfo, register_composite
from psycopg.types.enum import EnumInfo, register_enum

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.faults.conftest import Play

SQL = """\
    -- name: add :affected
    insert into pets (a) values (:a);
    -- name: all :many
    select * from pets order by a;
    -- name: deallocate :exec
    deallocate all;
    -- name: discard :exec
    discard all;
    -- name: lose :exec
    do $$
    declare lost text;
    begin
        for lost in select name from pg_prepared_statements loop
            execute format('deallocate %I', lost);
        end loop;
    end $$;
    -- name: pair :one -> scalar
    select :pair::pair;
    -- name: pairs :one -> scalar
    select array[:pair::pair];
    -- name: mood :one -> scalar
    select :mood::mood;
"""


@pytest.fixture
def q(write: Any, side: psycopg.Connection[Any]) -> Any:
    side.execute("create table pets (a int)")
    return write(SQL)


@pytest.fixture
def attempts(q: Any) -> tuple[list[int], Callable[[Any], Awaitable[list[Any]]]]:
    """A function of a transaction that writes and reads, and the list of its attempts."""
    begun: list[int] = []

    async def work(tx: Any) -> list[Any]:
        begun.append(len(begun) + 1)
        await tx.run(q.add(a=len(begun)))
        rows: list[Any] = await tx.run(q.all())
        return rows

    return begun, work


@pytest.mark.parametrize("way", ["alter", "lose"])
def test_a_statement_that_is_stale_in_a_transaction_has_the_whole_of_it_done_again(
    play: Play, q: Any, side: psycopg.Connection[Any], attempts: Any, way: str
) -> None:
    begun, work = attempts

    async def story(db: Any) -> None:
        await db.run(q.all())
        if way == "alter":
            side.execute("alter table pets add b text default 'new'")
        else:
            await db.run(q.lose())

        (row,) = await db.run_transaction(work)

        assert begun == [1, 2]
        assert side.execute("select a from pets").fetchall() == [(2,)]
        assert (row.a, getattr(row, "b", None)) == (2, "new" if way == "alter" else None)

    play(story, pool_size=1)


def test_what_a_transaction_deallocates_itself_is_prepared_again_in_it(
    play: Play, q: Any, side: psycopg.Connection[Any]
) -> None:
    async def story(db: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(q.add(a=1))
            await tx.run(q.deallocate())
            await tx.run(q.add(a=2))
            assert [row.a for row in await tx.run(q.all())] == [1, 2]
        assert side.execute("select a from pets order by a").fetchall() == [(1,), (2,)]

    play(story, pool_size=1)


def test_discarding_everything_in_a_transaction_is_refused_and_takes_nothing_along(
    play: Play, q: Any, side: psycopg.Connection[Any]
) -> None:
    async def story(db: Any) -> None:
        async def work(tx: Any) -> None:
            await tx.run(q.add(a=1))
            await tx.run(q.discard())

        with pytest.raises(psycopg.errors.ActiveSqlTransaction):
            await db.run_transaction(work)
        assert side.execute("select a from pets").fetchall() == []
        await db.run(q.add(a=2))
        assert [row.a for row in await db.run(q.all())] == [2]

    play(story, pool_size=1)


def test_a_composite_that_is_made_anew_is_taken_and_given(
    play: Play, q: Any, side: psycopg.Connection[Any]
) -> None:
    side.execute("create type pair as (a int, b text)")

    async def story(db: Any) -> None:
        assert await db.run(q.pair(pair=(1, "x"))) == (1, "x")
        assert await db.run(q.pairs(pair=(1, "x"))) == [(1, "x")]
        for turn in range(2):
            side.execute("drop type pair; create type pair as (a text, b int, c bool)")
            assert await db.run(q.pair(pair=("y", turn, True))) == ("y", turn, True)
            assert await db.run(q.pairs(pair=("y", turn, True))) == [("y", turn, True)]

    play(story, pool_size=1)


def test_what_the_program_registered_for_a_type_holds_when_it_is_created_again(
    play: Play, q: Any, side: psycopg.Connection[Any]
) -> None:
    class Mood(enum.Enum):
        GLAD = "glad"

    def info(kind: Any, name: str) -> Any:
        found = kind.fetch(side, name)
        assert found is not None
        return found

    side.execute("create type mood as enum ('glad'); create type pair as (a int, b text)")
    register_enum(info(EnumInfo, "mood"), None, Mood, mapping={Mood.GLAD: "glad"})
    register_composite(info(CompositeInfo, "pair"), None)

    async def story(db: Any) -> None:
        assert await db.run(q.mood(mood=Mood.GLAD)) is Mood.GLAD
        assert tuple(await db.run(q.pair(pair=(1, "x")))) == (1, "x")

        side.execute("drop type mood; create type mood as enum ('glad', 'sad')")
        side.execute("drop type pair; create type pair as (a text)")

        assert await db.run(q.mood(mood=Mood.GLAD)) is Mood.GLAD
        with pytest.raises(psycopg.DataError, match="bad member"):
            await db.run(q.mood(mood="sad"))
        assert await db.run(q.pair(pair=("y",))) == ("y",)

    play(story, pool_size=1)

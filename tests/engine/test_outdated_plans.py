"""A statement that the server had prepared is prepared anew when its tables change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.conftest import Play

SQL = """\
    -- name: pets :many
    select * from pets;
    -- name: pet :many
    select * from pets where a > :a;
    -- name: add :one
    insert into pets values (:a) returning *;
    -- name: discard :exec
    discard all;
"""
# psycopg prepares what it has sent five times.
OFTEN = 7


@pytest.fixture
def q(write: Any) -> Any:
    return write(SQL)


@pytest.fixture(autouse=True)
def _pets(side: Any) -> Iterator[None]:
    side.execute("create table pets (a int); insert into pets values (1)")
    yield
    side.execute("drop table pets")


def test_a_column_that_is_added_is_seen_by_the_next_call(play: Play, q: Any, side: Any) -> None:
    async def story(db: Any) -> None:
        for number in range(3):
            for _ in range(OFTEN):
                (row,) = await db.run(q.pets())
                assert not hasattr(row, f"new{number}")
            side.execute(f"alter table pets add new{number} text")
            (row,) = await db.run(q.pets())
            assert hasattr(row, f"new{number}")

    play(story, pool_size=1)


def test_a_column_of_another_type_is_seen_by_the_next_call(play: Play, q: Any, side: Any) -> None:
    async def story(db: Any) -> None:
        for _ in range(OFTEN):
            assert [row.a for row in await db.run(q.pet(a=0))] == [1]
        side.execute("alter table pets alter a type numeric")
        (row,) = await db.run(q.pet(a=0))
        assert type(row.a).__name__ == "Decimal"

    play(story, pool_size=1)


def test_statements_that_are_gone_are_prepared_again(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        for _ in range(OFTEN):
            await db.run(q.pet(a=0))
        await db.run(q.discard())
        assert [row.a for row in await db.run(q.pet(a=0))] == [1]

    play(story, pool_size=1)


def test_a_transaction_fails_once_and_the_next_one_does_not(play: Play, q: Any, side: Any) -> None:
    async def story(db: Any) -> None:
        for _ in range(OFTEN):
            await db.run(q.pet(a=0))
        side.execute("alter table pets add b text")
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            async with db.transaction() as tx:
                await tx.run(q.pet(a=0))
        async with db.transaction() as tx:
            assert [row.b for row in await tx.run(q.pet(a=0))] == [None]

    play(story, pool_size=1)


def test_run_many_fails_once_changes_nothing_and_then_works(play: Play, q: Any, side: Any) -> None:
    async def story(db: Any) -> None:
        await db.run_many(q.add, [{"a": 5}] * OFTEN)
        side.execute("alter table pets add b text; delete from pets")
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            await db.run_many(q.add, [{"a": 7}] * 3)
        assert await db.run(q.pets()) == []
        assert [row.a for row in await db.run_many(q.add, [{"a": 7}] * 3)] == [7] * 3
        side.execute("delete from pets")

    play(story, pool_size=1)

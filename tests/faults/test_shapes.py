"""A result of another shape than its query promises is an error that says all there is to say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import psycopg
import pytest

import raxol_sql as rx

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.faults.conftest import Play


@attrs.frozen
class Pet:
    """What the queries promise."""

    id: int
    name: str
    age: int | None = None


SQL = """\
    -- name: pets :many -> Pet
    select * from pets order by id;
    -- name: pet :one -> Pet
    -- @not-null name
    select * from pets where id = :id;
    -- name: same :one -> Pet
    select id, id, name from pets where id = :id;
    -- name: add :one -> Pet
    insert into pets (id, name) values (:id, 'x') returning *;
    -- name: add_none :one -> Pet
    insert into pets (id, name) select :id, 'x' where false returning *;
    -- name: add_two :one -> Pet
    insert into pets (id, name) values (:id, 'x'), (:id + 1, 'y') returning *;
    -- name: name_of :maybe -> scalar
    select name from pets where id >= :id;
    -- name: rename :many
    update pets set name = 'z' returning *;
"""


@pytest.fixture
def q(write: Any, side: psycopg.Connection[Any]) -> Any:
    side.execute("create table pets (id int, name text, age int)")
    side.execute("insert into pets values (1, 'a', 2)")
    return write(SQL, Pet)


CHANGES = {
    "missing": ("alter table pets drop name", "fields of Pet without a column: 'name'"),
    "extra": ("alter table pets add b int", "columns without a field in Pet: 'b'"),
    "renamed": (
        "alter table pets rename name to title",
        "columns without a field in Pet: 'title'; fields of Pet without a column: 'name'",
    ),
}


async def in_run(db: Any, q: Any) -> Any:
    return await db.run(q.pets())


async def in_run_all(db: Any, q: Any) -> Any:
    return await db.run_all([q.pets()])


async def in_stream(db: Any, q: Any) -> Any:
    return [row async for row in db.stream(q.pets())]


async def in_transact(db: Any, q: Any) -> Any:
    async def work(tx: Any) -> Any:
        return await tx.run(q.pets())

    return await db.run_transaction(work)


async def in_multi(db: Any, q: Any) -> Any:
    return await db.run(rx.Multi().add("pets", q.pets()))


@pytest.mark.parametrize("way", [in_run, in_run_all, in_stream, in_transact, in_multi])
@pytest.mark.parametrize(("change", "problem"), CHANGES.values(), ids=CHANGES.keys())
def test_a_table_that_has_changed_since_is_told_by_query_record_and_column(
    play: Play,
    q: Any,
    side: psycopg.Connection[Any],
    way: Callable[..., Awaitable[Any]],
    change: str,
    problem: str,
) -> None:
    async def story(db: Any) -> None:
        await way(db, q)
        side.execute(change)
        with pytest.raises(rx.errors.RecordError) as caught:
            await way(db, q)
        assert caught.value.problem == problem
        assert (caught.value.query, caught.value.location) == ("q.pets", q.pets.location)
        assert str(caught.value).startswith(f"q.pets ({q.pets.location}): ")

    play(story, pool_size=1)


def test_columns_of_one_name_and_a_null_where_none_may_be_are_named(
    play: Play, q: Any, side: psycopg.Connection[Any]
) -> None:
    side.execute("insert into pets values (2, null, null)")

    async def story(db: Any) -> None:
        with pytest.raises(rx.errors.RecordError, match="columns of the same name: 'id'"):
            await db.run(q.same(id=1))
        assert await db.run(q.pet(id=1)) == Pet(1, "a", 2)
        with pytest.raises(rx.errors.RecordError, match="the column 'name' is NULL") as caught:
            await db.run(q.pet(id=2))
        assert caught.value.query == "q.pet"

    play(story, pool_size=1)


def test_a_count_of_rows_that_was_not_promised_says_both(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        with pytest.raises(rx.NoRowsError, match=r"q\.pet .*exactly one row, got none"):
            await db.run(q.pet(id=9))
        await db.run(q.add(id=2))
        with pytest.raises(rx.TooManyRowsError, match=r"q\.name_of .*at most one row, got 2"):
            await db.run(q.name_of(id=1))

    play(story, pool_size=1)


def test_what_was_written_before_its_result_was_refused_stays_alone_and_goes_in_a_transaction(
    play: Play, q: Any, side: psycopg.Connection[Any]
) -> None:
    def ids() -> list[int]:
        return [id for (id,) in side.execute("select id from pets order by id")]

    async def story(db: Any) -> None:
        with pytest.raises(rx.TooManyRowsError):
            await db.run(q.add_two(id=10))
        with pytest.raises(rx.NoRowsError):
            await db.run(q.add_none(id=20))
        assert ids() == [1, 10, 11]

        async def work(tx: Any) -> None:
            await tx.run(q.add(id=30))
            await tx.run(q.add_two(id=40))

        with pytest.raises(rx.TooManyRowsError):
            await db.run_transaction(work)
        with pytest.raises(rx.TooManyRowsError):
            await db.run(rx.Multi().add("one", q.add(id=30)).add("two", q.add_two(id=40)))
        with pytest.raises(rx.TooManyRowsError):
            await db.run_many(q.add_two, [{"id": 50}])
        with pytest.raises(rx.TooManyRowsError):
            await db.run(q.add_two(id=60), commit_check="xid")
        assert ids() == [1, 10, 11]

    play(story, pool_size=1)

"""A statement that the server does not run as it was prepared is prepared anew, and runs."""

from __future__ import annotations

import itertools
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import raxol_sql as rx

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tests.engine.conftest import Play

SQL = """\
    -- name: pets :many
    select * from pets;
    -- name: above :many
    select * from pets where a > :a;
    -- name: named :many -> scalar
    select a from pets where a = :a;
    -- name: add :many
    insert into pets (a) values (:a) returning *;
    -- name: put :affected
    insert into pets (a) values (:a);
    -- name: put_mood :affected
    insert into moods values (:mood);
    -- name: moods :many -> scalar
    select mood from moods order by mood;
    -- name: cast :one -> scalar
    select :mood::mood;
    -- name: in_mood :many -> scalar
    select mood from moods where mood = :mood;
    -- name: discard :exec
    discard all;
    -- name: deallocate :exec
    deallocate all;
    -- name: lose :exec
    do $$
    declare lost text;
    begin
        for lost in select name from pg_prepared_statements loop
            execute format('deallocate %I', lost);
        end loop;
    end $$;
    -- name: go_to :one -> scalar
    select set_config('search_path', :path, false);
    -- name: out :copy
    copy pets (a) to stdout;
"""


@pytest.fixture
def q(write: Any) -> Any:
    return write(SQL)


@pytest.fixture(autouse=True)
def _pets(side: Any) -> Iterator[None]:
    side.execute("create table pets (a int); insert into pets values (1)")
    side.execute("create type mood as enum ('glad', 'sad'); create table moods (mood mood)")
    yield
    side.execute("drop table pets; drop table moods; drop type mood")


def names(row: Any) -> list[str]:
    return [field.name for field in attrs.fields(type(row))]


def test_a_column_that_is_added_is_seen_by_the_next_call(play: Play, q: Any, side: Any) -> None:
    async def story(db: Any) -> None:
        seen = ["a"]
        for turn in range(3):
            for _ in range(2):
                (row,) = await db.run(q.pets())
                assert names(row) == seen
            seen.append(f"new{turn}")
            side.execute(f"alter table pets add new{turn} text")
        (row,) = await db.run(q.pets())
        assert names(row) == seen

    play(story, pool_size=1)


def test_a_column_that_is_dropped_is_gone_in_the_next_call(play: Play, q: Any, side: Any) -> None:
    async def story(db: Any) -> None:
        side.execute("alter table pets add b text")
        (row,) = await db.run(q.add(a=2))
        assert names(row) == ["a", "b"]
        side.execute("alter table pets drop b")
        (row,) = await db.run(q.add(a=3))
        assert names(row) == ["a"]

    play(story, pool_size=1)


@pytest.mark.parametrize(
    ("to", "value"),
    [("numeric", Decimal("1.5")), ("bigint", 2**40), ("smallint", 3), ("text", "one")],
)
def test_a_column_of_another_type_takes_and_gives_it_in_the_next_call(
    play: Play, q: Any, side: Any, to: str, value: Any
) -> None:
    async def story(db: Any) -> None:
        assert await db.run(q.put(a=7)) == 1
        assert await db.run(q.named(a=7)) == [7]
        side.execute(f"delete from pets; alter table pets alter a type {to}")
        assert await db.run(q.put(a=value)) == 1
        (found,) = await db.run(q.named(a=value))
        assert (found, type(found)) == (value, type(value))
        (row,) = await db.run(q.add(a=value))
        assert row.a == value

    play(story, pool_size=1)


def test_a_type_that_is_made_anew_is_taken_and_given(play: Play, q: Any, side: Any) -> None:
    async def uses(db: Any, mood: str) -> None:
        assert await db.run(q.cast(mood=mood)) == mood
        assert await db.run(q.put_mood(mood=mood)) == 1
        assert await db.run(q.moods()) == [mood]
        assert await db.run(q.in_mood(mood=mood)) == [mood]

    async def story(db: Any) -> None:
        await uses(db, "sad")
        for mood in ("calm", "wild"):
            side.execute("drop table moods; drop type mood")
            side.execute(f"create type mood as enum ('{mood}'); create table moods (mood mood)")
            await uses(db, mood)

    play(story, pool_size=1)


def test_another_search_path_finds_other_tables(play: Play, q: Any, side: Any) -> None:
    side.execute("create schema other; create table other.pets (a text, b int)")
    side.execute("insert into other.pets values ('x', 2)")

    async def story(db: Any) -> None:
        for _ in range(2):
            async with db.transaction() as tx:
                await tx.run(q.go_to(path="public"))
                assert [names(row) for row in await tx.run(q.pets())] == [["a"]]
                assert await tx.run(q.named(a=1)) == [1]
            with suppress(psycopg.errors.FeatureNotSupported):  # once, what is prepared is stale
                async with db.transaction() as tx:
                    await tx.run(q.go_to(path="other"))
                    assert [names(row) for row in await tx.run(q.pets())] == [["a", "b"]]
                    assert await tx.run(q.named(a="x")) == ["x"]

    try:
        play(story, pool_size=1)
    finally:
        side.execute("drop schema other cascade")


async def as_run(db: Any, q: Any) -> Any:
    return await db.run(q.named(a=1))


async def as_run_many(db: Any, q: Any) -> Any:
    return (await db.run_many(q.named, [{"a": 2}, {"a": 1}]))[1]


async def as_multi(db: Any, q: Any) -> Any:
    done = await db.run(rx.Multi().add("one", q.named(a=2)).add("two", q.named(a=1)))
    return done["two"]


async def as_run_all(db: Any, q: Any) -> Any:
    return (await db.run_all([q.moods(), q.named(a=1)]))[1]


async def as_stream(db: Any, q: Any) -> Any:
    return [row async for row in db.stream(q.named(a=1), batch=1)]


async def as_transaction(db: Any, q: Any) -> Any:
    async with db.transaction() as tx:
        return await tx.run(q.named(a=1))


async def as_copy(db: Any, q: Any) -> Any:
    return [int(a) for (a,) in await db.copy(q.out)]


VERBS = {
    verb.__name__[3:]: verb
    for verb in (as_run, as_run_many, as_multi, as_run_all, as_stream, as_transaction, as_copy)
}


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS.keys())
@pytest.mark.parametrize("way", ["discard", "deallocate"])
def test_what_the_program_discards_itself_is_prepared_again(
    play: Play, q: Any, verb: Callable[..., Awaitable[Any]], way: str
) -> None:
    async def story(db: Any) -> None:
        for _ in range(2):
            assert await verb(db, q) == [1]
            await db.run(q[way]())
            assert await verb(db, q) == [1]

    play(story, pool_size=1)


def test_what_was_lost_without_a_word_is_prepared_again(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        for verb in (as_run, as_run_many, as_multi, as_run_all, as_stream, as_copy):
            assert await verb(db, q) == [1]
            await db.run(q.lose())
            assert await as_run(db, q) == [1]

    play(story, pool_size=1)


def test_a_transaction_fails_once_and_the_next_one_does_not(play: Play, q: Any, side: Any) -> None:
    async def story(db: Any) -> None:
        await db.run(q.above(a=0))
        side.execute("alter table pets add b text")
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            async with db.transaction() as tx:
                await tx.run(q.above(a=0))
        async with db.transaction() as tx:
            assert [row.b for row in await tx.run(q.above(a=0))] == [None]
        await db.run(q.lose())
        with pytest.raises(psycopg.errors.InvalidSqlStatementName):
            async with db.transaction() as tx:
                await tx.run(q.above(a=0))
        async with db.transaction() as tx:
            assert [row.b for row in await tx.run(q.above(a=0))] == [None]

    play(story, pool_size=1)


def test_a_type_that_changed_fails_one_transaction_at_most(
    play: Play, q: Any, side: Any, write: Any
) -> None:
    own = write("-- name: put :affected\ninsert into typed (a) values (:a);")
    side.execute("create table typed (a int)")

    async def put(db: Any, value: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(own.put(a=value))

    async def story(db: Any) -> None:
        await put(db, 1)
        side.execute("alter table typed alter a type text using a::text")
        with suppress(psycopg.Error, rx.errors.ParameterError):
            await put(db, "x")
        await put(db, "x")

    try:
        play(story, pool_size=1)
    finally:
        side.execute("drop table typed")


async def rows_by_run_many(db: Any, q: Any) -> list[Any]:
    return [row for (row,) in await db.run_many(q.add, [{"a": 5}] * 3)]


async def rows_by_multi(db: Any, q: Any) -> list[Any]:
    steps = rx.Multi().add("one", q.add(a=5)).add("two", q.add(a=5))
    done = await db.run(steps.add("three", lambda done: q.add(a=done["one"][0].a)))
    return [row for (row,) in done.values()]


async def rows_by_run_all(db: Any, q: Any) -> list[Any]:
    await db.run_many(q.put, [{"a": 5}] * 3)
    found = await db.run_all([q.above(a=4), q.pets()])
    assert [row.a for row in found[0]] == [row.a for row in found[1]]
    return list(found[0])


async def rows_by_stream(db: Any, q: Any) -> list[Any]:
    await db.run_many(q.put, [{"a": 5}] * 3)
    return [row async for row in db.stream(q.above(a=4), batch=2)]


@pytest.mark.parametrize("way", ["change", "lose"])
@pytest.mark.parametrize("verb", [rows_by_run_many, rows_by_multi, rows_by_run_all, rows_by_stream])
def test_what_is_several_statements_is_done_once_and_whole(
    play: Play, q: Any, side: Any, verb: Callable[..., Awaitable[Any]], way: str
) -> None:
    async def story(db: Any) -> None:
        columns = ["a"]
        for turn in range(3):
            side.execute("truncate pets")
            made = await verb(db, q)
            assert [(row.a, names(row)) for row in made] == [(5, columns)] * 3
            assert side.execute("select a from pets").fetchall() == [(5,)] * 3
            if way == "change":
                columns.append(f"b{turn}")
                side.execute(f"alter table pets add b{turn} text")
            else:
                await db.run(q.lose())

    play(story, pool_size=1)


TYPES = {"int": int, "bigint": int, "numeric": Decimal, "text": str}
steps = st.lists(
    st.sampled_from(["add", "drop", "rename", *TYPES]).map(lambda change: ("change", change))
    | st.tuples(st.sampled_from(["pets", "named", "add"]), st.integers(0, 1)),
    min_size=2,
    max_size=20,
)


@pytest.mark.parametrize("prepare", [True, False])
def test_any_order_of_changes_and_calls_gives_the_right_rows(
    play: Play, q: Any, side: Any, prepare: bool
) -> None:
    class Table:
        """What the table holds now, if every change and every call did what it should."""

        def __init__(self) -> None:
            self.columns = ["a"]
            self.numbers = itertools.count()
            self.type: Any = int
            self.count = 1
            side.execute("drop table pets")
            side.execute("create table pets (a int); insert into pets values (1)")

        def change(self, change: str) -> None:
            last = self.columns[-1]
            if change == "add":
                self.columns.append(f"b{next(self.numbers)}")
                side.execute(f"alter table pets add {self.columns[-1]} text")
            elif change == "drop" and last != "a":
                side.execute(f"alter table pets drop {self.columns.pop()}")
            elif change == "rename" and last != "a":
                self.columns[-1] = f"b{next(self.numbers)}"
                side.execute(f"alter table pets rename {last} to {self.columns[-1]}")
            elif change in TYPES:
                self.type = TYPES[change]
                side.execute(f"alter table pets alter a type {change} using a::{change}")

        async def call(self, name: str, db: Any) -> None:
            value = self.type(1)
            if name == "named":
                assert await db.run(q.named(a=value)) == [value] * self.count
                return
            self.count += name == "add"
            rows = await db.run(q.pets() if name == "pets" else q.add(a=value))
            assert [names(row) for row in rows] == [self.columns] * len(rows)
            assert [(row.a, type(row.a)) for row in rows] == [(value, self.type)] * len(rows)
            assert len(rows) == (1 if name == "add" else self.count)

    @settings(max_examples=20)
    @given(steps)
    def holds(steps: list[tuple[str, Any]]) -> None:
        async def story(db: Any) -> None:
            table = Table()
            async with play.opened(pool_size=1, prepare=prepare) as other:
                for name, which in steps:
                    if name == "change":
                        table.change(which)
                    else:
                        await table.call(name, (db, other)[which])

        play(story, pool_size=1, prepare=prepare)

    holds()

"""Blocks that happen whole or not at all, in both colours."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.conftest import Play

SQL = """\
    -- name: isolation :one -> scalar
    show transaction_isolation;
    -- name: read_only :one -> scalar
    show transaction_read_only;
    -- name: deferrable :one -> scalar
    show transaction_deferrable;
    -- name: pid :one -> scalar
    select pg_backend_pid();
    -- name: fail :exec
    select 1 / 0;
    -- name: sleep :exec
    select pg_sleep(60);
    -- name: double :copy
    copy users (email, name, age) from stdin;
    -- name: later :exec
    create table if not exists pairs (n int unique deferrable initially deferred);
    -- name: pair :exec
    insert into pairs values (1), (1);
"""


@pytest.fixture
def add(queries: rx.Queries) -> Callable[[str], rx.BoundQuery[Any]]:
    """A query that adds a user of a name."""
    return lambda name: queries.users.create(email=f"{name}@b.de", name=name, age=1)


async def names(db: Any, queries: rx.Queries) -> str:
    return "".join(user.name for user in await db.run(queries.users.all()))


def test_the_end_of_the_block_commits(play: Play, queries: rx.Queries, add: Any) -> None:
    async def story(db: Any) -> None:
        async with play.opened() as other, db.transaction() as tx:
            assert (await tx.run(add("a"))).name == "a"
            assert await names(tx, queries) == "a"
            assert await names(other, queries) == ""
        assert await names(db, queries) == "a"

    play(story)


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_error_rolls_back_and_comes_out_as_it_is(
    play: Play, queries: rx.Queries, add: Any, error: type[BaseException]
) -> None:
    async def broken(db: Any, raised: BaseException) -> None:
        async with db.transaction() as tx:
            await tx.run(add("a"))
            raise raised

    async def story(db: Any) -> None:
        raised = error()
        with pytest.raises(error) as caught:
            await broken(db, raised)
        assert caught.value is raised
        assert not hasattr(raised, "__notes__")
        assert await names(db, queries) == ""

    play(story, pool_size=1)


def test_an_inner_block_is_taken_back_alone(play: Play, queries: rx.Queries, add: Any) -> None:
    async def broken(tx: Any) -> None:
        async with tx.transaction() as inner:
            await inner.run(add("b"))
            async with inner.transaction() as innermost:
                await innermost.run(add("c"))
            raise ZeroDivisionError

    async def story(db: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(add("a"))
            with pytest.raises(ZeroDivisionError):
                await broken(tx)
            async with tx.transaction() as inner:
                await inner.run(add("d"))
                await tx.run(add("e"))  # the outer one works meanwhile
        assert await names(db, queries) == "ade"

    play(story, pool_size=1)


def test_an_error_of_a_statement_in_an_inner_block_leaves_the_outer_usable(
    play: Play, queries: rx.Queries, add: Any, write: Any
) -> None:
    q = write(SQL)

    async def story(db: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(add("a"))
            with pytest.raises(psycopg.errors.DivisionByZero):
                async with tx.transaction() as inner:
                    await inner.run(q.fail())
            await tx.run(add("b"))
        assert await names(db, queries) == "ab"

    play(story, pool_size=1)


@pytest.mark.parametrize("level", ["read committed", "repeatable read", "serializable"])
@pytest.mark.parametrize("switch", [True, False])
def test_the_options_are_in_effect_for_this_transaction_alone(
    play: Play, write: Any, level: str, switch: bool
) -> None:
    q = write(SQL)

    async def shown(db: Any) -> list[str]:
        return [await db.run(each()) for each in (q.isolation, q.read_only, q.deferrable)]

    async def story(db: Any) -> None:
        before = await shown(db)
        word = "on" if switch else "off"
        async with db.transaction(isolation=level, read_only=switch, deferrable=switch) as tx:
            assert await shown(tx) == [level, word, word]
            async with tx.transaction() as inner:
                assert await shown(inner) == [level, word, word]
        assert await shown(db) == before == ["read committed", "off", "off"]

    play(story, pool_size=1)


def test_read_only_is_kept_by_the_server(play: Play, add: Any, queries: rx.Queries) -> None:
    async def story(db: Any) -> None:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            async with db.transaction(read_only=True) as tx:
                await tx.run(add("a"))
        assert await names(db, queries) == ""

    play(story, pool_size=1)


@pytest.mark.parametrize("level", ["snapshot", "SERIALIZABLE", "", "serializable; drop table x"])
def test_an_isolation_that_does_not_exist_is_refused(play: Play, level: str) -> None:
    async def story(db: Any) -> None:
        with pytest.raises(ValueError, match="isolation must be one of read committed, repeatable"):
            db.transaction(isolation=level)

    play(story)


def test_options_of_an_inner_block_are_refused(play: Play, queries: rx.Queries, add: Any) -> None:
    async def story(db: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(add("a"))
            for options in ({"isolation": "serializable"}, {"read_only": False}):
                with pytest.raises(
                    rx.errors.TransactionError, match="belong to the outermost block"
                ):
                    async with tx.transaction(**options):
                        raise AssertionError
        assert await names(db, queries) == "a"

    play(story, pool_size=1)


def test_an_error_caught_inside_commits_nothing_and_says_so(
    play: Play, queries: rx.Queries, add: Any, write: Any
) -> None:
    q = write(SQL)

    async def swallowing(db: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(add("x"))
            with pytest.raises(psycopg.errors.DivisionByZero):
                await tx.run(q.fail())
            with pytest.raises(psycopg.errors.InFailedSqlTransaction):
                await tx.run(add("y"))

    async def story(db: Any) -> None:
        with pytest.raises(rx.errors.TransactionError, match="the transaction was rolled back"):
            await swallowing(db)
        assert await names(db, queries) == ""
        async with db.transaction() as tx:  # and as a savepoint it takes back itself alone
            await tx.run(add("a"))
            with pytest.raises(rx.errors.TransactionError, match="the transaction was rolled back"):
                await swallowing(tx)
            await tx.run(add("b"))
        assert await names(db, queries) == "ab"

    play(story, pool_size=1)


def test_an_error_of_the_commit_itself_comes_out(play: Play, write: Any) -> None:
    q = write(SQL)

    async def story(db: Any) -> None:
        await db.run(q.later())
        with pytest.raises(psycopg.errors.UniqueViolation):
            async with db.transaction() as tx:
                await tx.run(q.pair())
        assert await db.run(q.read_only()) == "off"
        with pytest.raises(psycopg.errors.UniqueViolation) as caught:
            await db.run_many(q.pair, [{}])
        assert caught.value.__notes__ == [f"in query q.pair ({q.pair.location})"]

    play(story, pool_size=1)


def test_it_is_used_inside_of_its_block_only_and_once(
    play: Play, queries: rx.Queries, add: Any, write: Any, collect: Any
) -> None:
    q = write(SQL)

    async def story(db: Any) -> None:
        async with db.transaction() as tx, tx.transaction() as inner:
            pass
        for over in (tx, inner):
            for use in (
                lambda over=over: over.run(add("x")),
                lambda over=over: over.run_many(queries.users.create, []),
                lambda over=over: over.copy(q.double, []),
                lambda over=over: collect(over.stream(queries.users.all())),
                lambda over=over: over.transaction().__aenter__(),
            ):
                with pytest.raises(
                    rx.errors.TransactionError, match="use it inside of its with block"
                ):
                    await use()
        assert await names(db, queries) == ""

    play(story, pool_size=1)


def test_before_its_block_it_runs_nothing(db: rx.Database, queries: rx.Queries) -> None:
    with pytest.raises(rx.errors.TransactionError, match="use it inside of its with block"):
        db.transaction().run(queries.users.count())


def test_a_block_is_entered_once(db: rx.Database, open_async: Any) -> None:
    block = db.transaction()
    for _ in range(2):
        with block:
            with pytest.raises(rx.errors.TransactionError, match="entered only once"):
                block.__enter__()
            break
    with pytest.raises(rx.errors.TransactionError, match="entered only once"):
        block.__enter__()

    async def story() -> None:
        async with open_async() as other:
            block = other.transaction()
            async with block:
                pass
            with pytest.raises(rx.errors.TransactionError, match="entered only once"):
                await block.__aenter__()

    asyncio.run(story())


@pytest.mark.parametrize("nested", [False, True])
def test_a_connection_killed_inside_gives_the_drivers_error_and_the_pool_goes_on(
    play: Play, queries: rx.Queries, add: Any, write: Any, side: Any, nested: bool
) -> None:
    q = write(SQL)

    async def killed(db: Any, then: rx.BoundQuery[Any]) -> None:
        async with db.transaction() as tx:
            await tx.run(add("a"))
            side.execute("select pg_terminate_backend(%s, 5000)", [await tx.run(q.pid())])
            if nested:
                async with tx.transaction() as inner:
                    await inner.run(then)
            await tx.run(then)

    async def story(db: Any) -> None:
        for _ in range(2):
            with pytest.raises(psycopg.OperationalError) as caught:
                await killed(db, add("b"))
            assert caught.value.sqlstate in ("57P01", None)
            assert await names(db, queries) == ""

    play(story, pool_size=1)


def test_a_connection_killed_inside_does_not_hide_the_blocks_own_error(
    play: Play, queries: rx.Queries, add: Any, write: Any, side: Any
) -> None:
    q = write(SQL)

    async def killed(db: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(add("a"))
            side.execute("select pg_terminate_backend(%s, 5000)", [await tx.run(q.pid())])
            raise ZeroDivisionError

    async def story(db: Any) -> None:
        with pytest.raises(ZeroDivisionError):
            await killed(db)
        assert await names(db, queries) == ""

    play(story, pool_size=1)


def test_a_connection_killed_before_the_commit_is_an_error(
    play: Play, queries: rx.Queries, add: Any, write: Any, side: Any
) -> None:
    q = write(SQL)

    async def killed(db: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(add("a"))
            side.execute("select pg_terminate_backend(%s, 5000)", [await tx.run(q.pid())])

    async def story(db: Any) -> None:
        with pytest.raises(psycopg.OperationalError):
            await killed(db)
        assert await names(db, queries) == ""

    play(story, pool_size=1)

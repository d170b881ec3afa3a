"""A statement is one for each search path, as its names stand for other tables in each."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.engine.session.session_state import effects_of, may_move

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.conftest import Play

SQL = """\
    -- name: go_to :one -> scalar
    select set_config('search_path', :path, false);
    -- name: visit :one -> scalar
    select set_config('search_path', :path, true);
    -- name: move :one -> scalar
    select move_to(:path);
    -- name: set_a :exec
    set search_path = ta;
    -- name: set_b :exec
    set local search_path = tb;
    -- name: be_a :exec
    set role ta;
    -- name: be_b :exec
    set local role tb;
    -- name: be_again :exec
    reset role;
    -- name: put :affected
    insert into ev (at) values (:at);
    -- name: find :many -> scalar
    select v from w where v = :v;
    -- name: all :many
    select * from w;
    -- name: hide :exec
    create temporary table if not exists ev (at timestamptz) on commit drop;
    -- name: hide_for_long :exec
    create temp table "ev" (at timestamptz);
    -- name: hide_there :exec
    create table pg_temp.ev (at timestamptz);
    -- name: put_back :one -> scalar
    insert into ev (at) values (:at) returning at::text;
    -- name: unhide :exec
    drop table pg_temp.ev;
"""
NOON = datetime(2026, 5, 5, 15, 30, tzinfo=UTC)
DAY = date(2026, 5, 5)


@pytest.fixture
def q(write: Any) -> Any:
    return write(SQL)


@pytest.fixture(autouse=True)
def _tenants(side: psycopg.Connection[Any]) -> Iterator[None]:
    side.execute(
        """
        create role ta; create role tb;
        create schema ta authorization ta; create schema tb authorization tb;
        create table ta.ev (at date); create table tb.ev (at timestamptz);
        create table ta.w (v text); create table tb.w (v int, more text);
        insert into ta.w values ('x'); insert into tb.w values (1, 'y');
        grant all on all tables in schema ta to ta; grant all on all tables in schema tb to tb;
        create table ev (at date);
        create function move_to(path text) returns text language sql
        as $$ select set_config('search_path', path || ', public', false) $$
        """
    )
    yield
    side.execute(
        "drop schema ta, tb cascade; drop table ev; drop function move_to; drop role ta, tb"
    )


def stored(side: psycopg.Connection[Any], table: str) -> list[Any]:
    return [at for (at,) in side.execute(f"select at from {table}").fetchall()]


@pytest.mark.parametrize("prepare", [True, False])
@pytest.mark.parametrize("way", ["go_to", "visit", "move"])
def test_tenants_store_each_what_their_own_table_holds(
    play: Play, q: Any, side: psycopg.Connection[Any], way: str, prepare: bool
) -> None:
    async def story(db: Any) -> None:
        for turn in range(3):
            async with db.transaction() as tx:
                await tx.run(q[way](path="ta"))
                await tx.run(q.put(at=DAY))
                assert await tx.run(q.find(v="x")) == ["x"]
                assert len(await tx.run(q.all())) == 1
            async with db.transaction() as tx:
                await tx.run(q[way](path="tb"))
                await tx.run(q.put(at=NOON))
                assert await tx.run(q.find(v=1)) == [1]
                assert [row.more for row in await tx.run(q.all())] == ["y"]
            assert (len(stored(side, "ta.ev")), len(stored(side, "tb.ev"))) == (turn + 1,) * 2

    play(story, pool_size=1, prepare=prepare)

    assert (set(stored(side, "ta.ev")), set(stored(side, "tb.ev"))) == ({DAY}, {NOON})


def test_a_value_for_another_tenants_type_is_refused(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(q.visit(path="tb"))
            await tx.run(q.put(at=NOON))
        async with db.transaction() as tx:
            await tx.run(q.visit(path="ta"))
            with pytest.raises(rx.errors.ParameterError, match="at: the server expects date here"):
                await tx.run(q.put(at=NOON))

    play(story, pool_size=1)


def test_a_step_of_a_multi_may_choose_the_tenant_of_those_after_it(
    play: Play, q: Any, side: psycopg.Connection[Any]
) -> None:
    async def story(db: Any) -> None:
        for _ in range(2):
            for path, value in (("ta", DAY), ("tb", NOON)):
                steps = rx.Multi().add("path", q.visit(path=path)).add("put", q.put(at=value))
                await db.run(steps)

    play(story, pool_size=1)

    assert (stored(side, "ta.ev"), stored(side, "tb.ev")) == ([DAY] * 2, [NOON] * 2)


def test_the_path_that_ends_with_its_transaction_leaves_the_one_before(
    play: Play, q: Any, side: psycopg.Connection[Any]
) -> None:
    async def story(db: Any) -> None:
        await db.run(q.put(at=DAY))
        for is_kept in (True, False):
            with suppress(LookupError):
                async with db.transaction() as tx:
                    await tx.run(q.set_b())
                    await tx.run(q.put(at=NOON))
                    if not is_kept:
                        raise LookupError
            await db.run(q.put(at=DAY))
            with pytest.raises(rx.errors.ParameterError):
                await db.run(q.put(at=NOON))

    play(story, pool_size=1)

    assert (stored(side, "ev"), stored(side, "tb.ev")) == ([DAY] * 3, [NOON])


def test_a_savepoint_that_is_rolled_back_takes_its_path_along(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(q.set_a())
            await tx.run(q.put(at=DAY))
            with suppress(LookupError):
                async with tx.transaction() as inner:
                    await inner.run(q.set_b())
                    assert await inner.run(q.put_back(at=NOON))
                    raise LookupError
            with pytest.raises(rx.errors.ParameterError):
                await tx.run(q.put_back(at=NOON))
            assert await tx.run(q.put_back(at=DAY)) == "2026-05-05"

    play(story, pool_size=1)


def test_a_role_finds_its_own_schema(play: Play, q: Any, side: psycopg.Connection[Any]) -> None:
    async def story(db: Any) -> None:
        for _ in range(2):
            async with db.transaction() as tx:
                await tx.run(q.be_a())
                await tx.run(q.put(at=DAY))
                await tx.run(q.be_again())
                await tx.run(q.be_b())
                await tx.run(q.put(at=NOON))
                assert await tx.run(q.find(v=1)) == [1]
            await db.run(q.put(at=DAY))

    play(story, pool_size=1)

    assert (stored(side, "ta.ev"), stored(side, "tb.ev")) == ([DAY] * 2, [NOON] * 2)
    assert stored(side, "ev") == [DAY] * 2


def test_a_temporary_table_hides_another_until_it_is_gone(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        assert await db.run(q.put_back(at=DAY)) == "2026-05-05"
        for _ in range(2):
            async with db.transaction() as tx:
                await tx.run(q.hide())
                assert "15:30" in await tx.run(q.put_back(at=NOON))
            with pytest.raises(rx.errors.ParameterError):
                await db.run(q.put_back(at=NOON))
            async with db.transaction() as tx:
                await tx.run(q.hide_for_long())
                assert "15:30" in await tx.run(q.put_back(at=NOON))
                await tx.run(q.unhide())
                with pytest.raises(rx.errors.ParameterError):
                    await tx.run(q.put_back(at=NOON))
                assert await tx.run(q.put_back(at=DAY)) == "2026-05-05"
                await tx.run(q.hide_there())
                assert "15:30" in await tx.run(q.put_back(at=NOON))
            assert await db.run(q.put_back(at=DAY)) == "2026-05-05"

    play(story, pool_size=1)


@pytest.mark.parametrize("text", [text.split(";")[0] for text in SQL.split("-- name: ")[1:]])
def test_what_may_move_names_is_told_by_its_text(text: str) -> None:
    name, _, statement = text.partition("\n")
    plain = name.split()[0] in ("move", "put", "find", "all", "put_back")

    assert may_move(statement) is not plain


@pytest.mark.parametrize(
    "text",
    [
        "select set_config('app.user_id', $1, true)",
        "select role, template from users",
        "set local app.tenant = 'a'",
        "insert into temperatures values ($1)",
    ],
)
def test_other_settings_and_names_move_nothing(text: str) -> None:
    assert not may_move(text)


@pytest.mark.parametrize(
    "text",
    [
        "select 1",
        "set search_path = ta",
        "create temp table w (v int)",
        "alter table w add column n int",
        "update w set v = now()",
        "select pg_advisory_lock(1)",
    ],
)
def test_a_text_of_any_length_has_the_same_effects(text: str) -> None:
    assert effects_of(text) == effects_of(text + " -- " + "x" * 20_000)


def test_what_a_rolled_back_change_taught_is_asked_for_again(
    play: Play, q: Any, side: psycopg.Connection[Any], write: Any
) -> None:
    own = write("-- name: widen :exec\nalter table ev alter at type timestamptz;")

    async def story(db: Any) -> None:
        with suppress(LookupError):
            async with db.transaction() as tx:
                await tx.run(own.widen())
                assert await tx.run(q.put_back(at=NOON))
                raise LookupError
        with pytest.raises(rx.errors.ParameterError):
            await db.run(q.put(at=NOON))

    play(story, pool_size=1)


def test_a_connection_that_is_lent_may_come_back_from_elsewhere(
    play: Play, q: Any, side: psycopg.Connection[Any]
) -> None:
    async def story(db: Any) -> None:
        await db.run(q.put(at=DAY))
        async with db.connection() as connection:
            await connection.execute("set search_path = tb")
        await db.run(q.put(at=DAY))
        with pytest.raises(rx.errors.ParameterError):
            await db.run(q.put(at=NOON))

    play(story, pool_size=1)

    assert stored(side, "ev") == [DAY] * 2

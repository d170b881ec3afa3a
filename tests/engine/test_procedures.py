"""Statements that do more than one thing: procedures that commit, and cursors that are fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.conftest import Play

SQL = """\
    -- name: twice :exec
    call twice();
    -- name: twice_quickly :exec
    -- @timeout 5s
    call twice();
    -- name: fail :exec
    call fail();
    -- name: count :one -> scalar
    select count(*) from done;
    -- name: limit_now :one -> scalar
    select current_setting('statement_timeout');
    -- name: open_int :exec
    declare c cursor for select 1::int4;
    -- name: open_text :exec
    declare c cursor for select 'abcd'::text;
    -- name: open_numeric :exec
    declare c cursor for select 1.5::numeric;
    -- name: fetch :many -> scalar
    fetch all from c;
"""


@pytest.fixture
def q(side: psycopg.Connection[Any], write: Any) -> Iterator[Any]:
    side.execute("create table done (a int)")
    side.execute(
        "create procedure twice() language plpgsql as "
        "'begin insert into done values (1); commit; insert into done values (2); end'"
    )
    side.execute(
        "create procedure fail() language plpgsql as "
        "'begin insert into done values (7); commit; execute ''execute nosuch''; end'"
    )
    yield write(SQL)
    side.execute("drop procedure twice(); drop procedure fail(); drop table done")


def test_a_procedure_that_commits_runs_with_a_limit_and_without(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        await db.run(q.twice())
        await db.run(q.twice_quickly())
        assert await db.run(q.count()) == 4
        assert await db.run(q.limit_now()) == "15s"

    play(story, pool_size=1)


def test_a_procedure_that_failed_after_it_had_committed_is_not_called_again(
    play: Play, q: Any
) -> None:
    async def story(db: Any) -> None:
        for count in (1, 2):
            with pytest.raises(psycopg.errors.InvalidSqlStatementName):
                await db.run(q.fail())
            assert await db.run(q.count()) == count

    play(story, pool_size=1)


def test_what_is_fetched_has_the_type_that_it_has_today(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        for opened, expected in [(q.open_int, "1"), (q.open_text, "abcd"), (q.open_numeric, "1.5")]:
            async with db.transaction() as tx:
                await tx.run(opened())
                assert [str(value) for value in await tx.run(q.fetch())] == [expected]

    play(story, pool_size=1)

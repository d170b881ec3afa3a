"""A statement outside of a transaction: when it is sent again, and when nobody may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.testing import to_server

if TYPE_CHECKING:
    from tests.engine.conftest import Play


def test_a_lone_statement_after_a_conflict_is_repeated(
    play: Play, q: Any, side: Any, attempts: Any
) -> None:
    side.execute(
        """
        create function in_time() returns int language plpgsql as $$
        begin
            if nextval('attempts') < 3 then
                raise exception using errcode = '40001', message = 'not yet';
            end if;
            return 1;
        end $$
        """
    )

    async def story(db: Any) -> None:
        assert await db.run(q.late()) == 1

    try:
        play(story, retry_interval=0)
        assert attempts() == 3
    finally:
        side.execute("drop function in_time")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lone_write_that_is_lost_is_unknown_and_not_sent_again(
    play: Play, q: Any, proxy: Any, marks: Any, when: Any
) -> None:
    async def story(db: Any) -> None:
        await db.run(q.total())
        await db.run(q.add(n=0))
        proxy.cut_at(to_server(b"S"), when=when)
        with pytest.raises(rx.OutcomeUnknownError, match="@idempotent") as caught:
            await db.run(q.add(n=1))
        assert caught.value.token is None
        assert isinstance(caught.value.__cause__, psycopg.OperationalError)
        assert any("in query q.add" in note for note in caught.value.__notes__)

    play(story, proxy.conninfo)
    assert marks() == ([0, 1] if when == "after" else [0])


def test_a_statement_that_was_never_sent_is_sent(
    play: Play, q: Any, proxy: Any, marks: Any
) -> None:
    # The line is cut while the server is asked about the statement, before it is run.
    async def story(db: Any) -> None:
        for kind, add in ((b"P", q.add), (b"D", q.add_surely)):
            proxy.cut_at(to_server(kind), when="before")
            await db.run(add(n=kind[0]))

    play(story, proxy.conninfo, retry_interval=0, pool_size=1)
    assert marks() == sorted(b"PD")


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_idempotent_query_is_sent_again(
    play: Play, q: Any, proxy: Any, marks: Any, when: Any
) -> None:
    async def story(db: Any) -> None:
        await db.run(q.add_surely(n=0))
        proxy.cut_at(to_server(b"E"), when=when)
        await db.run(q.add_surely(n=1))
        proxy.cut_at(to_server(b"E"), when=when)
        assert await db.run(q.total_surely()) == 1

    play(story, proxy.conninfo, retry_interval=0)
    assert marks() == [0, 1]


def test_what_the_server_keeps_from_writing_is_sent_again(play: Play, q: Any, proxy: Any) -> None:
    async def story(db: Any) -> None:
        await db.run(q.total())
        proxy.cut_at(to_server(b"E"), when="after")
        assert await db.run(q.total()) == 0

    options = " options='-c default_transaction_read_only=on'"
    play(story, proxy.conninfo + options, retry_interval=0)


def test_queries_that_only_read_are_asked_again(play: Play, q: Any, proxy: Any) -> None:
    async def story(db: Any) -> None:
        await db.run(q.total())
        for when in ("before", "after"):
            proxy.cut_at(to_server(b"S"), when=when)
            assert await db.run_all([q.total(), q.total()]) == [0, 0]

    play(story, proxy.conninfo, retry_interval=0)

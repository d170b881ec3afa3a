"""What a PgBouncer in between says and does when it is full, or when the server behind it fails."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.failures import Category, Effect, Phase, Verdict, classify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.conftest import Play

SQL = """\
    -- name: add :affected
    insert into pets (a) values (:a);
    -- name: all :many -> scalar
    select a from pets order by a;
    -- name: read :one -> scalar
    -- @idempotent
    select count(*) from pets;
    -- name: wait :affected
    with waited as materialized (select pg_sleep(:seconds))
    insert into pets (a) select :a from waited;
    -- name: wait_again :one -> scalar
    -- @idempotent
    select :a::int from pg_sleep(:seconds);
    -- name: marked :one -> scalar
    select current_setting('raxol.mark', true);
    -- name: mark_here :one -> scalar
    select set_config('raxol.mark', 'here', true);
"""
SLEEPERS = """\
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and wait_event = 'PgSleep'
"""


@pytest.fixture
def q(write: Any, side: psycopg.Connection[Any]) -> Any:
    side.execute("create table pets (a int)")
    return write(SQL)


@contextmanager
def taken(conninfo: str) -> Iterator[psycopg.Connection[Any]]:
    """A transaction of another client, which keeps one of the pooler's connections."""
    with psycopg.connect(conninfo) as other:
        other.execute("select 1")
        yield other


@contextmanager
def let_go_after(seconds: float, other: psycopg.Connection[Any]) -> Iterator[None]:
    """The other client ends its transaction after a while."""
    timer = threading.Timer(seconds, other.rollback)
    timer.start()
    try:
        yield
    finally:
        timer.join()


async def add_in_transact(db: Any, q: Any) -> int:
    async def work(tx: Any) -> int:
        added: int = await tx.run(q.add(a=1))
        return added

    count: int = await db.run_transaction(work)
    return count


def test_a_statement_that_got_no_server_in_time_is_in_doubt_as_the_client_cannot_know(
    play: Play, q: Any, bouncer: Any, side: psycopg.Connection[Any], watch: Any
) -> None:
    url = bouncer(default_pool_size=1, query_wait_timeout=1).conninfo

    async def story(db: Any) -> None:
        assert await db.run(q.add(a=0)) == 1
        with watch.at_most(5), taken(url), pytest.raises(rx.OutcomeUnknownError) as caught:
            await db.run(q.add(a=1))
        failure = classify(caught.value.__cause__, Phase.SENT, lost=True)  # type: ignore[arg-type]
        assert failure.category is Category.CONNECTION
        assert (failure.effect, failure.verdict) == (Effect.UNKNOWN, Verdict.RESOLVE)
        # The one that was told so is not used again.
        assert await db.run(q.all()) == [0]

    play(story, url, pool_size=1)


def test_what_may_be_done_again_waits_for_the_pooler_and_happens_once(
    play: Play, q: Any, bouncer: Any, side: psycopg.Connection[Any]
) -> None:
    url = bouncer(default_pool_size=1, query_wait_timeout=1).conninfo

    async def story(db: Any) -> None:
        assert await db.run(q.read()) == 0
        with taken(url) as other, let_go_after(1.5, other):
            assert await db.run(q.read()) == 0
        with taken(url) as other, let_go_after(1.5, other):
            assert await add_in_transact(db, q) == 1
        assert side.execute("select a from pets").fetchall() == [(1,)]

    play(story, url, pool_size=1)


def test_a_pooler_that_never_has_a_server_is_waited_for_until_the_deadline_and_named(
    play: Play, q: Any, bouncer: Any, watch: Any
) -> None:
    url = bouncer(default_pool_size=1, query_wait_timeout=1).conninfo

    async def story(db: Any) -> None:
        assert await db.run(q.read()) == 0
        with (
            taken(url),
            watch.at_most(3 + 1),
            pytest.raises(psycopg.OperationalError) as caught,
        ):
            await db.run(q.read())
        assert "query_wait_timeout" in str(caught.value)
        assert await db.run(q.read()) == 0

    play(story, url, pool_size=1, timeout=3000)


@pytest.mark.parametrize("again", [False, True])
def test_a_server_that_is_lost_behind_the_pooler_means_what_the_phase_says(
    play: Play,
    q: Any,
    bouncer: Any,
    side: psycopg.Connection[Any],
    until: Any,
    again: bool,
    watch: Any,
) -> None:
    url = bouncer(default_pool_size=2).conninfo

    async def story(db: Any) -> None:
        def end() -> None:
            until(lambda: side.execute(SLEEPERS).fetchall())

        ending = threading.Thread(target=end)
        ending.start()
        with watch.at_most(10):
            if again:
                assert await db.run(q.wait_again(a=7, seconds=2)) == 7
            else:
                with pytest.raises(rx.OutcomeUnknownError) as caught:
                    await db.run(q.wait(a=7, seconds=30))
                assert isinstance(caught.value.__cause__, psycopg.OperationalError)
        ending.join()
        assert await db.run(q.all()) == []

    play(story, url, pool_size=1)


def test_a_transaction_whose_server_is_lost_behind_the_pooler_is_done_again_and_happens_once(
    play: Play, q: Any, bouncer: Any, side: psycopg.Connection[Any], until: Any
) -> None:
    url = bouncer(default_pool_size=2).conninfo
    begun = []

    async def story(db: Any) -> None:
        async def work(tx: Any) -> None:
            begun.append(1)
            await tx.run(q.add(a=len(begun)))
            if len(begun) == 1:
                ending = threading.Thread(
                    target=until, args=[lambda: side.execute(SLEEPERS).fetchall()]
                )
                ending.start()
                try:
                    await tx.run(q.wait(a=0, seconds=30))
                finally:
                    ending.join()

        await db.run_transaction(work)
        assert len(begun) == 2
        assert side.execute("select a from pets").fetchall() == [(2,)]

    play(story, url, pool_size=1)


def test_connections_beyond_what_the_pooler_takes_are_waited_for_and_one_that_is_free_is_used(
    play: Play, q: Any, bouncer: Any, watch: Any
) -> None:
    url = bouncer(default_pool_size=5, max_client_conn=2).conninfo

    async def story(db: Any) -> None:
        with psycopg.connect(url) as other:
            async with db.transaction() as tx:
                assert await tx.run(q.all()) == []
                closing = threading.Timer(1, other.close)
                closing.start()
                with watch.at_most(5):
                    assert await asyncio.wait_for(beside(db, q), 10) == 0
                closing.join()

    async def beside(db: Any, q: Any) -> Any:
        return await db.run(q.read())

    play(story, url, pool_size=2, pool_min_size=1)


def test_a_pooler_that_stays_full_is_an_error_of_acquiring_that_is_bounded_and_says_why(
    play: Play, q: Any, bouncer: Any, until: Any, watch: Any
) -> None:
    url = bouncer(default_pool_size=5, max_client_conn=1).conninfo

    def connected() -> psycopg.Connection[Any] | None:
        # The pooler may not have noticed yet that whoever looked whether it runs has gone.
        with suppress(psycopg.OperationalError):
            return psycopg.connect(url)
        return None

    async def story() -> None:
        only = until(connected)
        with watch.at_most(4), only, pytest.raises(psycopg.OperationalError) as caught:
            async with play.opened(url, timeout=2000):
                pass
        assert "no more connections allowed" in str(caught.value)
        failure = classify(caught.value, Phase.ACQUIRE)
        assert failure.category is Category.CONNECTION
        assert (failure.effect, failure.verdict) == (Effect.NONE, Verdict.ACQUIRE)

    asyncio.run(story())


def test_what_a_transaction_sets_for_itself_is_gone_for_the_pooler_s_next_client(
    play: Play, q: Any, bouncer: Any
) -> None:
    url = bouncer(default_pool_size=1).conninfo

    async def story(db: Any) -> None:
        async with db.transaction() as tx:
            assert await tx.run(q.mark_here()) == "here"
            assert await tx.run(q.marked()) == "here"
        with taken(url) as other:
            mark = other.execute("select current_setting('raxol.mark', true)").fetchone()
            assert mark in ((None,), ("",))

    play(story, url, pool_size=1)

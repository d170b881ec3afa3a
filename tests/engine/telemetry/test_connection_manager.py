"""The life of a database object: its connections, its pool, its health and its counters."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.adapt import Loader
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row
from psycopg_pool import PoolClosed

import raxol_sql as rx
from raxol_sql import embedded
from tests.engine.conftest import Play

NAME = "raxol_sql_manager"
TEXT = """
    -- name: pid :one -> scalar
    select pg_backend_pid();

    -- name: sleep :exec
    select pg_sleep(:seconds);

    -- name: limit :one -> scalar
    select current_setting('lock_timeout');
"""
Until = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def named(accounts_database: str) -> str:
    """The database, by a name that the server tells its connections by."""
    return make_conninfo(accounts_database, application_name=NAME)


def _backends(side: psycopg.Connection[Any]) -> set[int]:
    found = side.execute("select pid from pg_stat_activity where application_name = %s", [NAME])
    return {pid for (pid,) in found}


def test_a_block_ends_with_no_connection_left_and_every_call_after_it_says_closed(
    play: Play, write: Any, named: str, side: psycopg.Connection[Any], until: Until
) -> None:
    q = write(TEXT)

    async def story(db: Any) -> Any:
        await db.run(q.pid())
        assert _backends(side)
        await db.close()
        await db.close()
        with pytest.raises(PoolClosed):
            await db.run(q.pid())
        return db

    play(story, named)

    until(lambda: not _backends(side))


def test_a_script_that_forgets_to_close_ends_all_the_same(named: str) -> None:
    script = """
        import sys, raxol_sql
        db = raxol_sql.Database.open(sys.argv[1])
        db.enable_query_logging()
        print(db.health().ok)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), named],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    assert done.stdout.strip() == "True"


def test_a_connection_is_lent_and_given_back_as_it_was(
    play: Play, write: Any, caplog: pytest.LogCaptureFixture
) -> None:
    q = write(TEXT)

    async def story(db: Any) -> None:
        usual = await db.run(q.limit())
        async with db.connection() as connection:
            assert db.pool_status().in_use == 1
            await connection.execute("set lock_timeout = 4242")
            cursor = await connection.execute("select current_setting('lock_timeout')")
            assert await cursor.fetchone() == ("4242ms",)
        assert await db.run(q.limit()) == usual
        async with db.connection() as connection:
            await connection.execute("begin")
            await connection.execute("insert into users (email, name) values ('a@b.cd', 'A')")
        async with db.connection() as connection:
            cursor = await connection.execute("select count(*) from users")
            assert await cursor.fetchone() == (0,)
        assert db.pool_status().in_use == 0

    play(story, pool_size=1, pool_min_size=1)

    assert [one.getMessage() for one in caplog.records if one.name == "raxol_sql.pool"] == [
        "a connection was returned with an open transaction, which was rolled back"
    ]


def test_the_holder_of_a_connection_is_named_by_the_place_of_its_block(play: Play) -> None:
    async def story(db: Any) -> str:
        async with db.connection():
            with pytest.raises(rx.PoolExhaustedError) as caught:
                async with db.connection():
                    pass
        return str(caught.value)

    told = play(story, pool_size=1, pool_min_size=1, timeout=500)

    assert "connection() begun at " in told
    assert "contextlib" not in told


def test_what_is_registered_on_a_lent_connection_is_no_other_call_s(play: Play, write: Any) -> None:
    class Odd(Loader):
        def load(self, data: Any) -> str:
            return "odd"

    q = write("-- name: word :one\nselect 'plain'::text as word, 7 as number, '{}'::jsonb as made")

    async def story(db: Any) -> None:
        usual = await db.run(q.word())
        async with db.connection() as lent:
            connection = getattr(lent, "plain", lent)
            for name in ("text", "int4", "jsonb"):
                connection.adapters.register_loader(name, Odd)
            connection.row_factory = dict_row
            connection.add_notice_handler(print)
            cursor = await lent.execute("select 'plain'::text as word")
            assert await cursor.fetchone() == {"word": "odd"}
        assert await db.run(q.word()) == usual
        async with db.connection() as lent:
            cursor = await lent.execute("select 'plain'::text")
            assert await cursor.fetchone() == ("plain",)

    play(story, pool_size=1, pool_min_size=1)


@pytest.mark.parametrize("how", ["closed", "left without autocommit", "left with an error"])
def test_a_connection_that_was_spoilt_is_replaced(play: Play, write: Any, how: str) -> None:
    q = write(TEXT)

    async def story(db: Any) -> None:
        async with db.connection() as connection:
            if how == "closed":
                await connection.close()
            elif how == "left without autocommit":
                await connection.set_autocommit(False)
            else:
                with pytest.raises(psycopg.errors.DivisionByZero):
                    await connection.execute("begin; select 1 / 0")
        async with db.transaction() as tx:
            assert await tx.run(q.pid())

    play(story, pool_size=1, pool_min_size=1)


def test_health_says_whether_the_server_answers_and_what_it_is(play: Play) -> None:
    async def story(db: Any) -> rx.telemetry.Health:
        return await db.health()  # type: ignore[no-any-return]

    found = play(story)

    assert found.ok
    assert found.server_version is not None
    assert 0 < found.latency_ms < 5_000
    assert abs(found.checked_at - time.time()) < 60
    assert found.error is found.category is found.hint is None


def test_health_of_a_server_that_stopped_is_bad_in_time_and_good_when_it_is_back(
    own_project: Any,
) -> None:
    server = embedded.start(own_project)
    with rx.Database.open(server.conninfo("postgres")) as db:
        assert db.health().ok
        embedded.stop(own_project)
        began = time.monotonic()
        found = db.health(timeout=1_000)
        took = time.monotonic() - began
        embedded.start(own_project)
        again = db.health()

    assert not found.ok
    assert took < 10  # and a call may take 15
    assert found.error
    assert found.category
    assert found.hint
    assert again.ok


def test_health_waits_no_longer_than_it_may_for_a_connection(accounts_database: str) -> None:
    with rx.Database.open(accounts_database, pool_size=1, pool_min_size=1) as db:
        holds, ends = threading.Event(), threading.Event()

        def hold() -> None:
            with db.transaction():
                holds.set()
                ends.wait(10)

        thread = threading.Thread(target=hold)
        thread.start()
        assert holds.wait(10)
        found = db.health(timeout=200)
        ends.set()
        thread.join()

    assert (found.ok, found.category) == (False, "pool")
    assert 150 < found.latency_ms < 10_000


def test_the_pool_grows_to_its_maximum_and_shrinks_when_it_is_idle(
    write: Any, named: str, side: psycopg.Connection[Any], until: Until
) -> None:
    q = write(TEXT)
    sizes = {"pool_size": 6, "pool_min_size": 1, "idle_timeout": 300}
    with rx.Database.open(named, **sizes) as db:
        threads = [threading.Thread(target=lambda: db.run(q.sleep(seconds=0.2))) for _ in range(12)]
        for thread in threads:
            thread.start()
        until(lambda: len(_backends(side)) == 6)
        for thread in threads:
            thread.join()
        assert db.pool_status().size <= 6
        until(lambda: len(_backends(side)) == 1)


def test_a_pool_is_resized_while_it_works(play: Play, write: Any) -> None:
    q = write(TEXT)

    async def story(db: Any) -> None:
        assert db.pool_status().max == 1
        await db.resize(2, 3)
        assert (db.pool_status().min, db.pool_status().max) == (2, 3)
        async with db.transaction() as one, db.transaction() as two:
            assert await one.run(q.pid()) != await two.run(q.pid())
        with pytest.raises(ValueError, match="min <= max"):
            await db.resize(3, 2)

    play(story, pool_size=1, pool_min_size=1)


def test_what_lies_at_hand_ends_too_when_a_pool_is_made_smaller(
    play: Play, write: Any, named: str, side: psycopg.Connection[Any], until: Until
) -> None:
    async def story(db: Any) -> None:
        assert len(_backends(side)) == 4
        await db.resize(1, 4)
        if play.colour == "blocking":
            until(lambda: len(_backends(side)) == 1)
        else:
            while len(_backends(side)) > 1:
                await asyncio.sleep(0.01)

    play(story, named, pool_size=4, pool_min_size=4, idle_timeout=300)


def test_a_hundred_calls_in_a_row_use_no_more_connections_than_are_kept(
    play: Play, write: Any
) -> None:
    q = write(TEXT)

    async def story(db: Any) -> set[int]:
        return {await db.run(q.pid()) for _ in range(100)}

    assert len(play(story, pool_size=10, pool_min_size=2)) <= 2


def test_connections_that_were_ended_hurt_no_call_and_are_counted(
    play: Play, write: Any, named: str, side: psycopg.Connection[Any], until: Until
) -> None:
    q = write(TEXT)

    async def story(db: Any) -> rx.telemetry.PoolStatus:
        ended = _backends(side)
        assert len(ended) == 3
        side.execute("select pg_terminate_backend(pid) from unnest(%s) as pid", [[*ended]])
        until(lambda: not _backends(side) & ended)
        for _ in range(20):
            assert await db.run(q.pid()) not in ended
        async with db.transaction(), db.transaction(), db.transaction():
            return db.pool_status()  # type: ignore[no-any-return]

    assert play(story, named, pool_size=3, pool_min_size=3).lost == 3


def test_each_attempt_after_the_first_makes_the_line_a_warning(
    play: Play, write: Any, lines: Any, side: psycopg.Connection[Any]
) -> None:
    side.execute("drop sequence if exists watched_attempts; create sequence watched_attempts")
    side.execute("""
        create or replace function watched_fail_once() returns int language plpgsql as $$ begin
            if nextval('watched_attempts') < 2 then
                raise exception 'again' using errcode = '40P01';
            end if;
            return 1;
        end $$
    """)
    q = write("-- name: once :one -> scalar\n-- @idempotent\nselect watched_fail_once()")

    async def story(db: Any) -> None:
        db.enable_query_logging()
        assert await db.run(q.once()) == 1

    play(story, stacktrace=False)

    (record,) = lines.records
    assert record.levelno == logging.WARNING
    assert vars(record)["attempt"] == 2
    assert "paused=" in record.getMessage()


def test_what_is_used_is_told_connections_rows_and_time(
    play: Play, write: Any, named: str, side: psycopg.Connection[Any]
) -> None:
    q = write(TEXT)

    async def story(db: Any) -> None:
        async with db.transaction() as one, db.transaction() as two:
            await one.run(q.sleep(seconds=0.05))
            assert await two.run(q.pid()) in _backends(side)
            status = db.pool_status()
            assert (status.in_use, status.size) == (2, len(_backends(side)))
        used = db.metrics().queries
        assert used["q.sleep"].query_ms >= 50
        assert used["q.pid"].rows == 1

    play(story, named, pool_size=2, pool_min_size=2)


def test_a_restart_replaces_the_own_connections_and_no_others(
    play: Play, write: Any, named: str, side: psycopg.Connection[Any]
) -> None:
    q = write(TEXT)

    async def story(db: Any) -> None:
        before = _backends(side)
        await db.recycle()
        async with db.transaction() as one, db.transaction() as two:
            after = {await one.run(q.pid()), await two.run(q.pid())}
        assert not before & after

    play(story, named, pool_size=2, pool_min_size=2)

    assert side.execute("select 1").fetchone() == (1,)

"""During an outage the figures are those of connections, and the log has a line for each end."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Any

import psycopg
import psycopg_pool
import pytest

import raxol_sql as rx

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.conftest import Play


def _lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    return [
        (record.name, record.levelname, record.getMessage())
        for record in caplog.records
        if record.name.startswith(("raxol_sql", "psycopg"))
    ]


def test_an_outage_is_one_warning_and_one_line_for_its_end_and_no_connection(
    play: Play, another: Any, q: Any, soon: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def call(db: Any) -> None:
        with pytest.raises(psycopg.OperationalError):
            await db.run(q.me())

    async def story(db: Any) -> list[rx.telemetry.PoolStatus]:
        await db.run(q.me())
        before = db.pool_status()
        another.stop()
        away = db.pool_status()
        for _ in range(3):
            await call(db)
        # A stand-in that goes back to psycopg_pool is counted there until the pool has noted it.
        await soon(lambda: db.pool_status().lost == 3)
        during = db.pool_status()
        another.start()
        await db.run(q.me())
        await soon(lambda: db.pool_status().lost == 3)
        return [before, away, during, db.pool_status()]

    before, away, during, after = play(
        story, another.conninfo, pool_size=3, pool_min_size=3, timeout=600, max_retries=0
    )

    assert (before.size, before.available, before.opened, before.failed) == (3, 3, 3, 0)
    assert (away.size, away.available, away.in_use) == (0, 0, 0)
    assert (during.size, during.available, during.opened, during.lost) == (0, 0, 3, 3)
    assert during.failed >= 3
    assert 1 <= after.available <= 3
    assert (after.opened - 3, after.lost) in [(1, 3), (2, 3), (3, 3)]
    lines = _lines(caplog)
    assert [line[:2] for line in lines] == [
        ("raxol_sql.pool", "WARNING"),
        ("raxol_sql.pool", "INFO"),
    ]
    assert lines[0][2].startswith("no connection can be made: connection failed: ")
    assert "the server accepts connections again, after " in lines[1][2]
    assert "failed attempts; the last one: connection failed: " in lines[1][2]


def test_a_connection_that_is_replaced_is_no_line_and_no_outage(
    play: Play, q: Any, end_all: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def story(db: Any) -> rx.telemetry.PoolStatus:
        await db.run(q.me())
        end_all()
        await db.run(q.me())
        return db.pool_status()

    status = play(story, pool_size=1, pool_min_size=1)

    assert (status.opened, status.failed, status.lost, status.available) == (2, 0, 1, 1)
    assert _lines(caplog) == []


def test_a_refusal_while_the_pool_is_open_is_one_warning_and_names_the_sqlstate(
    play: Play, spare: Any, q: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def story(db: Any) -> None:
        await db.run(q.me())
        spare.side("alter role locked password 'changed'")
        await db.recycle()
        for _ in range(3):
            with pytest.raises(psycopg.OperationalError):
                await db.run(q.me())
        spare.side("alter role locked password 'right'")
        until = asyncio.get_running_loop().time() + 5
        while asyncio.get_running_loop().time() < until:
            try:
                await db.run(q.me())
                return
            except psycopg.OperationalError:
                continue

    conninfo = psycopg.conninfo.make_conninfo(spare.conninfo, user="locked", password="right")
    try:
        play(story, conninfo, pool_size=1, pool_min_size=0)
    finally:
        spare.side("alter role locked password 'right'")

    lines = _lines(caplog)
    assert [line[1] for line in lines] == ["WARNING", "INFO"]
    assert all("(SQLSTATE 28P01)" in line[2] for line in lines)


def test_a_retry_that_succeeds_is_one_line_with_query_attempt_sqlstate_and_wait(
    play: Play, write: Any, side: psycopg.Connection[Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "raxol_sql.retry")
    side.execute("drop table if exists retry_log; create table retry_log (n int)")
    side.execute("drop sequence if exists retry_log_n; create sequence retry_log_n")
    side.execute("""
        create or replace function retry_log_fail() returns int language plpgsql as $$
        begin
            if nextval('retry_log_n') % 3 <> 0 then
                raise sqlstate '40001';
            end if;
            return 1;
        end $$
    """)
    q = write("""
        -- name: flaky :one -> scalar
        select retry_log_fail();
        -- name: put :affected
        insert into retry_log values (:n + retry_log_fail() - 1);
    """)

    async def work(tx: Any) -> int:
        found: int = await tx.run(q.flaky())
        return found

    async def story(db: Any) -> None:
        assert await db.run(q.flaky()) == 1
        assert await db.run_transaction(work) == 1
        await db.run_many(q.put, [{"n": 1}])
        await db.run(rx.Multi().add("put", q.put(n=1)))

    play(story, pool_size=2)

    told = [record.getMessage() for record in caplog.records if record.name == "raxol_sql.retry"]
    ends = "succeeded on attempt 3, after 40001 and waits of 0."
    assert len(told) == 4
    assert all(ends in line for line in told)
    assert [
        re.sub(r"run_transaction\(\S+\)", "run_transaction(work)", line.split(" succeeded")[0])
        for line in told
    ] == [
        "q.flaky",
        "run_transaction(work)",
        "q.put by run_many()",
        "a Multi of put",
    ]
    assert {record.levelname for record in caplog.records if "succeeded" in record.msg} == {"INFO"}


def test_the_log_of_pools_that_are_not_ours_stays_as_it_is(
    play: Play, q: Any, accounts_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "psycopg.pool")

    async def story(db: Any) -> None:
        await db.run(q.me())
        with psycopg_pool.ConnectionPool(accounts_database, min_size=1, open=True) as pool:
            connection = pool.getconn()
            connection.close()
            pool.putconn(connection)
        async with psycopg_pool.AsyncConnectionPool(
            accounts_database, min_size=1, open=False
        ) as own:
            closed = await own.getconn()
            await closed.close()
            await own.putconn(closed)
        await db.recycle()
        await db.run(q.me())

    play(story, pool_size=2)

    told = [record.getMessage() for record in caplog.records if record.name == "psycopg.pool"]
    assert sum("discarding closed connection" in line for line in told) == 2
    assert any("connection requested from" in line for line in told)
    assert not any("raxol_sql" in line for line in told)


def test_no_private_name_is_in_the_repr_of_a_connection(play: Play, q: Any) -> None:
    async def story(db: Any) -> str:
        async with db.connection() as connection:
            return repr(getattr(connection, "plain", connection))

    shown = play(story)

    assert shown.startswith("<psycopg.")
    assert "Traced" not in shown
    assert "locals" not in shown

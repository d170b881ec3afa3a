"""How many connections there are, and how long calls and idle ones last."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

import raxol_sql as rx
from tests.config.promises.conftest import Environment, Run, until


def test_there_are_never_more_connections_than_pool_size(
    parts: Environment, environ: Callable[..., None], backends: Callable[[str], int]
) -> None:
    environ(parts, {"RAXOL_DB_POOL_SIZE": "3"})
    most = 0
    with rx.Database.open() as db, ThreadPoolExecutor(12) as threads:
        calls = [threads.submit(db.run, rx.load("own.sql").own.sleep(s=0.3)) for _ in range(12)]
        while not all(call.done() for call in calls):
            most = max(most, backends("true"))
        assert [call.exception() for call in calls] == [None] * 12

    assert most == 3


def test_a_call_ends_after_timeout_milliseconds_and_so_does_its_work_at_the_server(
    parts: Environment, environ: Callable[..., None], backends: Callable[[str], int]
) -> None:
    environ(parts, {"RAXOL_DB_TIMEOUT": "500"})
    queries = rx.load("own.sql").own
    with rx.Database.open() as db:
        begun = time.monotonic()
        with pytest.raises(rx.DeadlineExceededError):
            db.run(queries.sleep(s=30))
        taken = time.monotonic() - begun

        assert 0.4 < taken < 15  # of the 30 that it would sleep
        assert until(lambda: backends("query ~ 'pg_sleep' and state = 'active'") == 0, 5)
        assert db.run(queries.pid()) > 0


def test_the_command_line_keeps_to_the_timeout_too(raxol_sql: Run, parts: Environment) -> None:
    ran = raxol_sql({**parts, "RAXOL_DB_TIMEOUT": "300"}, "run", "own.sleep", "s=30")

    assert ran.code == 4
    assert "call timed out" in ran.err


def test_connections_above_the_minimum_close_when_idle_for_idle_timeout_milliseconds(
    parts: Environment, environ: Callable[..., None], backends: Callable[[str], int]
) -> None:
    environ(parts, {"RAXOL_DB_IDLE_TIMEOUT": "200"})
    sleep = rx.load("own.sql").own.sleep
    with rx.Database.open(pool_size=4, pool_min_size=1) as db:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: db.run(sleep(s=0.3)), range(4)))
        assert backends("true") == 4
        assert until(lambda: backends("true") == 1, 15)


def test_an_idle_connection_that_died_is_found_out_before_it_is_handed_out(
    parts: Environment, environ: Callable[..., None], database: str
) -> None:
    environ(parts)
    pid = rx.load("own.sql").own.pid
    with (
        rx.Database.open(pool_size=1, pool_min_size=1, idle_timeout=50, max_retries=0) as db,
        psycopg.connect(database, autocommit=True) as other,
    ):
        first = db.run(pid())
        other.execute("select pg_terminate_backend(%s, 5000)", [first])

        assert db.run(pid()) != first

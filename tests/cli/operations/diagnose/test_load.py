"""Sessions that wait, forget or take their time, and the query that costs most."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli.operations.diagnose.conftest import Change, Diagnosed, names, session

pytestmark = pytest.mark.usefixtures("project")


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@contextmanager
def running(conninfo: str, application: str, statement: str) -> Iterator[psycopg.Connection[Any]]:
    """A session in which a statement runs, or waits, meanwhile; it is cancelled in the end."""
    with session(conninfo, application) as connection:

        def run() -> None:
            with suppress(psycopg.Error):
                connection.execute(statement.encode())

        thread = threading.Thread(target=run)
        thread.start()
        try:
            with psycopg.connect(conninfo, autocommit=True) as other:
                wait_until(
                    lambda: (
                        other.execute(
                            "select 1 from pg_stat_activity where application_name = %s"
                            " and state = 'active' and wait_event_type in ('Lock', 'Timeout')",
                            [application],
                        ).fetchone()
                        is not None
                    )
                )
            yield connection
        finally:
            connection.cancel_safe()
            thread.join(10)


def test_a_table_that_is_locked_ends_no_other_check_and_both_sessions_are_named(
    diagnosed: Diagnosed, migrated: str
) -> None:
    with session(migrated, "holder") as holder:
        holder.execute("lock table users in access exclusive mode")
        statement = "select name from users where name = 'secret value'"
        with running(migrated, "waiter", statement) as waiter:
            code, found = diagnosed("--only", "load")
            pids = waiter.info.backend_pid, holder.info.backend_pid
        assert (code, names(found)) == (0, [("WARN", "blocked")])
        (blocked,) = found
        assert f"waiter (pid {pids[0]}) waits" in blocked["message"]
        assert f"blocked by holder (pid {pids[1]}), idle in transaction" in blocked["message"]
        assert "(AccessShareLock) on users" in blocked["message"]
        assert "name = ?" in blocked["message"]
        assert "secret" not in json.dumps(found)
        assert blocked["remedy"] == f"select pg_terminate_backend({pids[1]});"
    with session(migrated, "holder") as holder, session(migrated, "waiter") as waiter:
        holder.execute("insert into users (email, name) values ('a@b.c', 'a')")
        holder.commit()
        holder.execute("update users set name = 'b'")
        with running(migrated, "row waiter", "update users set name = 'c'"):
            code, found = diagnosed("--only", "load", "--limit", "blocked_fail_s=0")
        assert (code, names(found)) == (1, [("FAIL", "blocked")])
        assert "on users" in found[0]["message"]
    assert names(diagnosed("--only", "load")[1]) == []


@pytest.mark.faults
def test_what_waits_for_a_lock_is_given_up_and_everything_else_is_told(
    diagnosed: Diagnosed, migrated: str
) -> None:
    with session(migrated, "holder") as holder:
        holder.execute("lock table users in access exclusive mode")
        code, found = diagnosed()
    assert (code, names(found)) == (0, [])
    (given_up,) = [one for one in found if one["check"] == "query"]
    assert "no answer in time" in given_up["message"]
    assert "unused index" in {one["check"] for one in found}


def test_a_transaction_that_does_nothing_is_told_with_its_pid_and_no_value(
    diagnosed: Diagnosed, migrated: str
) -> None:
    words = ("--only", "load", "--limit", "idle_in_transaction_s=0")
    with session(migrated, "forgetful") as connection:
        connection.execute("select 'secret value'")
        code, found = diagnosed(*words)
        assert (code, names(found)) == (0, [("WARN", "idle in transaction")])
        assert f"forgetful (pid {connection.info.backend_pid})" in found[0]["message"]
        assert "after: select ?" in found[0]["message"]
        assert diagnosed("--strict", *words)[0] == 1
        assert names(diagnosed("--only", "load")[1]) == []
        connection.rollback()
        assert names(diagnosed(*words)[1]) == []


def test_a_statement_that_runs_for_long_is_told_and_can_be_cancelled(
    diagnosed: Diagnosed, migrated: str, change: Change
) -> None:
    words = ("--only", "load", "--limit", "long_running_s=0.001")
    with running(migrated, "sleeper", "select pg_sleep(60), 'secret'") as connection:
        _, found = diagnosed(*words)
        assert names(found) == [("WARN", "long-running")]
        assert f"sleeper (pid {connection.info.backend_pid})" in found[0]["message"]
        assert "select pg_sleep(?), ?" in found[0]["message"]
        change(found[0]["remedy"])
        wait_until(lambda: names(diagnosed(*words)[1]) == [])


def test_the_query_that_takes_the_server_s_time_is_named(
    diagnosed: Diagnosed, change: Change, project: Path, migrated: str
) -> None:
    words = ("--only", "statements", "--limit", "statement_calls=2")
    (project / "raxol_sql.toml").write_text('[project]\nqueries = "own.sql"')
    (project / "own.sql").write_text(
        "-- name: slow :many\n-- Slow.\nselect 'x' as x, pg_sleep(:seconds)\n  from users;\n"
    )
    _, found = diagnosed(*words)
    assert [(one["status"], one["remedy"]) for one in found] == [
        ("SKIP", "create extension pg_stat_statements;")
    ]
    change(
        "create schema elsewhere; create extension pg_stat_statements schema elsewhere",
        "insert into users (email, name) values ('a@b.c', 'a')",
    )
    with psycopg.connect(migrated, autocommit=True) as connection:
        for seconds in (0.12, 0.13):
            connection.execute("select 'x' as x, pg_sleep(%s)\n  from users", [seconds])
    code, found = diagnosed(*words)
    assert (code, names(found)) == (0, [("WARN", "outlier")])
    assert "2 calls" in found[0]["message"]
    assert found[0]["message"].endswith(": own.slow")
    assert names(diagnosed(*words, "--limit", "statement_ms=1000")[1]) == []

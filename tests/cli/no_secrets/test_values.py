"""No value of a query is shown: not those of other sessions, and not those of our own arguments."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest
from psycopg.conninfo import make_conninfo

import raxol_sql as rx
from raxol_sql.integrations.otel import OpenTelemetry
from raxol_sql.integrations.prometheus import PrometheusCollector
from raxol_sql.migrations import Migrations
from raxol_sql.testing import FaultServer
from tests.cli.no_secrets.conftest import leaks

RaxolSQL = Callable[..., Any]

PATIENCE = 60.0
# Where the server cuts statements off, in bytes.
CUT = 300
EMAIL = "canary@example.org"
# A statement each that a session was busy with, and is idle in a transaction after.
IDLE = [
    f"select * from users where email = '{EMAIL}'",
    "select E'it\\'s a canary', U&'canary\\0061', $$canary$$, $of$it's a canary$of$",
    "select 1 /* canary /* canary */ */, 'a' -- canary\n, 'canary'",
    "select 'it''s a ''canary''' 'canary'\n'canary', date '2020-01-01', 'canary'::text",
    f"select {'x, ' * 10} from (select 'canary' as x) as y where x <> '{'a ' * CUT}canary'",
    f"select '{'a' * (CUT - 20)}canary canary canary canary', 'canary'",
    f"select /* {'a' * (CUT - 30)} canary canary canary canary */ 'canary'",
    f"select $of${'a' * (CUT - 30)} canary canary canary$of$",
    "create role temporary_one login password 'canary'",
    "select set_config('my.secret', 'canary', false)",
    "set my.other = 'canary'",
    "insert into users (email, name) values ('canary1@example.org', 'canary') "
    "on conflict (email) do update set name = 'canary'",
    "do $$ begin perform 'canary'; end $$",
    "copy (select 'canary') to stdout",
    "prepare one as select 'canary'",
    "declare many cursor with hold for select 'canary' from users",
    "comment on table users is 'a canary'",
    "notify users, 'canary'",
]
# As a session reads its literals that has standard_conforming_strings off.
ESCAPED = ["select 'it\\'s a canary', 'and a canary'", "select 'it\\'', 'a canary'"]
BLOCKED = f"update users set name = 'the canary' where email = '{EMAIL}' /* canary */"
READING = [
    ["top", "--once", "--interval", "0.3"],
    ["top", "--once", "--interval", "0.3", "--format", "json"],
    ["top", "--svg", "top.svg", "--interval", "0.3"],
    ["deadlocks", "--min-wait", "0"],
    ["deadlocks", "--min-wait", "0", "--format", "json"],
    ["deadlocks", "--terminate", "1"],
    ["diagnose", "--limit", "long_running_s=0", "--limit", "idle_in_transaction_s=0"],
    ["diagnose", "--format", "json"],
    ["pool-status"],
    ["pool-status", "--format", "json"],
    ["metrics"],
    ["ping"],
    ["migrations"],
    ["check"],
    ["vacuum", "--table", "users", "--full", "--yes", "--lock-timeout", "100"],
    ["reindex", "--table", "users", "--no-concurrently", "--yes", "--lock-timeout", "100"],
    ["analyze", "--table", "users", "--lock-timeout", "100"],
]


@pytest.fixture(scope="module")
def crowd(repository: Path) -> Iterator[str]:
    """A database of which sessions were asked for much that is nobody's business."""
    settings = {
        "shared_preload_libraries": "pg_stat_statements",
        "track_activity_query_size": CUT,
        "pg_stat_statements.track_utility": "on",
    }
    with FaultServer(settings) as server, ExitStack() as open_:
        server.ask("create database crowded")
        conninfo = server.conninfo("crowded")
        Migrations(conninfo, repository / "migrations").apply()

        def connected(name: str, **options: str) -> psycopg.Connection[Any]:
            given = make_conninfo(conninfo, application_name=name, **options)
            return open_.enter_context(psycopg.connect(given))

        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("create extension pg_stat_statements")
            connection.execute("insert into users (email, name) values (%s, 'canary')", [EMAIL])
            for statement in IDLE:
                _tried(connection, statement)
        for number, statement in enumerate(IDLE):
            _tried(connected(f"idle {number}"), statement)
        for statement in ESCAPED:
            _tried(connected("escaping", options="-c standard_conforming_strings=off"), statement)
        holder = connected("holder")
        _tried(holder, BLOCKED)
        with ExitStack() as ending:
            ending.callback(holder.rollback)
            for name, statement in (
                ("waiter", BLOCKED),
                ("sleeper", "select pg_sleep(60), 'canary'"),
            ):
                session = connected(name)
                thread = threading.Thread(target=_tried, args=(session, statement))
                thread.start()
                ending.callback(thread.join, PATIENCE)
                ending.callback(session.cancel_safe)
            _until(
                lambda: (
                    server.ask("select count(*) from pg_locks where not granted") == [(1,)]
                    and server.ask(
                        "select count(*) from pg_stat_activity where query ~ 'pg_sleep' "
                        "and state = 'active' and pid <> pg_backend_pid()"
                    )
                    == [(1,)]
                )
            )
            yield conninfo


def _tried(connection: psycopg.Connection[Any], statement: str) -> None:
    """Has a session asked for something, whatever comes of it."""
    with suppress(psycopg.Error):
        if statement.startswith("copy"):
            with connection.cursor().copy(statement.encode()) as copy:
                b"".join(copy)
        else:
            connection.execute(statement.encode())


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it has not come in time"
        time.sleep(0.02)


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_no_command_shows_a_value_of_another_session(
    words: list[str],
    crowd: str,
    project: Path,
    raxol_sql: RaxolSQL,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", crowd)
    monkeypatch.setenv("RAXOL_SQL_LOG", "debug")

    ran = raxol_sql(*words)

    picture = project / "top.svg"
    text = ran.out + ran.err + (picture.read_text() if picture.exists() else "")
    assert ran.code in (0, 1, 4)
    assert not leaks(text)


def test_the_sessions_of_this_are_seen_by_those_commands(
    crowd: str, project: Path, raxol_sql: RaxolSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", crowd)

    waits = raxol_sql("deadlocks", "--format", "json").out
    found = raxol_sql("diagnose", "--limit", "idle_in_transaction_s=0").out
    top = raxol_sql("top", "--once", "--interval", "0.2", "--format", "json").out

    assert "update users set name = ? where email = ?" in waits
    assert "update users set name = ? where email = ?" in " ".join(found.split())
    assert "idle 3" in found
    assert "pg_stat_statements" in top
    assert "select pg_sleep(?), ?" in top


Q = """
-- name: add :exec
insert into users (email, name) values (:email, :name);

-- name: find :many -> scalar
select id from users where email = :email and name = any(:names) and :number::int > 0;

-- name: wait :exec
select pg_sleep(5), :email::text;
"""


def test_no_argument_is_in_a_log_an_event_a_span_a_figure_or_a_warning(
    accounts_database: str,
    tmp_path: Path,
    told: Callable[[], str],
) -> None:
    (tmp_path / "q.sql").write_text(Q)
    q = rx.load(tmp_path).q
    seen: list[object] = []
    spans, registry = InMemorySpanExporter(), CollectorRegistry()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    one = {"email": EMAIL, "name": "canary"}
    find = {"email": EMAIL, "names": ["canary"]}
    with (
        warnings.catch_warnings(record=True) as warned,
        rx.Database.open(
            accounts_database, show_sensitive_data_on_connection_error=True, max_retries=1
        ) as db,
        OpenTelemetry(db, tracer_provider=tracers, returned_rows=True),
    ):
        warnings.simplefilter("always")
        db.subscribe(seen.append)
        db.enable_query_logging("debug", slow_ms=0, explain=True)
        with PrometheusCollector(db, registry=registry):
            with db.watch_queries(max_repeats=1, warn_lone_writes=True):
                db.run(q.add(**one))
                db.run(q.find(**find, number=1))
                db.run(q.find(**find, number=2))
            for wrong in (q.add(**one), q.find(**find, number=2**40), q.wait(email=EMAIL)):
                with pytest.raises((psycopg.Error, rx.RaxolSQLError)):
                    db.run_transaction(lambda tx, wrong=wrong: tx.run(wrong), timeout=300)
            with pytest.raises(psycopg.Error):
                db.run_many(q.add, [one, one])
            with pytest.raises(psycopg.Error):
                db.run(rx.Multi().add("step", q.add(**one)))
            list(db.stream(q.find(**find, number=1)))
            seen += [q.add(**one), rx.Multi().add("step", q.add(**one)), db, db.metrics()]
            seen += [db.metrics().as_dict(), db.pool_status(), generate_latest(registry)]

    finished = [span.to_json() for span in spans.get_finished_spans()]
    log = told()
    assert "PLAN name=q.find" in log
    assert "error=23505" in log
    assert len(finished) > 8
    assert len(warned) >= 1
    shown = [repr(value) + str(value) for value in (*seen, *finished, *warned)]
    assert not leaks("\n".join(shown) + log)

"""A server that goes away in the middle of a command: a line, exit code 3, nothing half-applied."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from raxol_sql import embedded


@pytest.fixture
def project(own_project: Path, repository: Path) -> Path:
    """A project with an embedded server, and files of its own to make slow."""
    for name in ("sql", "migrations"):
        for file in (repository / name).rglob("*.sql"):
            copy = own_project / file.relative_to(repository)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    (own_project / "raxol_sql.toml").write_text(
        '[project]\nrecords = "raxol_sql.demo.accounts"\n[common]\nserver = "embedded"\n'
    )
    return own_project


def _raxol_sql(project: Path, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "raxol_sql", *words],
        cwd=project,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"never seen: {what}"
        time.sleep(0.02)


def _active(server: embedded.Server, fragment: str) -> bool:
    with psycopg.connect(server.conninfo("postgres")) as connection:
        found = connection.execute(
            "select 1 from pg_stat_activity where state = 'active' and query ilike %s"
            " and pid <> pg_backend_pid()",
            [f"%{fragment}%"],
        )
        return found.fetchone() is not None


def _stopped_when_active(project: Path, running: subprocess.Popen[bytes], fragment: str) -> str:
    """What the command said on stderr, after its server was stopped in that statement."""
    server = embedded.start(project)
    _until(lambda: _active(server, fragment), fragment)
    embedded.stop(project)
    _, errors = running.communicate(timeout=30)
    return errors.decode()


def _says_it_in_a_line(errors: str) -> bool:
    lines = [line for line in errors.splitlines() if line.startswith("error: ")]
    return len(lines) == 1 and "Traceback" not in errors


def test_a_server_that_stops_in_the_demo_is_a_line_and_exit_3(project: Path) -> None:
    with closing(psycopg.connect(embedded.start(project).conninfo("postgres"))) as other:
        # Nothing can be created beside this lock, and the demo creates its own database.
        other.execute("lock table pg_database in share mode")
        running = _raxol_sql(project, "demo")
        errors = _stopped_when_active(project, running, "create database")

    assert running.returncode == 3
    assert _says_it_in_a_line(errors), errors


def test_a_server_that_stops_in_a_migration_leaves_nothing_of_it(project: Path) -> None:
    slow = project / "migrations" / "0006-slow.sql"
    slow.write_text(
        "-- depends: 0005-bound-texts-of-users\ncreate table half (id int);\nselect pg_sleep(60);\n"
    )
    running = _raxol_sql(project, "setup")
    errors = _stopped_when_active(project, running, "pg_sleep(60)")

    assert running.returncode == 3
    assert _says_it_in_a_line(errors), errors
    server = embedded.start(project)
    with psycopg.connect(server.conninfo("raxol_dev")) as connection:
        half = connection.execute("select to_regclass('half'), to_regclass('users')").fetchone()
    assert half == (None, "users")
    slow.write_text(slow.read_text().replace("pg_sleep(60)", "1"))
    again = _raxol_sql(project, "migrate")
    out, _ = again.communicate(timeout=30)
    assert again.returncode == 0
    assert b"applied 0006-slow" in out


def test_a_server_that_stops_in_a_copy_leaves_no_row_of_it(project: Path) -> None:
    ready = _raxol_sql(project, "setup")
    ready.communicate(timeout=60)
    assert ready.returncode == 0

    running = _raxol_sql(project, "run", "users.load", "--write")
    assert running.stdin is not None
    running.stdin.write(b"".join(b"u%d@b.c\tName\t1\n" % number for number in range(20_000)))
    running.stdin.flush()
    errors = _stopped_when_active(project, running, "copy users")

    assert running.returncode == 3
    assert _says_it_in_a_line(errors), errors
    server = embedded.start(project)
    with psycopg.connect(server.conninfo("raxol_dev")) as connection:
        assert connection.execute("select count(*) from users").fetchone() == (0,)


def test_without_binaries_the_embedded_server_says_what_to_install(project: Path) -> None:
    running = subprocess.run(
        [sys.executable, "-m", "raxol_sql", "server", "start"],
        cwd=project,
        env={**os.environ, "RAXOL_SQL_PG_BIN": "/nowhere"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert running.returncode == 3
    assert "/nowhere" in running.stderr
    assert "Traceback" not in running.stderr

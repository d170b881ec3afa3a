"""What the command line says of migrations that are not as they were, and what it tells to type."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from raxol_sql.migrations.lock import hold_lock
from raxol_sql.migrations.session import open_session

Run = Callable[..., Any]


@pytest.fixture
def folder(empty: str, project: Path, raxol_sql: Run) -> Path:
    """A project whose two migrations are applied; the second counts how often it ran."""
    folder = project / "migrations"
    folder.mkdir()
    (project / "raxol_sql.toml").write_text("")
    (folder / "0001-one.sql").write_text("create table runs (i int);")
    (folder / "0002-seed.sql").write_text("insert into runs values (1);")
    (folder / "0002-seed.rollback.sql").write_text("delete from runs;")
    assert raxol_sql("migrate").code == 0
    return folder


def runs(conninfo: str) -> int:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("select count(*) from runs").fetchone()
        assert row is not None
        return int(row[0])


def change(folder: Path, how: str) -> None:
    up, down = folder / "0002-seed.sql", folder / "0002-seed.rollback.sql"
    match how:
        case "renamed":
            up.rename(folder / "0003-seed.sql")
            down.rename(folder / "0003-seed.rollback.sql")
        case "gone":
            up.unlink()
            down.unlink()
        case "edited":
            up.write_text("insert into runs values (2);")


@pytest.mark.parametrize("how", ["renamed", "gone", "edited"])
def test_the_command_that_stops_a_migration_prints_works_when_it_is_pasted(
    folder: Path, empty: str, raxol_sql: Run, how: str
) -> None:
    change(folder, how)

    stopped, shown = raxol_sql("migrate"), raxol_sql("migrations")
    assert (stopped.code, shown.code) == (1, 1)
    assert runs(empty) == 1
    (command,) = re.findall(r"raxol-sql migrate --accept \S+", stopped.err.replace(";", ""))
    assert command in shown.err
    assert raxol_sql(*shlex.split(command)[1:], "--dry-run").code == 0
    assert raxol_sql(*shlex.split(command)[1:]).code == 0

    assert runs(empty) == 1
    assert raxol_sql("migrate").code == raxol_sql("migrations").code == 0
    notes = [one["note"] for one in json.loads(raxol_sql("migrations", "--format", "json").out)]
    assert len([note for note in notes if "UTC" in note]) == 1
    # Pasted again, it changes nothing.
    assert raxol_sql(*shlex.split(command)[1:]).code == 0


def test_a_comment_at_the_end_of_an_applied_file_is_a_warning(folder: Path, raxol_sql: Run) -> None:
    with (folder / "0002-seed.sql").open("a") as file:
        file.write("\n-- once\n")

    ran, shown = raxol_sql("migrate"), raxol_sql("migrations")

    assert (ran.code, shown.code) == (0, 0)
    assert "nothing to apply" in ran.out
    assert "raxol-sql migrate --accept 0002-seed" in ran.err
    assert "raxol-sql migrate --accept 0002-seed" in shown.err
    assert raxol_sql("ping").code == 0


def test_a_migrate_that_waits_says_on_stderr_for_which_session(
    folder: Path, empty: str, raxol_sql: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "0003-three.sql").write_text("create table three ();")
    monkeypatch.setattr("raxol_sql.migrations.lock.FIRST_NOTICE", 0.0)

    with closing(open_session(empty, 5)) as holder, hold_lock(holder, 5):
        pid = holder.info.backend_pid
        monkeypatch.setattr("raxol_sql.cli.direct.LOCK_WAIT", 0.3)
        ran = raxol_sql("migrate")

    assert ran.code == 1
    assert ran.err.count(f"another migration run holds the lock: pid {pid}") == 2


def test_setup_and_migrate_say_that_the_server_takes_no_writes(
    folder: Path, empty: str, raxol_sql: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "0003-three.sql").write_text("create table three ();")
    monkeypatch.setenv(
        "DATABASE_URL", make_conninfo(empty, options="-c default_transaction_read_only=on")
    )

    for command, code in (("setup", 1), ("migrate", 4)):
        ran = raxol_sql(command)
        assert ran.code == code
        assert "it is a standby, or default_transaction_read_only is on" in ran.err


def test_a_role_that_may_not_read_the_books_is_told_which_one_to_use(
    folder: Path, empty: str, raxol_sql: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute("create role raxol_unread login")
        try:
            monkeypatch.setenv("RAXOL_DB_USER", "raxol_unread")
            for command in ("migrate", "rollback", "migrations"):
                ran = raxol_sql(command)
                assert ran.code == 4
                assert "permission denied for table _yoyo_migration (SQLSTATE 42501)" in ran.err
                assert "run it as the role that migrates" in ran.err
        finally:
            connection.execute("drop role raxol_unread")


@pytest.mark.parametrize("length", [238, 300, 5000])
def test_a_name_that_no_file_can_have_is_refused_and_one_letter_less_is_not(
    folder: Path, raxol_sql: Run, length: int
) -> None:
    before = set(folder.iterdir())
    refused = raxol_sql("new", "migration", "a" * length)

    assert refused.code == 1
    assert f"the name has {length} characters, and a file's name has room for 237" in refused.err
    assert set(folder.iterdir()) == before
    assert raxol_sql("new", "migration", "a" * 237).code == 0

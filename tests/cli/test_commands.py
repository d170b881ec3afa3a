"""Each command does what its help says, with the exit code that it promises."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

pytestmark = pytest.mark.usefixtures("project")

Run = Callable[..., Any]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_no_reason_for_a_traceback(closed: str, project: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m raxol_sql list {closed}"],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0
    assert done.stderr == ""


def test_demos_at_the_same_moment_do_not_meet(migrated: str, project: Path) -> None:
    demos = [
        subprocess.Popen(
            [sys.executable, "-m", "raxol_sql", "demo"],
            cwd=project,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for _ in range(3)
    ]

    assert _complaints(demos) == []
    assert [demo.returncode for demo in demos] == [0] * 3


def test_setups_at_the_same_moment_all_succeed(
    database: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", make_conninfo(database, dbname="raxol_at_once"))
    try:
        setups = [
            subprocess.Popen(
                [sys.executable, "-m", "raxol_sql", "setup"],
                cwd=project,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            for _ in range(3)
        ]
        assert _complaints(setups) == []
        assert [setup.returncode for setup in setups] == [0] * 3
    finally:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("drop database if exists raxol_at_once with (force)")


def _complaints(programs: list[subprocess.Popen[bytes]]) -> list[bytes]:
    """What they wrote to standard error, except that they wait for each other's lock."""
    lines = [line for one in programs for line in one.communicate(timeout=120)[1].splitlines()]
    return [line for line in lines if not line.startswith(b"waiting, for ")]


def test_a_terminal_that_cannot_show_a_character_gets_another(migrated: str, project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "raxol_sql", "demo"],
        cwd=project,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0
    assert done.stderr == b""


@pytest.mark.parametrize("words", ["list", "diagnose --show-sql", "docs"])
def test_a_reader_that_has_enough_ends_a_command_well(project: Path, words: str) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m raxol_sql {words} | head -1; echo ${{PIPESTATUS[0]}}"],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout.splitlines()[-1] == "0"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "users.gte", "id=1"], "did you mean 'users.get'"),
        (["run", "users.get"], "id is missing"),
        (["run", "users.get", "id"], "NAME=VALUE"),
        (["run", "users.get", "id=1", "id=2"], "given twice"),
        (["run", "users.search", "limit=1", "only_active=yes"], "only_active=true"),
        (["frobnicate"], "No such command"),
        (["rollback", "--steps", "0"], "--steps"),
        (["rollback", "--all"], "--yes"),
        (["setup", "--reset"], "--yes"),
    ],
)
def test_wrong_use_is_said_and_exits_with_2(
    words: list[str], says: str, migrated: str, raxol_sql: Run
) -> None:
    ran = raxol_sql(*words)

    assert ran.code == 2
    assert says in ran.err


def test_a_broken_tree_of_sql_is_reported_whole_and_exits_with_2(
    project: Path, raxol_sql: Run
) -> None:
    (project / "sql").mkdir()
    (project / "sql" / "a.sql").write_text("-- name: x :mony\nselect 1\n-- name: y :one\n")
    (project / "sql" / "b.sql").write_bytes(b"\xff")
    (project / "raxol_sql.toml").write_text("")

    ran = raxol_sql("list")

    assert ran.code == 2
    assert "3 errors in SQL files" in ran.err


@pytest.mark.parametrize("content", ["[dve]\n[common]\npool_szie = 1", "not toml", "x = 1"])
def test_a_wrong_configuration_file_exits_with_2(
    content: str, project: Path, raxol_sql: Run
) -> None:
    (project / "raxol_sql.toml").write_text(content)

    ran = raxol_sql("config")

    assert ran.code == 2
    assert "raxol_sql.toml" in ran.err


def test_a_module_of_records_that_does_not_import_exits_with_2(
    project: Path, raxol_sql: Run
) -> None:
    (project / "raxol_sql.toml").write_text('[project]\nrecords = "no_such_module"')

    ran = raxol_sql("list")

    assert ran.code == 2
    assert "no_such_module" in ran.err


def test_config_shows_origins_and_no_password(
    raxol_sql: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAXOL_DB_PASS", "hush-hush")
    monkeypatch.setenv("RAXOL_DB_POOL_SIZE", "7")

    shown = json.loads(raxol_sql("config", "--format", "json").out)

    origins = {entry["key"]: (entry["value"], entry["origin"]) for entry in shown}
    assert origins["pool_size"] == ("7", "RAXOL_DB_POOL_SIZE")
    assert origins["password"] == ("********", "RAXOL_DB_PASS")


def test_ping_says_that_the_database_answers(migrated: str, raxol_sql: Run) -> None:
    (answer,) = json.loads(raxol_sql("ping", "--format", "json").out)

    assert answer["database"] == conninfo_to_dict(migrated)["dbname"]
    assert answer["query_ms"] >= 0


@pytest.mark.parametrize("command", ["ping", "migrate", "setup", "demo", "migrations"])
def test_no_server_exits_with_3_in_few_words(
    command: str, raxol_sql: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://postgres:hush@127.0.0.1:1/x")

    ran = raxol_sql(command)

    assert ran.code == 3
    assert "Could not connect to database" in ran.err
    assert "hush" not in ran.out + ran.err


def test_a_database_that_does_not_exist_is_told_from_a_server_that_does_not(
    database: str, raxol_sql: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", make_conninfo(database, dbname="raxol_nowhere"))

    ran = raxol_sql("ping")

    assert ran.code == 3
    assert "run raxol-sql setup" in ran.err


def test_setup_creates_the_database_and_running_it_again_changes_nothing(
    database: str, raxol_sql: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = 'we"ird name'
    monkeypatch.setenv("DATABASE_URL", make_conninfo(database, dbname=name))
    try:
        first, second = raxol_sql("setup"), raxol_sql("setup")
        assert (first.code, second.code) == (0, 0)
        assert "created" in first.out
        assert "applied 0001-create-users" in first.out
        assert "already exists" in second.out
        assert "nothing to apply" in second.out
    finally:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute('drop database "we""ird name" with (force)')


def test_setup_reset_starts_anew_and_refuses_while_others_are_connected(
    migrated: str, raxol_sql: Run
) -> None:
    raxol_sql("run", "users.create", "email=a@b.c", "name=Ann", "age=3", "--write")
    with psycopg.connect(migrated):
        refused = raxol_sql("setup", "--reset", "--yes")
    kept = raxol_sql("run", "users.count").out
    reset = raxol_sql("setup", "--reset", "--yes")

    assert refused.code == 1
    assert re.search(r"in use by \d+ sessions", refused.err)
    assert kept.splitlines()[-1].strip() == "1"
    assert reset.code == 0
    assert raxol_sql("run", "users.count").out.splitlines()[-1].strip() == "0"


def test_setup_reset_with_an_unreadable_folder_drops_nothing(
    migrated: str, project: Path, raxol_sql: Run
) -> None:
    (project / "raxol_sql.toml").write_text('[project]\nmigrations = "nowhere"')

    assert raxol_sql("setup", "--reset", "--yes").code == 2
    with psycopg.connect(migrated) as connection:
        connection.execute("select 1 from users")


def test_setup_reset_of_prod_needs_one_word_more(
    migrated: str, raxol_sql: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAXOL_ENV", "prod")

    refused = raxol_sql("setup", "--reset", "--yes")

    assert refused.code == 2
    assert "--force-prod" in refused.err


def test_setup_by_a_role_that_may_not_create_says_so(
    database: str, raxol_sql: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create role raxol_nobody login")
    try:
        changed = make_conninfo(database, dbname="raxol_never", user="raxol_nobody")
        monkeypatch.setenv("DATABASE_URL", changed)
        ran = raxol_sql("setup")
    finally:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("drop role raxol_nobody")

    assert ran.code == 1
    assert "permission denied to create database" in ran.err


def test_migrations_are_applied_shown_and_rolled_back(empty: str, raxol_sql: Run) -> None:
    applied = raxol_sql("migrate")
    again = raxol_sql("migrate")
    back = raxol_sql("rollback", "--steps", "2")
    shown = json.loads(raxol_sql("migrations", "--format", "json").out)

    assert applied.out.count("applied ") == 5
    assert "nothing to apply" in again.out
    assert back.out.count("rolled back ") == 2
    assert [entry["status"] for entry in shown] == ["applied"] * 3 + ["pending"] * 2


def test_a_migration_that_fails_exits_with_4_and_the_one_before_stays(
    empty: str, project: Path, raxol_sql: Run
) -> None:
    folder = project / "migrations"
    folder.mkdir()
    (folder / "0001-good.sql").write_text("create table good (id int);")
    (folder / "0002-bad.sql").write_text("-- depends: 0001-good\ncreate table bad (id nope);")
    (project / "raxol_sql.toml").write_text("")

    ran = raxol_sql("migrate")

    assert ran.code == 4
    assert "0002-bad" in ran.err
    assert "42704" in ran.err
    shown = json.loads(raxol_sql("migrations", "--format", "json").out)
    assert [entry["status"] for entry in shown] == ["applied", "pending"]


def test_an_edited_migration_is_a_finding(empty: str, project: Path, raxol_sql: Run) -> None:
    folder = project / "migrations"
    folder.mkdir()
    (folder / "0001-one.sql").write_text("create table one (id int);")
    (project / "raxol_sql.toml").write_text("")
    raxol_sql("migrate")
    (folder / "0001-one.sql").write_text("create table one (id bigint);")

    assert raxol_sql("migrations").code == 1


def test_new_migration_writes_two_files_after_the_latest(
    project: Path, repository: Path, raxol_sql: Run
) -> None:
    (project / "raxol_sql.toml").write_text("")
    (project / "migrations").mkdir()

    ran = raxol_sql("new", "migration", "create", "notes")

    assert ran.code == 0
    assert sorted(path.name for path in (project / "migrations").iterdir()) == [
        "0001-create-notes.rollback.sql",
        "0001-create-notes.sql",
    ]


def test_the_demo_shows_every_kind_and_leaves_nothing(
    empty: str, raxol_sql: Run, server: Any
) -> None:
    ran = raxol_sql("demo")

    assert ran.code == 0
    for kind in ("one", "maybe", "many", "affected", "exec", "copy"):
        assert f" :{kind}  " in ran.out
    assert "→ User(id=3, email='cy@example.org'" in ran.out
    with psycopg.connect(server.conninfo("postgres")) as connection:
        left = connection.execute("select 1 from pg_database where datname ^@ 'raxol_demo_'")
        assert left.fetchone() is None


def test_the_demo_runs_its_own_queries_in_a_project_with_others(
    migrated: str, project: Path, raxol_sql: Run
) -> None:
    (project / "mine.sql").write_text("-- name: one :one\nselect 1")
    (project / "raxol_sql.toml").write_text('[project]\nqueries = "mine.sql"')

    ran = raxol_sql("demo")

    assert ran.code == 0
    assert "→ User(id=3, email='cy@example.org'" in ran.out


def test_the_demo_runs_in_an_empty_folder_on_an_embedded_server(own_project: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "raxol_sql", *words],
            cwd=own_project,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    ran = run("demo")

    assert (ran.returncode, ran.stderr) == (0, "")
    assert f"using the embedded server of {own_project}, database raxol_demo_" in ran.stdout
    assert "→ User(id=3, email='cy@example.org'" in ran.stdout
    assert ran.stdout.splitlines()[-1].startswith("Next: raxol-sql server stop; raxol-sql init")
    assert run("server", "stop").stdout == "stopped\n"

"""How far migrate and rollback go, and what --dry-run prints."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from raxol_sql.migrations.lock import hold_lock
from raxol_sql.migrations.session import open_session

Run = Callable[..., Any]
Tables = Callable[[], set[str]]

IDS = ["0001-one", "0002-two", "0003-three"]


@pytest.fixture(autouse=True)
def own(empty: str, project: Path) -> Path:
    """A project with three migrations, each of which makes a table of its name."""
    folder = project / "migrations"
    folder.mkdir()
    before = ""
    for id_ in IDS:
        table = id_[5:]
        (folder / f"{id_}.sql").write_text(f"-- depends: {before}\ncreate table {table} ();")
        (folder / f"{id_}.rollback.sql").write_text(f"drop table {table};")
        before = id_
    (project / "raxol_sql.toml").write_text("")
    return folder


@pytest.fixture
def tables(empty: str) -> Tables:
    """Gives the tables of the public schema, but for those of the bookkeeping."""

    def tables() -> set[str]:
        with psycopg.connect(empty) as connection:
            rows = connection.execute(
                "select tablename from pg_tables where schemaname = 'public' "
                "and tablename in ('one', 'two', 'three', '_yoyo_migration')"
            )
            return {name for (name,) in rows}

    return tables


@pytest.fixture
def states(raxol_sql: Run) -> Callable[[], list[str]]:
    """Gives the state of each migration."""

    def states() -> list[str]:
        shown = json.loads(raxol_sql("migrations", "--format", "json").out)
        return [one["status"] for one in shown]

    return states


def ids(ran: Any) -> list[str]:
    return [one["id"] for one in json.loads(ran.out)]


@pytest.mark.parametrize("option", ["--step", "--steps"])
def test_migrate_applies_the_first_so_many_of_what_is_pending(
    raxol_sql: Run, states: Callable[[], list[str]], option: str
) -> None:
    first = raxol_sql("migrate", option, "1", "--format", "json")
    two_more = raxol_sql("migrate", option, "2", "--format", "json")
    none = raxol_sql("migrate", option, "1")

    assert ids(first) == IDS[:1]
    assert ids(two_more) == IDS[1:]
    assert "nothing to apply" in none.out
    assert states() == ["applied"] * 3


def test_more_steps_than_are_pending_apply_all_and_to_is_not_passed(
    raxol_sql: Run, states: Callable[[], list[str]]
) -> None:
    assert raxol_sql("migrate", "--step", "9", "--to", "0002").code == 0
    assert states() == ["applied", "applied", "pending"]
    assert raxol_sql("migrate", "--step", "9").code == 0
    assert states() == ["applied"] * 3


@pytest.mark.parametrize(
    ("words", "expected"),
    [([], IDS), (["--step", "2"], IDS[:2]), (["--to", "0001"], IDS[:1])],
)
def test_a_dry_run_of_migrate_says_what_it_would_apply_in_order_and_changes_nothing(
    raxol_sql: Run, tables: Tables, words: list[str], expected: list[str]
) -> None:
    told = raxol_sql("migrate", "--dry-run", *words)
    for_programs = raxol_sql("migrate", "--dry-run", *words, "--format", "json")

    assert (told.code, for_programs.code) == (0, 0)
    assert told.out.splitlines()[1:] == [f"would apply {id_}" for id_ in expected]
    assert json.loads(for_programs.out) == [{"id": id_, "seconds": None} for id_ in expected]
    assert tables() == set()
    assert ids(raxol_sql("migrate", *words, "--format", "json")) == expected


def test_a_dry_run_with_nothing_to_do_says_so(raxol_sql: Run) -> None:
    assert "nothing to roll back" in raxol_sql("rollback", "--dry-run").out
    raxol_sql("migrate")

    ran = raxol_sql("migrate", "--dry-run")

    assert (ran.code, ran.out.splitlines()[1:]) == (0, ["nothing to apply"])


def test_a_dry_run_is_refused_where_the_run_would_be(own: Path, raxol_sql: Run) -> None:
    raxol_sql("migrate")
    (own / "0003-three.rollback.sql").unlink()
    (own / "0001-one.sql").write_text("create table one (id int);")

    forward, back = raxol_sql("migrate", "--dry-run"), raxol_sql("rollback", "--dry-run")

    assert (forward.code, back.code) == (1, 1)
    assert "0001-one" in forward.err
    assert "0003-three is irreversible" in back.err


def test_a_dry_run_waits_for_no_other_migrator_and_adopts_nothing(
    raxol_sql: Run, states: Callable[[], list[str]], empty: str
) -> None:
    # Without its ledger it is as if bare yoyo had applied it.
    raxol_sql("migrate", "--step", "1")
    with psycopg.connect(empty, autocommit=True) as other:
        other.execute("delete from _raxol_migration")

    with closing(open_session(empty, 5)) as migrator, hold_lock(migrator, 5):
        assert raxol_sql("migrate", "--dry-run").code == 0
        assert raxol_sql("rollback", "--dry-run").code == 0
    assert states()[0] == "applied, unverified"


@pytest.mark.parametrize(
    ("to", "left"), [("0003", {"one", "two"}), ("0002-two", {"one"}), ("0001", set())]
)
def test_rollback_to_one_undoes_it_and_all_that_came_after_it(
    raxol_sql: Run, tables: Tables, to: str, left: set[str]
) -> None:
    raxol_sql("migrate")
    foretold = raxol_sql("rollback", "--to", to, "--dry-run", "--format", "json")
    assert tables() >= {"one", "two", "three"}
    ran = raxol_sql("rollback", "--to", to, "--format", "json")

    assert (foretold.code, ran.code) == (0, 0)
    assert ids(ran) == ids(foretold) == IDS[: len(left) - 4 : -1]
    assert tables() - {"_yoyo_migration"} == left


def test_rollback_to_one_that_does_not_exist_or_is_not_applied_undoes_nothing(
    raxol_sql: Run, states: Callable[[], list[str]]
) -> None:
    raxol_sql("migrate", "--step", "2")

    unknown, pending = raxol_sql("rollback", "--to", "0009"), raxol_sql("rollback", "--to", "0003")

    assert unknown.code == 1
    assert "there is no migration 0009" in unknown.err
    assert pending.code == 0
    assert "nothing to roll back" in pending.out
    assert states() == ["applied", "applied", "pending"]


@pytest.mark.parametrize(
    "words",
    [
        ["--to", "0001", "--steps", "1"],
        ["--all", "--yes", "--step", "1"],
        ["--all", "--to", "0001"],
    ],
)
def test_rollback_takes_one_limit_only(
    raxol_sql: Run, states: Callable[[], list[str]], words: list[str]
) -> None:
    raxol_sql("migrate")
    ran = raxol_sql("rollback", *words)

    assert ran.code == 2
    assert "exclude each other" in ran.err
    assert states() == ["applied"] * 3


def test_a_dry_run_of_rolling_back_everything_needs_no_yes(
    raxol_sql: Run, states: Callable[[], list[str]]
) -> None:
    raxol_sql("migrate")
    ran = raxol_sql("rollback", "--all", "--dry-run")

    assert ran.code == 0
    assert ran.out.splitlines()[1:] == [f"would roll back {id_}" for id_ in reversed(IDS)]
    assert states() == ["applied"] * 3


@pytest.mark.parametrize("is_right", [True, False])
def test_at_a_terminal_rolling_back_everything_asks_for_the_name_of_the_database(
    raxol_sql: Run, states: Callable[[], list[str]], empty: str, is_right: bool
) -> None:
    raxol_sql("migrate")
    name = str(conninfo_to_dict(empty)["dbname"])
    ours, terminal = pty.openpty()
    try:
        os.write(ours, (name if is_right else "yes").encode() + b"\n")
        done = subprocess.run(
            [sys.executable, "-m", "raxol_sql", "rollback", "--all"],
            stdin=terminal,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(terminal)

    assert f"Every migration of {name} will be undone" in done.stdout
    assert done.returncode == (0 if is_right else 130)
    assert states() == (["pending"] if is_right else ["applied"]) * 3


@pytest.mark.parametrize("command", ["migrate", "rollback", "migrations"])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_named_folder_that_is_empty_or_not_there_ends_with_2_and_is_named(
    project: Path, raxol_sql: Run, tables: Tables, command: str, is_there: bool
) -> None:
    if is_there:
        (project / "nosuch").mkdir()
    ran = raxol_sql(command, "--migrations", "nosuch")

    assert ran.code == 2
    assert "nosuch" in ran.err
    assert tables() == set()


def test_a_folder_that_is_not_there_is_told_without_a_server(
    raxol_sql: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/x")

    assert raxol_sql("migrate", "--migrations", "nosuch").code == 2
    assert raxol_sql("migrate").code == 3


def test_a_named_folder_is_stronger_than_that_of_the_project(
    own: Path, project: Path, raxol_sql: Run, tables: Tables
) -> None:
    own.rename(project / "elsewhere")
    (project / "raxol_sql.toml").write_text('[project]\nmigrations = "nosuch"')
    folder = ("--migrations", "elsewhere")

    assert raxol_sql("migrate", *folder).code == 0
    assert tables() >= {"one", "two", "three"}
    assert raxol_sql("rollback", *folder).code == 0
    shown = json.loads(raxol_sql("migrations", *folder, "--format", "json").out)
    assert [one["status"] for one in shown] == ["applied", "applied", "pending"]

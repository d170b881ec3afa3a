"""Migrations by the command line on a real server: checked, listed, reset, failed and killed."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
import pytest

from raxol_sql.cli import main
from raxol_sql.errors import MigrationLockedError

if TYPE_CHECKING:
    from tests.migrations.conftest import Project

GATE = 42
UP, DOWN = "create table {} (id bigint primary key);\n", "drop table {};\n"
QUERIES = "-- name: ages :many\n-- @null age\nselect age + 1 as age from one;\n"


class Ran(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Run:
    """Runs raxol-sql in the project, whose database is the configured one."""
    (project.root / "raxol_sql.toml").write_text("")
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("DATABASE_URL", project.database)

    def run(*words: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["raxol-sql", *words])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return Ran(int(ended.value.code or 0), out, err)

    return run


def table(project: Project, name: str, depends: str = "") -> None:
    """A migration that makes a table of its name, and takes it away again."""
    own = name.partition("-")[2]
    project.write(name, f"-- depends: {depends}\n{UP.format(own)}", DOWN.format(own))


def break_name(project: Project) -> None:
    table(project, "2-two")


def break_number(project: Project) -> None:
    table(project, "0001-other")


def break_depends(project: Project) -> None:
    table(project, "0002-two", "0000-zero")


def break_order(project: Project) -> None:
    table(project, "0001-one", "0002-two")
    table(project, "0002-two", "0001-one")


def break_transaction(project: Project) -> None:
    project.write("0002-two", "begin;\ncreate table two ();\ncommit;")


def break_pair(project: Project) -> None:
    (project.folder / "0003-three.rollback.sql").write_text("select 1;")


def leave_empty(project: Project) -> None:
    project.write("0002-two", "-- Nothing yet.\n")


def build_concurrently(project: Project) -> None:
    project.write("0002-two", "create index concurrently i on one (id);", "drop index i;")


def fail_on_the_way_back(project: Project) -> None:
    project.write("0002-two", "create table two ();", "drop table too;")


def leave_something(project: Project) -> None:
    project.write("0002-two", "create table two ();\ncreate type t as enum ();", "drop table two;")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (break_name, "2-two.sql: not a name for a migration"),
        (break_number, "number 0001 is taken by 0001-one.sql"),
        (break_depends, "depends on 0000-zero, and there is no such file"),
        (break_order, "these migrations depend on each other"),
        (break_transaction, "0002-two.sql:1: `begin` in a migration"),
        (break_pair, "there is no 0003-three.sql that this would undo"),
        (leave_empty, "0002-two.sql: holds no statement"),
        (build_concurrently, "0002-two.sql:1: CREATE INDEX CONCURRENTLY cannot run inside"),
        (fail_on_the_way_back, '0002-two.rollback.sql:1: table "too" does not exist'),
        (leave_something, "leaves the enum public.t"),
    ],
)
def test_check_exits_with_1_for_each_way_in_which_a_folder_can_be_broken(
    project: Project, run: Run, broken: Callable[[Project], None], said: str
) -> None:
    table(project, "0001-one")
    assert run("migrations", "--check").code == 0
    broken(project)

    ran = run("migrations", "--check")

    assert ran.code == 1
    assert said in " ".join((ran.out + ran.err).split())
    assert project.tables() == set()


def test_check_warns_of_a_missing_rollback_and_takes_what_needs_no_transaction(
    project: Project, run: Run
) -> None:
    project.write("0001-one", UP.format("one"))
    project.write(
        "0002-i",
        "-- depends: 0001-one\n-- transactional: false\n"
        "create index concurrently i on one (id);",
        "drop index concurrently i;",
    )  # fmt: skip

    ran = run("migrations", "--check", "--format", "json")

    assert ran.code == 0
    assert [(one["group"], one["status"]) for one in json.loads(ran.out)] == [
        ("0001-one", "WARN"),
        ("migrations", "OK"),
    ]
    assert "irreversible" in json.loads(ran.out)[0]["message"]


def test_migrations_shows_state_id_and_time_and_what_yoyo_is_silent_about(
    project: Project, run: Run
) -> None:
    table(project, "0001-one")
    table(project, "0002-two", "0001-one")
    table(project, "0003-three", "0002-two")
    run("migrate", "--to", "0002")

    fine = run("migrations")
    (project.folder / "0001-one.sql").write_text("create table one (id int primary key);\n")
    for file in project.folder.glob("0002-*"):
        file.unlink()
    table(project, "0003-three")
    ran = run("migrations", "--format", "json")

    assert fine.code == 0
    assert fine.out.split("applied_at")[0].split()[-2:] == ["status", "id"]
    assert ran.code == 1
    shown = {one["id"]: one for one in json.loads(ran.out)}
    assert {id_: one["status"] for id_, one in shown.items()} == {
        "0001-one": "applied, edited since",
        "0002-two": "applied, file missing",
        "0003-three": "pending",
    }
    assert shown["0001-one"]["applied_at"].endswith("+00:00")
    assert shown["0003-three"]["applied_at"] is None


def test_reset_drops_everything_and_migrates_again(project: Project, run: Run) -> None:
    table(project, "0001-one")
    run("migrate")
    project.query("insert into one values (1)")
    project.query("create table by_hand ()")

    refused = run("setup", "--reset")
    kept = project.query("select count(*) from one")
    ran = run("setup", "--reset", "--yes")

    assert (refused.code, kept) == (2, [(1,)])
    assert ran.code == 0
    assert "applied 0001-one" in ran.out
    assert project.tables() == {"one"}
    assert project.query("select count(*) from one") == [(0,)]


def test_drift_shows_what_the_live_schema_has_and_the_migrations_do_not_make(
    project: Project, run: Run
) -> None:
    table(project, "0001-one")
    run("migrate")
    fine = run("drift")
    project.query("alter table one add by_hand text")

    ran = run("drift")

    assert fine.code == 0
    assert ran.code == 1
    assert "public.one.by_hand" in ran.out
    assert "alter table public.one add column if not exists by_hand text;" in ran.out


def test_a_failed_migration_leaves_nothing_of_itself_and_says_file_statement_and_code(
    project: Project, run: Run
) -> None:
    table(project, "0001-one")
    project.write("0002-two", "-- depends: 0001-one\ncreate table two ();\n\nselect no from one;\n")

    ran = run("migrate")
    free = project.query("select count(*) from pg_locks where locktype = 'advisory'")
    row = project.query("select count(*) from yoyo_lock")
    project.write("0002-two", "-- depends: 0001-one\ncreate table two ();\n")
    again = run("migrate")

    assert ran.code == 4
    assert "applied 0001-one" in ran.out
    assert '0002-two.sql:4: column "no" does not exist (SQLSTATE 42703)' in ran.err
    assert "statement 2 of 2: select no from one" in ran.err
    assert (free, row) == ([(0,)], [(0,)])
    assert again.code == 0
    assert project.tables() == {"one", "two"}


def test_a_migrator_killed_by_force_blocks_no_other(project: Project, run: Run, watch: Any) -> None:
    table(project, "0001-one")
    project.write("0002-two", f"select pg_advisory_xact_lock({GATE});\n{UP.format('two')}")
    with psycopg.connect(project.database, autocommit=True) as gate:
        gate.execute("select pg_advisory_lock(%s)", [GATE])
        killed = project.migrator()
        try:
            project.until(
                "exists (select from pg_locks where locktype = 'advisory' and not granted)"
            )
        finally:
            killed.send_signal(signal.SIGKILL)
            killed.communicate()
    with watch.at_most(8):
        ran = run("migrate")

        assert ran.code == 0
        # Bare yoyo waits for ten, and then asks for `yoyo break-lock`.
    assert project.tables() == {"one", "two"}


def test_the_lock_of_a_dead_yoyo_is_removed_unless_it_may_be_alive(
    project: Project, run: Run
) -> None:
    table(project, "0001-one")
    run("migrate")
    table(project, "0002-two")
    project.query("insert into yoyo_lock (locked, ctime, pid) values (1, now(), 4711)")

    with (
        psycopg.connect(project.database, application_name="web"),
        pytest.raises(MigrationLockedError, match=r"process 4711, .* `yoyo break-lock`"),
    ):
        project.migrations(lock_wait=0.2).apply()
    project.until(
        "not exists (select from pg_stat_activity where application_name = 'web'"
        " and datname = current_database())"
    )
    ran = run("migrate")

    assert ran.code == 0
    assert project.query("select count(*) from yoyo_lock") == [(0,)]
    assert project.tables() == {"one", "two"}


def test_check_finds_what_queries_expect_and_the_tables_do_not_have(
    project: Project, run: Run
) -> None:
    project.write("0001-one", "create table one (id bigint primary key, age int);", "")
    (project.root / "sql").mkdir()
    (project.root / "sql" / "people.sql").write_text(QUERIES)
    run("migrate")
    fine = run("check")
    project.query("alter table one alter age type text")

    ran = run("check")

    assert fine.code == 0
    assert ran.code == 1
    assert "people.ages" in ran.out
    assert "42883" in ran.out

"""`raxol-sql setup` and `migrate` on a real server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

Run = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture
def own(empty: str, project: Path) -> Path:
    """The folder of migrations of a project of the test's own, with one that makes ``one``."""
    folder = project / "migrations"
    folder.mkdir()
    (folder / "0001-one.sql").write_text("create table one (id int);")
    (folder / "0001-one.rollback.sql").write_text("drop table one;")
    (project / "raxol_sql.toml").write_text("")
    return folder


@pytest.fixture
def made(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The connection string of a configured database that does not exist yet."""
    conninfo = make_conninfo(database, dbname="raxol_setup_rows")
    monkeypatch.setenv("DATABASE_URL", conninfo)
    yield conninfo
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("drop database if exists raxol_setup_rows with (force)")


def add(folder: Path, number: int, up: str, down: str | None = "select 1;") -> None:
    """Adds a migration after the one of the number before."""
    (before,) = {path.name.partition(".")[0] for path in folder.glob(f"{number - 1:04}-*")}
    (folder / f"{number:04}-more.sql").write_text(f"-- depends: {before}\n{up}")
    if down is not None:
        (folder / f"{number:04}-more.rollback.sql").write_text(down)


def asked(conninfo: str, statement: str) -> Any:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(statement.encode()).fetchone()
        return row[0] if row else None


def states(raxol_sql: Run) -> list[str]:
    shown = json.loads(raxol_sql("migrations", "--format", "json").out)
    return [one["status"] for one in shown]


def test_setup_makes_the_database_in_utf8_with_its_times_in_utc_and_migrates_it(
    made: str, raxol_sql: Run
) -> None:
    ran = raxol_sql("setup")

    assert ran.code == 0
    assert "database raxol_setup_rows: created" in ran.out
    assert (
        asked(
            made,
            "select pg_encoding_to_char(encoding) from pg_database "
            "where datname = current_database()",
        )
        == "UTF8"
    )
    assert asked(made, "select current_setting('timezone')") == "UTC"
    assert asked(made, "select count(*) from users") == 0
    assert set(states(raxol_sql)) == {"applied"}


@pytest.mark.usefixtures("made")
def test_setup_a_second_time_changes_nothing_and_says_so(raxol_sql: Run) -> None:
    raxol_sql("setup")
    raxol_sql("run", "users.create", "email=a@b.c", "name=Ann", "--null", "age", "--write")
    again = raxol_sql("setup")

    assert again.code == 0
    assert "already exists" in again.out
    assert "nothing to apply" in again.out
    assert "0 migrations applied" in again.out
    assert json.loads(raxol_sql("run", "users.count", "--format", "json").out) == [{"value": 1}]


@pytest.mark.usefixtures("made")
def test_setup_ends_with_a_word_on_whether_the_database_is_ready(raxol_sql: Run) -> None:
    ran, as_json = raxol_sql("setup"), raxol_sql("setup", "--format", "json")

    assert re.fullmatch(
        r"database raxol_setup_rows: ready; 5 migrations applied, PostgreSQL \S+ answers",
        ran.out.splitlines()[-1],
    )
    assert (as_json.code, json.loads(as_json.out)) == (0, [])
    assert "database raxol_setup_rows: ready; 0 migrations applied" in as_json.err


def test_setup_of_a_database_that_knows_a_migration_without_its_file_is_not_ready(
    own: Path, raxol_sql: Run
) -> None:
    # What ping ends with 1 for.
    add(own, 2, "create table two (id int);")
    assert raxol_sql("setup").code == 0
    for gone in own.glob("0002-*"):
        gone.unlink()
    ran = raxol_sql("setup")

    assert ran.code == raxol_sql("ping").code == 1
    assert "1 missing files" in ran.out
    assert "not ready; 0 migrations applied" in ran.out


def test_setup_by_a_role_that_may_not_create_takes_the_database_that_somebody_has_made(
    migrated: str, raxol_sql: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute("create role raxol_setup_user login")
        connection.execute("grant select on all tables in schema public to raxol_setup_user")
        try:
            monkeypatch.setenv("RAXOL_DB_USER", "raxol_setup_user")
            ran = raxol_sql("setup")
        finally:
            connection.execute("drop owned by raxol_setup_user")
            connection.execute("drop role raxol_setup_user")

    assert ran.code == 0
    assert "already exists" in ran.out
    assert "0 migrations applied" in ran.out


def test_setup_looks_for_the_configured_server_and_no_other(
    database: str, raxol_sql: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The server of the tests is up, on a socket, and is not asked.
    monkeypatch.setenv("PGHOST", str(conninfo_to_dict(database)["host"]))
    monkeypatch.setenv("RAXOL_DB_HOST", "127.0.0.1")
    monkeypatch.setenv("RAXOL_DB_PORT", "1")
    ran = raxol_sql("setup")

    assert ran.code == 3
    assert "127.0.0.1:1" in ran.err


def test_reset_without_yes_and_without_a_terminal_ends_with_2_and_loses_nothing(
    migrated: str, raxol_sql: Run
) -> None:
    raxol_sql("run", "users.create", "email=a@b.c", "name=Ann", "--null", "age", "--write")
    ran = raxol_sql("setup", "--reset")

    assert ran.code == 2
    assert "--yes" in ran.err
    assert asked(migrated, "select count(*) from users") == 1


def test_reset_with_force_ends_the_sessions_of_others_and_begins_anew(
    migrated: str, raxol_sql: Run
) -> None:
    raxol_sql("run", "users.create", "email=a@b.c", "name=Ann", "--null", "age", "--write")
    with psycopg.connect(migrated) as other:
        refused = raxol_sql("setup", "--reset", "--yes")
        ran = raxol_sql("setup", "--reset", "--yes", "--force")
        with pytest.raises(psycopg.OperationalError):
            other.execute("select 1")

    assert refused.code == 1
    assert re.search(r"in use by \d+ sessions", refused.err)
    assert ran.code == 0
    assert asked(migrated, "select count(*) from users") == 0


def test_migrate_applies_what_is_pending_and_says_each_with_its_time(
    own: Path, raxol_sql: Run
) -> None:
    add(own, 2, "create table two (id int);")
    first, second = raxol_sql("migrate"), raxol_sql("migrate")

    assert (first.code, second.code) == (0, 0)
    assert re.findall(r"^applied (\S+) \(\d+ ms\)$", first.out, re.MULTILINE) == [
        "0001-one",
        "0002-more",
    ]
    assert "nothing to apply" in second.out


def test_migrate_stops_at_a_number_that_is_named(own: Path, raxol_sql: Run) -> None:
    add(own, 2, "create table two (id int);")

    assert raxol_sql("migrate", "--to", "0001").code == 0
    assert states(raxol_sql) == ["applied", "pending"]


def test_migrate_applies_so_many_steps_and_a_dry_run_none(
    own: Path, empty: str, raxol_sql: Run
) -> None:
    add(own, 2, "create table two (id int);")
    told = raxol_sql("migrate", "--dry-run")

    assert told.code == 0
    assert re.findall(r"^would apply (\S+)$", told.out, re.MULTILINE) == ["0001-one", "0002-more"]
    assert asked(empty, "select to_regclass('one')::text") is None
    assert raxol_sql("migrate", "--step", "1").code == 0
    assert states(raxol_sql) == ["applied", "pending"]


def test_a_broken_migration_leaves_nothing_of_itself_and_keeps_those_before_it(
    own: Path, empty: str, raxol_sql: Run
) -> None:
    add(own, 2, "create table two (id int);\ncreate table three (id nope);")
    ran = raxol_sql("migrate")

    assert ran.code == 4
    assert "0002-more.sql" in ran.err
    assert "42704" in ran.err
    assert asked(empty, "select to_regclass('one')::text") == "one"
    assert asked(empty, "select to_regclass('two')::text") is None
    assert states(raxol_sql) == ["applied", "pending"]


def test_rollback_undoes_the_last_one_and_no_other(own: Path, empty: str, raxol_sql: Run) -> None:
    add(own, 2, "create table two (id int);", "drop table two;")
    raxol_sql("migrate")
    ran = raxol_sql("rollback")

    assert ran.code == 0
    assert "rolled back 0002-more" in ran.out
    assert states(raxol_sql) == ["applied", "pending"]
    assert asked(empty, "select to_regclass('one')::text") == "one"
    assert asked(empty, "select to_regclass('two')::text") is None


def test_a_migration_without_a_way_back_is_not_rolled_back_and_nothing_changes(
    own: Path, empty: str, raxol_sql: Run
) -> None:
    add(own, 2, "create table two (id int);", None)
    raxol_sql("migrate")
    ran = raxol_sql("rollback", "--steps", "2")

    assert ran.code == 1
    assert "0002-more" in ran.err
    assert states(raxol_sql) == ["applied", "applied"]
    assert asked(empty, "select to_regclass('two')::text") == "two"


def test_rollback_to_a_migration_undoes_it_and_what_came_after_it(
    own: Path, raxol_sql: Run
) -> None:
    for number in (2, 3):
        add(own, number, f"create table t{number} (id int);", f"drop table t{number};")
    raxol_sql("migrate")

    told = raxol_sql("rollback", "--to", "0002", "--dry-run")
    assert re.findall(r"^would roll back (\S+)$", told.out, re.MULTILINE) == [
        "0003-more",
        "0002-more",
    ]
    assert states(raxol_sql) == ["applied"] * 3
    assert raxol_sql("rollback", "--to", "0002").code == 0
    assert states(raxol_sql) == ["applied", "pending", "pending"]


def test_rolling_back_everything_takes_a_word_more(own: Path, empty: str, raxol_sql: Run) -> None:
    add(own, 2, "create table two (id int);", "drop table two;")
    raxol_sql("migrate")

    assert raxol_sql("rollback", "--all").code == 2
    assert states(raxol_sql) == ["applied", "applied"]
    assert raxol_sql("rollback", "--all", "--yes").code == 0
    assert states(raxol_sql) == ["pending", "pending"]
    assert asked(empty, "select to_regclass('one')::text") is None


def test_migrations_shows_one_whose_file_is_gone_and_one_that_was_edited(
    own: Path, raxol_sql: Run
) -> None:
    add(own, 2, "create table two (id int);")
    raxol_sql("migrate")
    assert raxol_sql("migrations").code == 0
    (own / "0001-one.sql").write_text("create table one (id bigint);")
    for gone in own.glob("0002-*"):
        gone.unlink()

    ran = raxol_sql("migrations", "--format", "json")
    assert ran.code == 1
    assert [(one["status"], one["id"]) for one in json.loads(ran.out)] == [
        ("applied, edited since", "0001-one"),
        ("applied, file missing", "0002-more"),
    ]


@pytest.mark.parametrize("command", ["migrate", "rollback", "migrations", "setup"])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_folder_of_migrations_that_is_empty_or_not_there_ends_with_2(
    empty: str, project: Path, raxol_sql: Run, command: str, is_there: bool
) -> None:
    (project / "raxol_sql.toml").write_text('[project]\nmigrations = "nosuch"')
    if is_there:
        (project / "nosuch").mkdir()
    ran = raxol_sql(command)

    assert ran.code == 2
    assert "nosuch" in ran.err
    assert asked(empty, "select to_regclass('_yoyo_migration')::text") is None


@pytest.mark.parametrize("command", ["migrate", "rollback", "migrations"])
def test_a_folder_that_is_named_with_migrations_stands_above_the_file_and_is_looked_at_first(
    own: Path, empty: str, raxol_sql: Run, command: str
) -> None:
    ran = raxol_sql(command, "--migrations", "nosuch")

    assert ran.code == 2
    assert "nosuch" in ran.err
    assert asked(empty, "select to_regclass('_yoyo_migration')::text") is None
    assert raxol_sql(command, "--migrations", str(own)).code == 0

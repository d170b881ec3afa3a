"""`raxol-sql drift` and `raxol-sql migrations --check` (J1, J4)."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

Run = Callable[..., Any]
Do = Callable[..., list[Any]]

PATIENCE = 15.0
MOODS = "create type mood as enum ('sad', 'ok');\n"
TOUCH = """
create or replace function touch_updated_at() returns trigger language plpgsql as $$
begin
    return new;
end
$$
"""
# What is done by hand, what drift says of it, and what undoes it by hand.
BY_HAND = [
    pytest.param(
        "alter table users add nick text",
        ("extra", "column", "public.users.nick"),
        "alter table users drop nick",
        id="a column is added",
    ),
    pytest.param(
        "drop index users_inserted_at_index",
        ("missing", "index", "public.users_inserted_at_index"),
        "create index users_inserted_at_index on users (inserted_at, id)",
        id="an index is dropped",
    ),
    pytest.param(
        "alter table users drop constraint users_age_positive,"
        " add constraint users_age_positive check (age >= 0)",
        ("changed", "constraint", "users_age_positive on public.users"),
        "alter table users drop constraint users_age_positive,"
        " add constraint users_age_positive check (age > 0)",
        id="a constraint is another",
    ),
    pytest.param(
        "alter table users alter active set default false",
        ("changed", "column", "public.users.active"),
        "alter table users alter active set default true",
        id="a default is another",
    ),
    pytest.param(
        TOUCH,
        ("changed", "function", "public.touch_updated_at()"),
        TOUCH.replace("return new", "new.updated_at := now();\n    return new"),
        id="a function is another",
    ),
    pytest.param(
        "alter type mood add value 'great' after 'sad'",
        ("changed", "enum", "public.mood"),
        "drop type mood; create type mood as enum ('sad', 'ok')",
        id="an enum has a label more",
    ),
    pytest.param(
        "create table notes (id bigint generated always as identity primary key, body text);"
        " create index on notes (body)",
        ("extra", "table", "public.notes"),
        "drop table notes",
        id="a table is there",
    ),
]


@pytest.fixture(autouse=True)
def own(migrated: str, project: Path, repository: Path) -> Path:
    """The folder of a project's own migrations: the repository's, all but the last applied."""
    folder = project / "migrations"
    shutil.copytree(repository / "migrations", folder)
    (project / "raxol_sql.toml").write_text("")
    write(folder, "0006-moods", MOODS, "drop type mood;")
    return folder


def write(folder: Path, name: str, up: str, down: str | None = None) -> None:
    (folder / f"{name}.sql").write_text(up)
    if down is not None:
        (folder / f"{name}.rollback.sql").write_text(down)


@pytest.fixture
def do(migrated: str) -> Do:
    """Runs a statement as the superuser; gives its rows."""

    def do(statement: str) -> list[Any]:
        with psycopg.connect(migrated, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    return do


@pytest.fixture
def scratches(do: Do) -> Callable[[], int]:
    """Counts the scratch databases of the server."""
    return lambda: int(
        do("select count(*) from pg_database where datname ~ '^raxol_(drift|check)_'")[0][0]
    )


def read(ran: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ran.out)
    return found


def test_a_database_as_its_migrations_make_it_has_not_drifted(
    raxol_sql: Run, scratches: Callable[[], int]
) -> None:
    raxol_sql("migrate")

    ran = raxol_sql("drift")
    told = raxol_sql("drift", "--format", "json")

    assert (ran.code, told.code) == (0, 0)
    assert "6 migrations applied to a scratch database: the schema is what" in ran.out
    assert read(told)["equal"] is True
    assert read(told)["differences"] == []
    assert scratches() == 0


def test_pending_migrations_are_told_and_exit_with_0(raxol_sql: Run) -> None:
    ran = raxol_sql("drift")
    told = raxol_sql("drift", "--format", "json")

    assert (ran.code, told.code) == (0, 0)
    assert "WARN  pending" in ran.out
    assert "0006-moods: not applied yet, and not compared" in ran.out
    assert read(told)["pending"] == ["0006-moods"]


@pytest.mark.parametrize(("change", "expected", "undo"), BY_HAND)
def test_what_was_done_by_hand_is_found_until_it_is_undone(
    raxol_sql: Run, do: Do, change: str, expected: tuple[str, str, str], undo: str
) -> None:
    raxol_sql("migrate")
    do(change)

    told = raxol_sql("drift", "--format", "json")
    do(undo)
    after = raxol_sql("drift")

    assert (told.code, after.code) == (1, 0)
    (one,) = read(told)["differences"]
    sort = expected[0]
    assert (one["sort"], one["kind"], one["name"], one["status"]) == (*expected, "FAIL")
    assert (one["database"] is None, one["migrations"] is None) == (
        sort == "missing",
        sort == "extra",
    )


@pytest.mark.parametrize("change", [pytest.param(it.values[0], id=it.id) for it in BY_HAND])
def test_the_migration_that_drift_asks_for_ends_it_here_and_fits_everywhere_else(
    raxol_sql: Run, do: Do, own: Path, change: str
) -> None:
    raxol_sql("migrate")
    do(change)

    (one,) = read(raxol_sql("drift", "--format", "json"))["differences"]
    made = raxol_sql(*shlex.split(one["command"])[1:])
    file, rollback = map(Path, made.out.split())
    rollback.unlink()
    with file.open("a") as text:
        text.write(one["sql"])
    applied = raxol_sql("migrate")
    after = raxol_sql("drift")
    # By a database that has none of it, as all others.
    elsewhere = raxol_sql("migrations", "--check")

    assert made.code == 0
    assert (applied.code, after.code, elsewhere.code) == (0, 0, 0), applied.err + elsewhere.out


def test_what_is_ignored_is_no_drift(raxol_sql: Run, do: Do) -> None:
    do("create schema jobs; create table jobs.queue (id int primary key)")

    ran = raxol_sql("drift", "--ignore", "jobs*")

    assert raxol_sql("drift").code == 1
    assert ran.code == 0


def test_a_partition_by_hand_is_told_and_is_no_drift(raxol_sql: Run, do: Do, own: Path) -> None:
    write(own, "0007-log", "create table log (at date) partition by range (at);")
    raxol_sql("migrate")
    do("create table log_1 partition of log for values from ('2020-01-01') to ('2020-02-01')")

    ran = raxol_sql("drift")

    assert ran.code == 0
    assert "WARN  partition" in ran.out


def test_both_definitions_are_shown_and_nothing_commands_the_terminal(
    raxol_sql: Run, do: Do
) -> None:
    do("alter table users alter age type bigint, alter age set default 7")
    do('create table "a\x1b[31mb" (id int)')

    ran = raxol_sql("drift")

    assert ran.code == 1
    assert "FAIL  column" in ran.out
    assert "public.users.age" in ran.out
    assert "- age bigint default 7" in ran.out
    assert "+ age integer" in ran.out
    assert "→ raxol-sql new migration correct users age, with" in ran.out
    assert "alter table public.users alter column age drop default;" in ran.out
    assert "\x1b" not in ran.out
    assert "\\x1b[31m" in ran.out


def test_no_server_exits_with_3(raxol_sql: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://ann:secret@127.0.0.1:1/none")

    drifted, checked = raxol_sql("drift"), raxol_sql("migrations", "--check")

    assert (drifted.code, checked.code) == (3, 3)
    assert "Could not connect" in drifted.err
    assert "secret" not in drifted.err + checked.err


def test_a_folder_that_cannot_be_read_is_told_without_a_server(
    raxol_sql: Run, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/none")
    write(own, "0006-twice", "create table twice ();")

    drifted, checked = raxol_sql("drift"), raxol_sql("migrations", "--check")
    elsewhere = raxol_sql("drift", "--migrations", "nowhere")

    assert (drifted.code, checked.code, elsewhere.code) == (1, 1, 2)
    assert "number 0006 is taken" in drifted.err
    assert "nowhere" in elsewhere.err


def test_a_migration_that_fails_on_the_scratch_database_exits_with_4(
    raxol_sql: Run, own: Path, scratches: Callable[[], int]
) -> None:
    with (own / "0005-bound-texts-of-users.sql").open("a") as file:
        file.write("select 1 / 0;")

    ran = raxol_sql("drift")

    assert ran.code == 4
    assert "0005-bound-texts-of-users.sql:" in ran.err
    assert "division by zero" in ran.err
    assert "22012" in ran.err
    assert scratches() == 0


def test_a_migration_without_its_file_is_named(raxol_sql: Run, own: Path) -> None:
    for file in own.glob("0005-*"):
        file.unlink()
    (own / "0006-moods.sql").unlink()
    (own / "0006-moods.rollback.sql").unlink()

    ran = raxol_sql("drift")

    assert ran.code == 1
    assert "the file is gone: 0005-bound-texts-of-users" in ran.err


@pytest.fixture
def humble(migrated: str, do: Do) -> Iterator[str]:
    """The configured database, as a role that may read it, and create no other."""
    do("create role raxol_humble login")
    do("grant select on all tables in schema public to raxol_humble")
    yield make_conninfo(migrated, user="raxol_humble")
    do("drop owned by raxol_humble")
    do("drop role raxol_humble")


@pytest.mark.parametrize("words", [["drift"], ["migrations", "--check"]], ids=["drift", "check"])
def test_a_role_that_may_not_create_a_database_is_told_what_helps(
    raxol_sql: Run, humble: str, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", humble)

    ran = raxol_sql(*words)

    assert ran.code == 4
    assert "permission denied to create database (SQLSTATE 42501)" in ran.err
    assert 'alter role "raxol_humble" createdb' in ran.err


@pytest.mark.parametrize(
    ("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
@pytest.mark.parametrize("words", [["drift"], ["migrations", "--check"]], ids=["drift", "check"])
def test_the_scratch_database_is_dropped_when_it_is_interrupted(
    own: Path,
    do: Do,
    scratches: Callable[[], int],
    raxol_sql: Run,
    words: list[str],
    sign: int,
    code: int,
) -> None:
    raxol_sql("migrate")
    # It is applied here, and takes its time there.
    write(own, "0006-moods", f"{MOODS}select pg_sleep(30);", "drop type mood;")

    with subprocess.Popen(
        [sys.executable, "-m", "raxol_sql", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            end = time.monotonic() + PATIENCE
            while not do(
                "select 1 from pg_stat_activity where datname ~ '^raxol_(drift|check)_'"
                " and wait_event = 'PgSleep'"
            ):
                assert time.monotonic() < end
                assert process.poll() is None
                time.sleep(0.02)
            assert scratches() == 1
            process.send_signal(sign)
            _, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()

    assert process.returncode == code
    assert "Traceback" not in err
    assert scratches() == 0


def test_the_repositorys_own_migrations_lead_there_and_back_and_there(
    raxol_sql: Run, scratches: Callable[[], int]
) -> None:
    ran = raxol_sql("migrations", "--check")

    assert ran.code == 0
    assert "6 migrations applied, 6 rolled back and applied again" in ran.out
    assert scratches() == 0


def test_a_forgotten_index_is_a_finding_and_its_remedy_is_one(raxol_sql: Run, own: Path) -> None:
    up = "alter table users add tag text;\ncreate index users_name_index on users (name);"
    write(own, "0007-tags", up, "alter table users drop tag;\n")

    ran = raxol_sql("migrations", "--check")
    told = raxol_sql("migrations", "--check", "--format", "json")
    remedy = json.loads(told.out)[0]["remedy"]
    place, _, statement = remedy.removeprefix("write into ").partition(":\n")
    with Path(place).open("a") as file:
        file.write(statement)
    after = raxol_sql("migrations", "--check")

    assert (ran.code, told.code, after.code) == (1, 1, 0)
    assert "0007-tags" in ran.out
    assert "leaves the index public.users_name_index" in ran.out


def test_an_irreversible_migration_is_a_warning(raxol_sql: Run, own: Path) -> None:
    (own / "0004-create-raxol-outcomes.rollback.sql").unlink()

    ran = raxol_sql("migrations", "--check")

    assert ran.code == 0
    assert "WARN  rollback" in ran.out
    assert "irreversible: it was not rolled back, nor were the 3 before it" in ran.out
    assert "6 migrations applied, 2 rolled back and applied again" in ran.out


def test_only_a_check_is_server_wide(raxol_sql: Run) -> None:
    ran = raxol_sql("migrations", "--server-wide")

    assert ran.code == 2
    assert "--server-wide is for --check" in ran.err


def test_the_document_shows_what_is_printed(
    raxol_sql: Run, do: Do, own: Path, repository: Path
) -> None:
    for file in own.glob("0006-*"):
        file.unlink()
    do("alter table users add nick text, alter active set default false")
    do("drop index users_inserted_at_index")
    page = (repository / "docs" / "migrations.md").read_text()
    shown = dict(re.findall(r"^\$ raxol-sql (.+)\n\n((?:.|\n)*?)^```$", page, re.M))

    drifted = raxol_sql("drift")
    up = "alter table users add phone text;\ncreate index users_phone_index on users (phone);"
    write(own, "0006-add-phone", up, "drop index users_phone_index;")
    checked = raxol_sql("migrations", "--check")

    for command, ran in (("drift", drifted), ("migrations --check", checked)):
        # Without the line that says which server it is, and where lines end.
        printed = "".join(ran.out.partition("\n")[2].split())
        said = "".join(shown[command].split()).replace("/srv/shop", str(own.parent))
        assert said == printed

"""`raxol-sql diagnose`: each defect made for real, found, and gone again (C2, G7, H1, H4, K15)."""

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
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from raxol_sql import embedded

RaxolSQL = Callable[..., Any]
Told = dict[str, Any]

pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture
def change(migrated: str) -> Callable[[str], None]:
    """Changes the configured database, which has the repository's tables."""

    def change(*statements: str) -> None:
        with psycopg.connect(migrated, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    return change


@pytest.fixture
def diagnosed(raxol_sql: RaxolSQL) -> Callable[..., tuple[int, list[Told]]]:
    """Gives the exit code, and all findings that are not OK, after `raxol-sql diagnose`."""

    def diagnosed(*words: str) -> tuple[int, list[Told]]:
        ran = raxol_sql("diagnose", "--format", "json", *words)
        return ran.code, [one for one in json.loads(ran.out) if one["status"] != "OK"]

    return diagnosed


Diagnosed = Callable[..., tuple[int, list[Told]]]
Change = Callable[..., None]


def names(found: list[Told]) -> list[tuple[str, str]]:
    return [(one["status"], one["check"]) for one in found if one["status"] != "SKIP"]


@contextmanager
def session(conninfo: str, application: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(conninfo, application_name=application) as connection:
        try:
            yield connection
        finally:
            with suppress(psycopg.Error):
                connection.rollback()


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


@pytest.mark.usefixtures("migrated")
def test_a_fresh_server_with_the_repository_s_migrations_is_well(
    raxol_sql: RaxolSQL, diagnosed: Diagnosed
) -> None:
    code, found = diagnosed("--strict")
    assert (code, names(found)) == (0, [])
    assert all(one["message"] for one in found)
    ran = raxol_sql("diagnose")
    assert ran.code == 0
    assert max(map(len, ran.out.splitlines())) <= 100
    assert "postgres is a superuser, as the one role of the embedded server" in " ".join(
        ran.out.split()
    )
    assert " OK, " in ran.out.splitlines()[-1]


@pytest.mark.usefixtures("empty")
def test_a_database_without_a_table_and_a_folder_without_a_project_fail_nothing(
    diagnosed: Diagnosed, project: Path
) -> None:
    (project / "raxol_sql.toml").unlink()
    code, found = diagnosed("--strict")
    assert (code, names(found)) == (0, [])
    assert {"folder", "query"} <= {one["check"] for one in found}


@pytest.mark.parametrize(
    ("defect", "cure", "status", "check", "words"),
    [
        (
            "drop index user_preferences_user_id_index",
            "create index user_preferences_user_id_index on user_preferences (user_id)",
            "WARN",
            "foreign key index",
            "user_preferences_user_id_fkey",
        ),
        (
            "create index again on users (inserted_at, id)",
            "drop index again",
            "WARN",
            "duplicate index",
            "again on users is the same as users_inserted_at_index",
        ),
        (
            "create index again on users (inserted_at)",
            "drop index again",
            "WARN",
            "duplicate index",
            "again on users has only the first columns of users_inserted_at_index",
        ),
        (
            "create index again on users (email)",
            "drop index again",
            "WARN",
            "duplicate index",
            "again on users is the same as users_email_index",
        ),
        (
            "create index again on users (lower(name), id) where age > 5;"
            "create index once on users (  lower( name), id ) where  age>5",
            "drop index again",
            "WARN",
            "duplicate index",
            "once on users is the same as again",
        ),
        (
            "alter table users rename age to years",
            "alter table users rename years to age",
            "FAIL",
            "query",
            'column "age" does not exist',
        ),
        (
            "create table notes (body text, inserted_at timestamptz, updated_at timestamptz)",
            "alter table notes add primary key (body)",
            "WARN",
            "primary key",
            "notes has no primary key",
        ),
        (
            "alter table users add check (name <> 'x') not valid",
            "alter table users validate constraint users_name_check",
            "WARN",
            "not valid",
            "users_name_check of users",
        ),
        (
            "alter table users alter id set maxvalue 1000; select setval('users_id_seq', 900)",
            "alter table users alter id set maxvalue 100000",
            "WARN",
            "sequence",
            "users_id_seq, which numbers users.id, has used 90% of its numbers: it ends at 1000",
        ),
        (
            "create sequence s; create table n (id int primary key default nextval('s'),"
            " inserted_at timestamptz, updated_at timestamptz); select setval('s', 2100000000)",
            "alter table n alter id type bigint",
            "FAIL",
            "sequence",
            "s, which numbers n.id, has used 98% of its numbers: it ends at 2147483647",
        ),
    ],
)
def test_a_defect_of_the_schema_is_the_one_thing_found_until_it_is_mended(
    diagnosed: Diagnosed,
    change: Change,
    defect: str,
    cure: str,
    status: str,
    check: str,
    words: str,
) -> None:
    change(defect)
    code, found = diagnosed("--only", "schema")
    assert set(names(found)) == {(status, check)}
    assert any(words in one["message"] for one in found)
    assert all(one["remedy"] for one in found if one["status"] != "SKIP")
    assert code == (1 if status == "FAIL" else 0)
    change(cure)
    assert names(diagnosed("--only", "schema")[1]) == []


@pytest.mark.parametrize(
    "statement",
    [
        "create index other on users (inserted_at desc, id)",
        "create index other on users (id, inserted_at)",
        "create index other on users (inserted_at) include (name)",
        "create index other on users (inserted_at, id) where active",
        "create index other on users using hash (email)",
        'create index other on users (email collate "C")',
        "create index other on users (email text_pattern_ops)",
        "create index other on users (lower(email)); create index third on users (upper(email))",
        "alter table users add unique (inserted_at, name); create index other on users (name)",
        "create table one (code text unique not null, inserted_at timestamptz default now(),"
        " updated_at timestamptz default now())",
        "create sequence cycling maxvalue 10 cycle; select setval('cycling', 10)",
        "create temporary table kept (a int)",
        "create table part (id bigint, at timestamptz, primary key (id, at),"
        " inserted_at timestamptz, updated_at timestamptz) partition by range (at);"
        "create table part_1 partition of part for values from (minvalue) to (maxvalue);"
        "create index on part (at)",
    ],
)
def test_what_only_looks_like_a_defect_is_none(
    diagnosed: Diagnosed, change: Change, statement: str
) -> None:
    change(statement)
    assert names(diagnosed("--only", "schema")[1]) == []


def test_an_index_that_could_not_be_built_fails_until_its_remedy_is_run(
    diagnosed: Diagnosed, change: Change
) -> None:
    change("insert into users (email, name) values ('a@b.c', 'a'), ('b@b.c', 'a')")
    with pytest.raises(psycopg.errors.UniqueViolation):
        change("create unique index concurrently users_name_key on users (name)")
    code, found = diagnosed("--only", "schema")
    (broken,) = [one for one in found if one["status"] != "SKIP"]
    assert (code, broken["status"], broken["check"]) == (1, "FAIL", "invalid index")
    assert "users_name_key on users" in broken["message"]
    change(broken["remedy"])
    assert names(diagnosed("--only", "schema")[1]) == []


def test_a_query_that_does_not_fit_is_named_with_its_place(
    diagnosed: Diagnosed, change: Change, project: Path
) -> None:
    change("select 1")
    (project / "raxol_sql.toml").write_text('[project]\nqueries = "own.sql"')
    (project / "own.sql").write_text("-- name: some :many\n-- Some.\nselect nam from users;\n")
    code, found = diagnosed("--only", "schema")
    assert (code, names(found)) == (1, [("FAIL", "query")])
    assert any("own.some (own.sql:1)" in one["message"] for one in found)
    (project / "own.sql").write_text("-- name: some :many\nselec name from users\n-- name: x")
    code, found = diagnosed("--only", "schema", "--only", "statements")
    assert (code, names(found)) == (1, [("FAIL", "query")])


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


def test_two_sources_that_say_different_things_are_a_warning_without_what_they_say(
    diagnosed: Diagnosed, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = conninfo_to_dict(migrated)["host"]
    monkeypatch.setenv("RAXOL_DB_HOST", str(host))
    monkeypatch.setenv("DATABASE_URL", make_conninfo(migrated, host="elsewhere.invalid"))
    code, found = diagnosed("--only", "credentials")
    assert (code, names(found)) == (0, [("WARN", "conflict")])
    assert found[0]["message"].startswith("hostname: RAXOL_DB_HOST stands above DATABASE_URL")
    assert "invalid" not in json.dumps(found)


def test_the_tables_are_looked_at_even_if_the_queries_cannot_be_read(
    diagnosed: Diagnosed, change: Change, project: Path
) -> None:
    change("drop index user_preferences_user_id_index")
    (project / "raxol_sql.toml").write_text('[project]\nqueries = "own.sql"')
    (project / "own.sql").write_text("-- name: some :mony\nselect 1\n")
    code, found = diagnosed("--only", "schema")
    assert (code, names(found)) == (1, [("WARN", "foreign key index"), ("FAIL", "query")])
    assert any("unknown kind" in one["message"] for one in found)


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


def test_migrations_that_are_pending_missing_or_edited_are_told(
    diagnosed: Diagnosed, migrated: str, project: Path, repository: Path
) -> None:
    folder = project / "own"
    folder.mkdir()
    for file in (repository / "migrations").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (project / "raxol_sql.toml").write_text('[project]\nmigrations = "own"')
    words = ("--only", "migrations")
    assert diagnosed(*words) == (0, [])

    pending = folder / "0006-more.sql"
    pending.write_text("-- More.\n-- depends: 0005-bound-texts-of-users\n\nselect 1;\n")
    code, found = diagnosed(*words)
    assert (code, names(found)) == (0, [("WARN", "pending")])
    assert (found[0]["message"], found[0]["remedy"]) == (
        "0006-more: not applied yet",
        "raxol-sql migrate",
    )
    pending.unlink()

    last = folder / "0005-bound-texts-of-users.sql"
    text = last.read_text()
    last.unlink()
    back = last.with_suffix(".rollback.sql")
    back.rename(project / "kept")
    code, found = diagnosed(*words)
    assert (code, names(found)) == (1, [("FAIL", "missing")])
    assert "0005-bound-texts-of-users" in found[0]["message"]

    (project / "kept").rename(back)
    last.write_text(f"{text}\nselect 1;\n")
    code, found = diagnosed(*words)
    assert (code, names(found)) == (1, [("FAIL", "edited")])
    last.write_text(text)
    assert diagnosed(*words) == (0, [])


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


@pytest.fixture
def ordinary(server: embedded.Server, migrated: str, change: Change) -> Iterator[str]:
    """The configured database, for a role that may change rows and no more."""
    change(
        "create role raxol_app login",
        "grant select, insert, update, delete on all tables in schema public to raxol_app",
        "grant usage, select on all sequences in schema public to raxol_app",
    )
    try:
        yield make_conninfo(migrated, user="raxol_app")
    finally:
        change("drop owned by raxol_app cascade", "drop role raxol_app")


def test_a_role_that_may_only_change_rows_is_told_nothing_bad_and_what_it_may_not_know(
    diagnosed: Diagnosed,
    ordinary: str,
    migrated: str,
    change: Change,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", ordinary)
    change("revoke select on _yoyo_migration from raxol_app")
    with session(migrated, "somebody"):
        code, found = diagnosed("--strict")
    assert (code, names(found)) == (0, [])
    skipped = {(one["group"], one["check"]) for one in found}
    expected = {("security", "passwords"), ("load", "other sessions"), ("migrations", "applied")}
    assert expected <= skipped


@pytest.mark.parametrize(
    ("right", "check", "words"),
    [
        ("alter table users owner to raxol_app", "role", "raxol_app owns 1 table"),
        ("grant create on schema public to raxol_app", "role", "can create in the schema public"),
        ("alter role raxol_app createrole", "role", "has createrole"),
        ("alter role raxol_app superuser", "role", "raxol_app is a superuser"),
        ("grant create on schema public to public", "public schema", "the schema public"),
        (
            "alter role raxol_app set password_encryption = 'md5'",
            "password encryption",
            "kept as MD5",
        ),
    ],
)
def test_a_right_too_many_is_warned_of(
    diagnosed: Diagnosed,
    ordinary: str,
    change: Change,
    monkeypatch: pytest.MonkeyPatch,
    right: str,
    check: str,
    words: str,
) -> None:
    monkeypatch.setenv("DATABASE_URL", ordinary)
    # What a superuser sees would show that the server is an embedded one, where it is excused.
    monkeypatch.setattr("raxol_sql.ops.diagnosis.subject.is_embedded", lambda data: False)
    change(right)
    code, found = diagnosed("--only", "security")
    assert code == 0
    assert ("WARN", check) in names(found)
    assert any(words in one["message"] for one in found)
    change("alter role raxol_app nosuperuser")


def test_without_a_server_the_way_there_is_told_and_it_ends_with_3(
    raxol_sql: RaxolSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app:pw-in-url@localhost:1/x")
    ran = raxol_sql("diagnose", "--format", "json", "--only", "load")
    assert ran.code == 3
    assert ("FAIL", "tcp") in names(json.loads(ran.out))
    assert "pw-in-url" not in ran.out + ran.err
    assert raxol_sql("diagnose").code == 3


@pytest.mark.usefixtures("migrated")
def test_groups_are_chosen_and_left_out_by_name(raxol_sql: RaxolSQL) -> None:
    def groups(*words: str) -> set[str]:
        return {
            one["group"]
            for one in json.loads(raxol_sql("diagnose", "--format", "json", *words).out)
        }

    everything = {
        *("network", "credentials", "service", "connections", "migrations"),
        *("schema", "load", "storage", "statements", "security"),
    }
    assert groups() == everything
    assert groups("--only", "load", "--only", "service") == {"load", "service"}
    assert groups("--skip", "load", "--skip", "schema") == everything - {"load", "schema"}
    assert groups("--only", "network") == {"network"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--only", "lod"), "load"),
        (("--limit", "long_runing_s=1"), "long_running_s"),
        (("--limit", "long_running_s=soon"), "'soon'"),
        (("--limit", "long_running_s"), "is a number"),
        (("--limit", "long_running_s=-1"), "0 or more"),
        (("--limit", "long_running_s=nan"), "0 or more"),
    ],
)
def test_a_name_or_number_that_is_none_is_a_mistake_of_use_with_a_hint(
    raxol_sql: RaxolSQL, words: tuple[str, ...], said: str
) -> None:
    ran = raxol_sql("diagnose", *words)
    assert (ran.code, said in ran.err) == (2, True)


def test_the_queries_that_are_shown_can_be_run_as_they_are(
    raxol_sql: RaxolSQL, change: Change
) -> None:
    # One of connections has a parameter, and those of statements need an extension.
    ran = raxol_sql("diagnose", "--show-sql", "--skip", "connections", "--skip", "statements")
    assert ran.out.count(";\n\n") > 20
    change(f"begin read only; {ran.out} commit")


def test_the_queries_can_be_seen_and_the_limits_listed_without_a_server(
    raxol_sql: RaxolSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost:1/x")
    ran = raxol_sql("diagnose", "--show-sql", "--only", "load")
    assert ran.code == 0
    assert "pg_blocking_pids" in ran.out
    assert "load.sql:" in ran.out
    assert "pg_authid" not in ran.out
    assert "pg_authid" in raxol_sql("diagnose", "--show-sql").out
    assert "application_name = $1" in raxol_sql("diagnose", "--show-sql").out
    ran = raxol_sql("diagnose", "--limits", "--limit", "long_running_s=7", "--format", "json")
    assert {"limit": "long_running_s", "value": "7"}.items() <= {
        key: value
        for one in json.loads(ran.out)
        if one["limit"] == "long_running_s"
        for key, value in one.items()
    }.items()

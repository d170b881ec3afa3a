"""Defects of tables, indexes, queries and migrations, made for real and mended again."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.cli.operations.diagnose.conftest import Change, Diagnosed, names

pytestmark = pytest.mark.usefixtures("project")


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


def test_the_tables_are_looked_at_even_if_the_queries_cannot_be_read(
    diagnosed: Diagnosed, change: Change, project: Path
) -> None:
    change("drop index user_preferences_user_id_index")
    (project / "raxol_sql.toml").write_text('[project]\nqueries = "own.sql"')
    (project / "own.sql").write_text("-- name: some :mony\nselect 1\n")
    code, found = diagnosed("--only", "schema")
    assert (code, names(found)) == (1, [("WARN", "foreign key index"), ("FAIL", "query")])
    assert any("unknown kind" in one["message"] for one in found)


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


STAMPS = "inserted_at timestamptz, updated_at timestamptz"


@pytest.mark.parametrize(
    ("defect", "check"),
    [
        (f"create table odd (id bigint, {STAMPS})", "primary key"),
        (f"create table odd (word text, {STAMPS})", "primary key"),
        (
            f"create table odd (id bigint, at int, user_id bigint references users, {STAMPS},"
            " primary key (id, at)) partition by range (at)",
            "foreign key index",
        ),
        (
            f"create table odd (id bigint, at int, {STAMPS}, primary key (id, at))"
            " partition by range (at);"
            "create index one on odd (at, id desc); create index two on odd (at, id desc)",
            "duplicate index",
        ),
        ("create sequence odd maxvalue 10; select setval('odd', 9)", "sequence"),
        ("create sequence odd as smallint; select setval('odd', 32000)", "sequence"),
        (
            "create sequence odd increment -1 minvalue -10 maxvalue -1; select setval('odd', -9)",
            "sequence",
        ),
    ],
)
def test_what_helps_can_be_pasted_and_helps(
    diagnosed: Diagnosed, change: Change, defect: str, check: str
) -> None:
    change(defect)
    _, found = diagnosed("--only", "schema")
    (told,) = [one for one in found if one["check"] == check]

    change(told["remedy"])

    _, left = diagnosed("--only", "schema")
    assert [one for one in left if one["check"] == check] == []

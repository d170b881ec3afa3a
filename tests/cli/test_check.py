"""`raxol-sql check`: every kind of finding, provoked and found."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from raxol_sql import schema

RaxolSQL = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture
def change(migrated: str) -> Callable[[str], None]:
    """Changes the configured database, which has the repository's tables."""

    def change(statement: str) -> None:
        with psycopg.connect(migrated, autocommit=True) as connection:
            connection.execute(statement)

    return change


def found(ran: Any) -> list[tuple[str, str, str]]:
    return [(one["level"], one["check"], one["subject"]) for one in json.loads(ran.out)]


def checked(raxol_sql: RaxolSQL, *words: str) -> tuple[int, list[tuple[str, str, str]]]:
    ran = raxol_sql("check", "--format", "json", *words)
    return ran.code, [one for one in found(ran) if one[0] != "NOTE"]


@pytest.mark.usefixtures("migrated")
def test_the_repository_s_own_queries_and_tables_give_no_failure_and_no_warning(
    raxol_sql: RaxolSQL,
) -> None:
    assert checked(raxol_sql, "--strict") == (0, [])
    ran = raxol_sql("check")
    assert ran.code == 0
    assert "queries fit the database" in ran.out


def test_a_renamed_column_fails_with_the_query_the_column_and_the_record(
    raxol_sql: RaxolSQL, change: Callable[[str], None]
) -> None:
    change("alter table users rename name to nm")
    ran = raxol_sql("check")
    assert ran.code == 1
    (line,) = [one for one in ran.out.splitlines() if " users.get " in one]
    assert "FAIL" in line
    assert 'column "name" does not exist (SQLSTATE 42703)' in line
    assert "gives User" in line
    assert "users.sql:" in line


def test_columns_that_do_not_fit_the_record_fail_without_a_row(
    raxol_sql: RaxolSQL, change: Callable[[str], None], project: Path
) -> None:
    change("select 1")
    (project / "own.sql").write_text(
        "-- name: some :many -> User\n-- Some.\nselect id from users;\n"
    )
    (project / "raxol_sql.toml").write_text(
        '[project]\nqueries = "own.sql"\nrecords = "raxol_sql.demo.accounts"'
    )
    code, findings = checked(raxol_sql)
    assert (code, findings) == (1, [("FAIL", "record", "own.some")])
    assert "fields of User without a column" in raxol_sql("check").out


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("alter table users add seen timestamp", ("type", "users.seen")),
        ("alter table users add extra json", ("type", "users.extra")),
        ("alter table users add code char(3)", ("type", "users.code")),
        ("alter table users add paid money", ("type", "users.paid")),
        ("alter table users add total_price double precision", ("type", "users.total_price")),
        ("drop index user_preferences_user_id_index", ("index", "user_preferences")),
        ("alter table users drop constraint users_age_positive", ("constraint", "User.age")),
        (
            "alter table user_preferences alter theme type text",
            ("constraint", "UserPreferences.theme"),
        ),
    ],
)
def test_what_good_practice_warns_of_is_found_and_strict_makes_it_fail(
    raxol_sql: RaxolSQL,
    change: Callable[[str], None],
    statement: str,
    finding: tuple[str, str],
) -> None:
    change(statement)
    code, findings = checked(raxol_sql)
    assert (code, findings) == (0, [("WARN", *finding)])
    assert raxol_sql("check", "--strict").code == 1


def test_a_table_without_timestamps_and_with_a_small_key_is_warned_of(
    raxol_sql: RaxolSQL, change: Callable[[str], None]
) -> None:
    change("create table notes (id serial primary key, body text)")
    assert checked(raxol_sql) == (
        0,
        [("WARN", "type", "notes.id"), ("WARN", "timestamps", "notes")],
    )


def test_a_parameter_in_quotes_and_a_query_without_a_word_are_told_unless_allowed(
    raxol_sql: RaxolSQL, change: Callable[[str], None], project: Path
) -> None:
    change("select 1")
    text = "-- name: a :many\n{}select id from users where name = ':name' or name = '%s';\n"
    (project / "raxol_sql.toml").write_text('[project]\nqueries = "own.sql"')
    (project / "own.sql").write_text(text.format(""))
    assert found(raxol_sql("check", "--format", "json")) == [
        ("WARN", "literal", "own.a"),
        ("WARN", "literal", "own.a"),
        ("NOTE", "undocumented", "own.a"),
    ]
    allowed = "-- @allow literal: a name may be that\n-- @allow undocumented: it is plain\n"
    (project / "own.sql").write_text(text.format(allowed))
    assert found(raxol_sql("check", "--format", "json")) == []


def test_every_statement_that_a_query_can_become_is_prepared(
    raxol_sql: RaxolSQL, change: Callable[[str], None], project: Path
) -> None:
    change("select 1")
    (project / "raxol_sql.toml").write_text('[project]\nqueries = "own.sql"')
    (project / "own.sql").write_text(
        "-- name: a :many\n-- Some.\n"
        "select id from users where true /*? x */ and nope = :x /*?*/;\n"
    )
    assert checked(raxol_sql) == (1, [("FAIL", "statement", "own.a")])


def test_what_is_allowed_with_a_reason_fails_no_more(
    raxol_sql: RaxolSQL, change: Callable[[str], None], project: Path
) -> None:
    change("select 1")
    (project / "raxol_sql.toml").write_text('[project]\nqueries = "own.sql"')
    query = "-- name: a :many\n{}-- Some.\nselect id from made_by_the_program;\n"
    (project / "own.sql").write_text(query.format(""))
    assert checked(raxol_sql) == (1, [("FAIL", "statement", "own.a")])
    (project / "own.sql").write_text(query.format("-- @allow statement: it is temporary\n"))
    assert checked(raxol_sql) == (0, [])


def test_every_code_of_a_finding_is_documented_and_no_other_one(repository: Path) -> None:
    text = (repository / "docs" / "checking.md").read_text()
    sources = Path(schema.__file__).parent.glob("*.py")
    codes = re.findall(r'Level\.[A-Z]+,\s+"([a-z]+)"', "".join(map(Path.read_text, sources)))
    assert set(codes) == set(re.findall(r"^\| `([a-z]+)` \|", text, re.MULTILINE))


def test_a_server_that_cannot_be_reached_is_no_finding(
    raxol_sql: RaxolSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost:1/x")
    ran = raxol_sql("check")
    assert (ran.code, "Could not connect" in ran.err) == (3, True)


@pytest.mark.usefixtures("migrated")
def test_a_query_in_letters_of_any_script_is_understood(
    raxol_sql: RaxolSQL, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "latin1")
    (project / "raxol_sql.toml").write_text('[project]\nqueries = "own.sql"')
    (project / "own.sql").write_text(
        "-- name: a :many\n-- Some.\nselect id as größe from users where name = 'ソ';\n"
    )
    assert checked(raxol_sql) == (0, [])

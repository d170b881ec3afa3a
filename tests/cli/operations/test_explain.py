"""`raxol-sql explain`: what it shows, what it runs, and what it keeps to itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

pytestmark = pytest.mark.usefixtures("project")

Run = Callable[..., Any]

OWN = """\
-- name: by_name :many
select id from users where name = :name and age > :age;

-- name: hidden :many
-- @sensitive name
select id from users where name = :name;

-- name: pin :many
-- @sensitive pin
select id from users where age = :pin::int;

-- name: next :one
select nextval('users_id_seq') as id;

-- name: purge :exec
truncate users cascade;

-- name: broken :many
select nothing from users;
"""


@pytest.fixture
def own(migrated: str, project: Path) -> str:
    """Queries of the test's own, on two thousand users."""
    (project / "own.sql").write_text(OWN)
    (project / "raxol_sql.toml").write_text('[project]\nqueries = "own.sql"')
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute(
            "insert into users (email, name, age) "
            "select n || '@b.c', 'name ' || n, 1 + n % 90 from generate_series(1, 2000) n"
        )
        connection.execute("analyze users")
    return migrated


def counted(database: str) -> tuple[Any, ...] | None:
    with psycopg.connect(database) as connection:
        return connection.execute("select count(*), max(id) from users").fetchone()


def test_the_plan_is_shown_with_what_is_to_be_seen_to_above_it(own: str, raxol_sql: Run) -> None:
    ran = raxol_sql("explain", "own.by_name", "name=x", "age=3", "--rows", "1000")

    assert ran.code == 0
    said, _, plan = ran.out.partition("\nSeq Scan on users")
    assert "planned only: nothing was run" in said
    assert "2,000 rows of users are to be read" in said
    assert "create index concurrently on users (name, age);" in said
    assert "Filter: ((users.age > 3) AND ((users.name)::text = 'x'::text))" in plan


def test_strict_makes_findings_end_it_with_1_and_nothing_else_does(
    own: str, raxol_sql: Run
) -> None:
    words = ("explain", "own.by_name", "name=x", "age=3", "--strict")

    assert raxol_sql(*words, "--rows", "1000").code == 1
    assert raxol_sql(*words).code == 0
    assert "no problems found" in raxol_sql(*words).out


def test_for_programs_there_is_one_document(own: str, raxol_sql: Run) -> None:
    words = ("explain", "own.by_name", "name=x", "age=3", "--rows", "1000", "--format", "json")
    told = json.loads(raxol_sql(*words).out)

    assert told["query"] == "own.by_name"
    assert [one["check"] for one in told["findings"]] == ["seq scan"]
    assert told["plan"]["Plan"]["Node Type"] == "Seq Scan"


@pytest.mark.usefixtures("migrated")
def test_a_query_that_writes_is_run_with_analyze_and_taken_back(
    migrated: str, raxol_sql: Run
) -> None:
    words = ("explain", "users.create", "email=a@b.c", "name=Ann", "--null", "age")
    planned = raxol_sql(*words)
    ran = raxol_sql(*words, "--analyze")

    assert (planned.code, ran.code) == (0, 0)
    assert "actual" not in planned.out
    assert "run in a transaction that was rolled back" in ran.out
    assert "Insert on users" in ran.out
    assert "(actual time=" in ran.out
    assert "Buffers: " in ran.out
    assert counted(migrated) == (0, None)


def test_what_a_query_without_analyze_would_take_of_a_sequence_is_not_taken(
    own: str, raxol_sql: Run
) -> None:
    assert raxol_sql("explain", "own.next").code == 0

    with psycopg.connect(own) as connection:
        assert connection.execute("select nextval('users_id_seq')").fetchone() == (2001,)


@pytest.mark.parametrize("words", [[], ["--analyze"], ["--generic"]])
@pytest.mark.parametrize("query", ["users.clear", "users.load"])
def test_what_has_no_plan_is_wrong_use_and_is_not_run(
    migrated: str, raxol_sql: Run, query: str, words: list[str]
) -> None:
    ran = raxol_sql("explain", query, *words)

    assert ran.code == 2
    assert f"{query} has no plan" in ran.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["own.by_name", "name=x"], "age is missing"),
        (["own.by_name", "name"], "NAME=VALUE"),
        (["own.by_nam"], "did you mean 'own.by_name'"),
        (["own"], "own is a namespace"),
        (["own.by_name", "--generic", "--analyze"], "leave out --generic"),
        (["own.by_name", "--generic", "size=3"], "size is not an argument"),
        (["own.by_name", "--generic", "--rows", "-1"], "--rows"),
    ],
)
def test_wrong_use_is_said_and_ends_with_2(
    own: str, raxol_sql: Run, words: list[str], says: str
) -> None:
    ran = raxol_sql("explain", *words)

    assert ran.code == 2
    assert says in ran.err


def test_a_plan_for_any_arguments_needs_none(own: str, raxol_sql: Run) -> None:
    ran = raxol_sql("explain", "own.by_name", "--generic", "--rows", "1000")

    assert ran.code == 0
    assert "planned for any arguments" in ran.out
    assert "Filter: ((users.age > $2) AND ((users.name)::text = $1))" in ran.out
    assert "create index concurrently on users (name, age);" in ran.out


@pytest.mark.usefixtures("migrated")
def test_a_plan_for_any_arguments_is_of_the_variant_that_names_choose(raxol_sql: Run) -> None:
    plain = raxol_sql("explain", "users.search", "--generic")
    chosen = raxol_sql("explain", "users.search", "min_age=", "only_active=true", "--generic")

    assert "Filter" not in plain.out
    assert "Filter: (users.active AND (users.age >= $1))" in chosen.out


@pytest.mark.parametrize("words", [[], ["--analyze"], ["--generic"], ["--format", "json"]])
def test_a_sensitive_argument_is_shown_nowhere(own: str, raxol_sql: Run, words: list[str]) -> None:
    ran = raxol_sql("explain", "own.hidden", "name=hush", *words)

    assert ran.code == 0
    assert "Seq Scan" in ran.out
    assert "hush" not in ran.out + ran.err


def test_a_sensitive_argument_that_the_server_complains_of_is_shown_nowhere(
    own: str, raxol_sql: Run
) -> None:
    ran = raxol_sql("explain", "own.pin", "pin=hush", "--analyze")

    assert ran.code == 4
    assert "hush" not in ran.out + ran.err
    assert "22P02" in ran.err


def test_a_statement_that_fails_ends_with_4_and_names_the_query(own: str, raxol_sql: Run) -> None:
    for words in ([], ["--analyze"], ["--generic"]):
        ran = raxol_sql("explain", "own.broken", *words)
        assert ran.code == 4
        assert "SQLSTATE 42703" in ran.err
        assert "own.broken" in ran.err


@pytest.mark.usefixtures("migrated")
def test_the_query_of_a_copy_out_has_a_plan(raxol_sql: Run) -> None:
    ran = raxol_sql("explain", "users.dump")

    assert ran.code == 0
    assert "on users" in ran.out

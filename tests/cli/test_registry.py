"""`list`, `show` and `run`: the registry from a shell, and what they keep to themselves."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

pytestmark = pytest.mark.usefixtures("project")

Run = Callable[..., Any]


def test_list_shows_every_query_with_how_it_is_called(raxol_sql: Run) -> None:
    listed = json.loads(raxol_sql("list", "--format", "json").out)

    found = {entry["query"]: entry for entry in listed}
    assert found["users.search"]["arguments"] == (
        "limit, [name], [min_age], [ids], [only_active], [sort: newest | name]"
    )
    assert found["users.get"]["result"] == "User"
    assert "users.search" in raxol_sql("list").out


def test_show_prints_the_text_that_is_sent(raxol_sql: Run) -> None:
    assert "where id = $1\n-- $1 = id" in raxol_sql("show", "users.get").out


def test_show_all_prints_every_statement_once(raxol_sql: Run) -> None:
    shown = raxol_sql("show", "users.search", "--all").out
    described = json.loads(raxol_sql("show", "users.search", "--format", "json").out)

    assert shown.count("-- $1 = ") == len(described["statements"]) == 48


def test_run_gives_records_as_json(migrated: str, raxol_sql: Run) -> None:
    created = raxol_sql(
        *("run", "users.create", "email=a@b.c", "name=Ann", "--null", "age", "--write"),
        *("--format", "json"),
    )
    found = raxol_sql("run", "users.get", "id=1", "--format", "json")

    assert json.loads(found.out) == json.loads(created.out)
    assert json.loads(found.out)[0]["age"] is None


def test_run_refuses_to_write_unless_told(migrated: str, raxol_sql: Run) -> None:
    refused = raxol_sql("run", "users.create", "email=a@b.c", "name=Ann", "age=3")

    assert refused.code == 2
    assert "give --write" in refused.err
    assert raxol_sql("run", "users.count", "--format", "json").out.split() == (
        ["[", "{", '"value":', "0", "}", "]"]
    )


@pytest.mark.parametrize(
    "query",
    [
        ":exec\nselect set_config('work_mem', '1MB', false)",
        ":exec\ncreate table made (id int)",
        ":exec\nvacuum users",
        ":affected\nupdate users set active = true",
        ":many\nwith gone as (delete from users returning id) select id from gone",
        ":copy\ncopy users (email, name) from stdin",
        ":one\nselect nextval('users_id_seq') as id",
        ":many\nselect make_one()",
        ":copy\ncopy (insert into users (email, name) values ('c', 'C') returning id) to stdout",
    ],
)
def test_run_refuses_whatever_writes_in_any_way_and_nothing_has_happened(
    query: str, migrated: str, project: Path, raxol_sql: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a@b.c\tAnn\n")))
    (project / "own.sql").write_text(f"-- name: own {query}")
    (project / "raxol_sql.toml").write_text('[project]\nqueries = "own.sql"')
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute(
            "create function make_one() returns int begin atomic "
            "insert into users (email, name) values ('d@b.c', 'D') returning 1; end"
        )
        refused = raxol_sql("run", "own.own")
        done = connection.execute(
            "select count(*), to_regclass('made')::text, nextval('users_id_seq') from users"
        ).fetchone()

    assert refused.code == 2
    assert "own.own changes data: give --write" in refused.err
    assert done == (0, None, 1)


def test_run_refuses_what_its_kind_says_before_a_server_is_asked(
    raxol_sql: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost:1/x")

    assert raxol_sql("run", "users.clear").code == 2
    assert raxol_sql("run", "users.count").code == 3


def test_run_takes_arrays_switches_and_choices_as_text(migrated: str, raxol_sql: Run) -> None:
    for name in ("Ann", "Bob", "Cy"):
        raxol_sql("run", "users.create", f"email={name}@b.c", f"name={name}", "age=3", "--write")

    found = raxol_sql(
        *("run", "users.search", "ids={1,3}", "only_active=true", "sort=newest", "limit=9"),
        *("--format", "json"),
    )

    assert [user["name"] for user in json.loads(found.out)] == ["Cy", "Ann"]


def test_run_copies_in_from_stdin_and_out_to_stdout(
    migrated: str, raxol_sql: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a@b.c\tAnn\t\\N\n")))
    loaded = raxol_sql("run", "users.load", "--write")
    dumped = raxol_sql("run", "users.dump")

    assert loaded.code == 0
    assert "1 rows" in loaded.err
    assert dumped.out == "id,email,name\n1,a@b.c,Ann\n"


@pytest.mark.parametrize(
    "query",
    [
        ":one\n-- @sensitive token\nselect 'hush' as token, 1 as id",
        ":many\n-- @sensitive _token\nselect 'hush' as _token, 1 as id",
        ":one -> scalar\n-- @sensitive token\nselect 'hush' as token",
        """:one\n-- @sensitive a.token\nselect 'hush' as "a.token", 1 as "a.id", 2 as id""",
        """:one\n-- @sensitive a\nselect 'hush' as "a.token", 1 as "a.id", 2 as id""",
        ":copy\n-- @sensitive token\ncopy (select 'hush' as token) to stdout",
    ],
)
@pytest.mark.parametrize("form", ["table", "json"])
def test_run_masks_what_a_query_calls_sensitive(
    query: str, form: str, migrated: str, project: Path, raxol_sql: Run
) -> None:
    (project / "secret.sql").write_text(f"-- name: token {query}")
    (project / "raxol_sql.toml").write_text('[project]\nqueries = "secret.sql"')

    masked = raxol_sql("run", "secret.token", "--format", form)
    shown = raxol_sql("run", "secret.token", "--show-sensitive")

    assert "hush" not in masked.out + masked.err
    assert "hush" in shown.out


def test_an_error_of_a_sensitive_query_does_not_quote_a_value(
    migrated: str, project: Path, raxol_sql: Run
) -> None:
    (project / "secret.sql").write_text("-- name: pin :one\n-- @sensitive pin\nselect :pin::int")
    (project / "raxol_sql.toml").write_text('[project]\nqueries = "secret.sql"')

    withheld = raxol_sql("run", "secret.pin", "pin=hush")
    told = raxol_sql("run", "secret.pin", "pin=hush", "--show-sensitive")

    assert (withheld.code, told.code) == (4, 4)
    assert "hush" not in withheld.out + withheld.err
    assert "InvalidTextRepresentation (SQLSTATE 22P02)" in withheld.err
    assert "hush" in told.err


def test_what_would_command_a_terminal_is_written_out(
    migrated: str, project: Path, raxol_sql: Run
) -> None:
    (project / "odd.sql").write_text("-- name: odd :one\n-- \x1b[2J\nselect e'\\x1b[2J' as x")
    (project / "raxol_sql.toml").write_text('[project]\nqueries = "odd.sql"')

    for words in (("show", "odd.odd"), ("run", "odd.odd"), ("list",)):
        ran = raxol_sql(*words)
        assert "\x1b" not in ran.out
    assert "\\x1b[2J" in raxol_sql("run", "odd.odd").out


def test_a_namespace_is_no_query(raxol_sql: Run) -> None:
    ran = raxol_sql("show", "reports")

    assert ran.code == 2
    assert "account.overview" in ran.err


def test_an_error_does_not_quote_the_row(migrated: str, raxol_sql: Run) -> None:
    words = ("run", "users.create", "email=a@b.c", "name=Ann", "age=3", "--write")
    raxol_sql(*words)

    ran = raxol_sql(*words)

    assert ran.code == 4
    assert "SQLSTATE 23505" in ran.err
    assert "a@b.c" not in ran.out + ran.err


def test_run_with_write_runs_what_no_transaction_can_hold(
    migrated: str, project: Path, raxol_sql: Run
) -> None:
    (project / "care.sql").write_text("-- name: vacuum :exec\nvacuum users")
    (project / "raxol_sql.toml").write_text(
        '[project]\nqueries = "care.sql"\n[common]\npool_min_size = 3'
    )

    assert raxol_sql("run", "care.vacuum", "--write").code == 0


def test_a_statement_that_fails_exits_with_4_and_names_the_query(
    migrated: str, raxol_sql: Run
) -> None:
    ran = raxol_sql("run", "users.get", "id=one")

    assert ran.code == 4
    assert ran.err.splitlines()[-1].startswith("error: invalid input syntax")
    assert "SQLSTATE 22P02" in ran.err
    assert "in query users.get" in ran.err

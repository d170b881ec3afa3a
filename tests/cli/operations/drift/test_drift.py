"""`raxol-sql drift`: what it finds, tells and asks for."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.operations.drift.conftest import Do, Run, write

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

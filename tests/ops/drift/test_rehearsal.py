"""Migrations, rehearsed there and back and there again."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from raxol_sql.ops.drift.rehearsal import rehearse
from raxol_sql.ops.finding import Finding, Status
from tests.ops.drift.conftest import Schema, Write, do, scratches


def wrong(findings: tuple[Finding, ...]) -> list[tuple[str, str, str]]:
    return [(one.group, one.check, one.message) for one in findings if one.status is not Status.OK]


def test_the_repositorys_own_migrations_lead_there_and_back_and_there(
    database: str, repository: Path, schema: Schema
) -> None:
    before = schema(database)

    (finding,) = rehearse(database, repository / "migrations")

    assert finding.status is Status.OK
    assert finding.message == "5 migrations applied, 5 rolled back and applied again"
    assert schema(database) == before
    assert scratches(database) == 0


def test_a_rollback_that_forgets_something_is_named_once_with_what_it_forgets(
    database: str, folder: Path, write: Write
) -> None:
    write("0001-one", "create table one (a int);", "drop table one;")
    write("0002-two", "create table two (a int);", "drop table two;")
    write(
        "0003-more",
        "alter table one add b int; create index one_a on one (a); create type mood as enum ('x');",
        "alter table one drop b;",
    )
    write("0004-four", "create table four (a int);", "drop table four;")

    findings = rehearse(database, folder)

    assert wrong(findings)[:2] == [
        ("0003-more", "rollback", "leaves the enum public.mood"),
        ("0003-more", "rollback", "leaves the index public.one_a"),
    ]
    assert findings[0].remedy.endswith("0003-more.rollback.sql:\ndrop type if exists public.mood;")
    # What was left is in the way when it comes again, and nothing else is told.
    assert [one[:2] for one in wrong(findings)[2:]] == [("0003-more", "apply again")]
    assert findings[1].remedy.endswith("drop index if exists public.one_a;")


def test_a_rollback_that_takes_too_much_or_leaves_another_is_named(
    database: str, folder: Path, write: Write
) -> None:
    write("0001-one", "create table one (a int default 1);\ncreate index i on one (a);",
          "drop table one;")  # fmt: skip
    write("0002-two", "alter table one alter a set default 2;",
          "drop index i; alter table one alter a drop default;")  # fmt: skip

    findings = rehearse(database, folder)

    assert wrong(findings) == [
        ("0002-two", "rollback", "leaves the column public.one.a as another"),
        ("0002-two", "rollback", "takes away the index public.i, which was there before"),
    ]
    assert "set default 1;" in findings[0].remedy
    assert "CREATE INDEX IF NOT EXISTS i ON public.one" in findings[1].remedy


def test_a_rollback_that_no_statement_completes_is_left_to_the_reader(
    database: str, folder: Path, write: Write
) -> None:
    write("0001-mood", "create type mood as enum ('sad');", "drop type mood;")
    write("0002-more", "alter type mood add value 'ok';", "select 1;")

    findings = rehearse(database, folder)

    assert wrong(findings) == [("0002-more", "rollback", "leaves the enum public.mood as another")]
    assert findings[0].remedy.endswith("0002-more.rollback.sql: no statement alters it in place")


def test_a_rollback_that_fails_is_named_and_ends_the_way_back(
    database: str, folder: Path, write: Write
) -> None:
    write("0001-one", "create table one (a int);", "drop table one;")
    write("0002-two", "create table two (a int);", "drop table too;")
    write("0003-three", "create table three (a int);", "drop table three;")

    findings = rehearse(database, folder)

    ((group, check, message),) = wrong(findings)
    assert (group, check) == ("0002-two", "rollback")
    assert "0002-two.rollback.sql:1:" in message
    assert "42P01)" in message
    assert findings[-1].message == "3 migrations applied, 1 rolled back and applied again"


def test_an_irreversible_migration_is_told_and_ends_the_way_back(
    database: str, folder: Path, write: Write
) -> None:
    write("0001-one", "create table one (a int);", "drop table one;")
    write("0002-two", "create table two (a int);")
    write("0003-three", "create table three (a int);", "drop table three;")

    findings = rehearse(database, folder)

    assert [one.status for one in findings] == [Status.WARN, Status.OK]
    assert wrong(findings) == [
        (
            "0002-two",
            "rollback",
            "irreversible: it was not rolled back, nor was the one before it",
        )
    ]
    assert findings[-1].message == "3 migrations applied, 1 rolled back and applied again"


def test_a_migration_that_makes_something_else_the_second_time_is_named(
    database: str, folder: Path, write: Write
) -> None:
    write("0001-count", "create sequence runs;")
    write(
        "0002-odd",
        "do $$ begin if nextval('runs') = 1 then create table odd (a int);\n"
        "else create table even (a int); end if; end $$;",
        "drop table if exists odd; drop table if exists even;",
    )

    findings = rehearse(database, folder)

    assert wrong(findings)[1:] == [
        (
            *("0002-odd", "apply again"),
            "applied again, it makes the table public.even, which it did not make before",
        ),
        (
            *("0002-odd", "apply again"),
            "applied again, it does not make the table public.odd",
        ),
    ]


def test_a_migration_that_cannot_be_applied_is_named_and_nothing_else(
    database: str, folder: Path, write: Write
) -> None:
    write("0001-one", "create table one (a int);", "drop table one;")
    write("0002-i", "create index concurrently i on one (a);", "drop index i;")

    ((group, check, message),) = wrong(rehearse(database, folder))

    assert (group, check) == ("0002-i", "apply")
    assert "25001)" in message
    assert scratches(database) == 0


def test_a_role_that_may_not_create_a_database_is_told_what_helps(database: str) -> None:
    do(database, "create role raxol_humble login")
    try:
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            rehearse(
                psycopg.conninfo.make_conninfo(database, user="raxol_humble"),
                Path(__file__).parents[3] / "migrations",
            )
    finally:
        do(database, "drop role raxol_humble")

    assert 'alter role "raxol_humble" createdb' in caught.value.__notes__[0]

"""Migrations that reach beyond their database are not run beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from raxol_sql.migrations import Migrations
from raxol_sql.migrations.folder import read_folder
from raxol_sql.ops.drift.drift import find_drift
from raxol_sql.ops.drift.rehearsal import rehearse
from raxol_sql.ops.drift.scratch import is_server_wide
from raxol_sql.ops.finding import Status
from tests.ops.drift.conftest import Write, do


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("create role app_reader", True),
        ("ALTER\n  ROLE app SET search_path = x", True),
        ("drop user if exists app", True),
        ("create user mapping for app server far", False),
        ("grant app_reader to ann", True),
        ("revoke app_reader from ann", True),
        ("grant select on users to app_reader", False),
        ("revoke all on all tables in schema public from app_reader", False),
        ("grant connect on database shop to app_reader", True),
        ("alter database shop set timezone = 'UTC'", True),
        ("alter system set work_mem = '1GB'", True),
        ("reassign owned by ann to bob", True),
        ("create tablespace fast location '/x'", True),
        ("create subscription s connection 'x' publication p", True),
        (
            "alter default privileges for role app in schema public grant select on tables to a",
            False,
        ),
        ("do $$ begin create role app; end $$", True),
        ("do $$ begin\n -- as needed\n if true then\n create role app; end if; end $$", True),
        ("do $$ begin execute format('create role %I', 'app'); end $$", True),
        ('create table roles (role text, "user" text)', False),
        ("create index on grants (role)", False),
        ("insert into notes values ('who may create role x')", False),
        ("create table a (); -- create role x", False),
    ],
)
def test_what_reaches_beyond_the_database_is_told_by_its_words(
    folder: Path, write: Write, statement: str, expected: bool
) -> None:
    write("0001-up", f"{statement};")
    write("0002-down", "create table a ();", f"{statement};")

    assert [is_server_wide(file) for file in read_folder(folder)] == [expected, expected]


def test_of_the_repositorys_migrations_only_the_example_of_roles_reaches_beyond_the_database(
    repository: Path, folder: Path
) -> None:
    shutil.copytree(repository / "migrations", folder, dirs_exist_ok=True)
    shutil.copytree(repository / "docs" / "examples" / "roles", folder, dirs_exist_ok=True)

    wide = [file.id for file in read_folder(folder) if is_server_wide(file)]

    assert wide == ["0006-least-privilege-roles"]


def test_what_changes_the_whole_server_is_left_out_unless_it_is_asked_for(
    database: str, folder: Path, write: Write
) -> None:
    write("0001-role", "create role raxol_rehearsed;", "drop role raxol_rehearsed;")
    write("0002-one", "create table one (a int);", "drop table one;")
    there = "select count(*) from pg_roles where rolname = 'raxol_rehearsed'"

    careful = rehearse(database, folder)
    left = do(database, there)
    all_of_it = rehearse(database, folder, server_wide=True)
    Migrations(database, folder).apply()
    compared = find_drift(database, folder)
    Migrations(database, folder).rollback(None)

    assert [(one.group, one.status) for one in careful] == [
        ("0001-role", Status.WARN),
        ("migrations", Status.OK),
    ]
    assert left == [(0,)]
    assert [one.status for one in all_of_it] == [Status.OK]
    assert "2 migrations applied, 2 rolled back" in all_of_it[0].message
    assert (compared.applied, compared.left_out) == (("0002-one",), ("0001-role",))
    assert compared.differences == ()

"""A live database, compared with what its migrations make of a scratch one."""

from __future__ import annotations

from pathlib import Path

import pytest

import raxol_sql as rx
from raxol_sql.errors import MigrationMissingError
from raxol_sql.migrations import Migrations
from raxol_sql.ops.drift.comparing import Sort
from raxol_sql.ops.drift.drift import find_drift
from tests.ops.drift.conftest import Write, do, scratches


def test_the_repositorys_own_migrations_give_no_drift(
    accounts_database: str, repository: Path
) -> None:
    found = find_drift(accounts_database, repository / "migrations")

    assert found.differences == ()
    assert len(found.applied) == 5
    assert (found.pending, found.left_out, found.edited, found.interrupted) == ((), (), (), ())
    assert scratches(accounts_database) == 0


def test_pending_migrations_are_told_and_are_no_drift(
    database: str, folder: Path, write: Write
) -> None:
    write("0001-one", "create table one ();")
    write("0002-two", "create table two ();")
    write("0003-three", "-- transactional: false\ncreate table three ();\nselect 1/0;", "select 1;")
    Migrations(database, folder).apply(to="0001")
    with pytest.raises(rx.errors.MigrationFailedError):
        Migrations(database, folder).apply()

    found = find_drift(database, folder)

    assert (found.applied, found.pending) == (("0001-one", "0002-two"), ("0003-three",))
    assert found.interrupted == ("0003-three",)
    assert [one.item.name for one in found.differences] == ["public.three"]


def test_one_that_came_late_and_is_pending_is_passed_over(
    database: str, folder: Path, write: Write
) -> None:
    write("0001-one", "create table one ();")
    write("0003-three", "create table three ();")
    Migrations(database, folder).apply()
    write("0002-two", "create table two ();")

    found = find_drift(database, folder)

    assert (found.applied, found.pending) == (("0001-one", "0003-three"), ("0002-two",))
    assert found.differences == ()


def test_an_edited_migration_is_compared_as_it_is_now(
    database: str, folder: Path, write: Write
) -> None:
    write("0001-one", "create table one (a int);")
    Migrations(database, folder).apply()
    write("0001-one", "create table one (a bigint);")

    found = find_drift(database, folder)
    (difference,) = found.differences

    assert found.edited == ("0001-one",)
    assert (difference.sort, difference.item.name) == (Sort.CHANGED, "public.one.a")


def test_without_the_file_of_what_is_applied_nothing_is_compared(
    database: str, folder: Path, write: Write
) -> None:
    write("0001-one", "create table one (a int);")
    write("0002-two", "create table two (a int);")
    Migrations(database, folder).apply()
    (folder / "0001-one.sql").unlink()

    with pytest.raises(MigrationMissingError, match="0001-one"):
        find_drift(database, folder)


def test_a_migration_that_fails_leaves_no_scratch_database(
    database: str, folder: Path, write: Write
) -> None:
    write("0001-one", "create table one (a int);")
    Migrations(database, folder).apply()
    write("0001-one", "create table one (a int);\ncreate table one (a int);")

    with pytest.raises(rx.errors.MigrationFailedError, match=r"0001-one\.sql:2: .*42P07"):
        find_drift(database, folder)
    assert scratches(database) == 0


def test_what_the_live_database_sets_for_its_sessions_holds_for_the_scratch_database(
    database: str, folder: Path, write: Write
) -> None:
    (name,) = do(database, 'create schema "my app"', "select current_database()")[0]
    do(
        database,
        f'alter database {name} set search_path = "my app", public',
        f"alter database {name} set timezone = 'Asia/Tokyo'",
        f"alter database {name} set datestyle = 'SQL, DMY'",
    )
    write("0001-one", "create table one (at timestamptz default '01/02/2020 12:00');")
    Migrations(database, folder).apply()

    found = find_drift(database, folder)

    (place,) = do(
        database, "select relnamespace::regnamespace::text from pg_class where relname = 'one'"
    )
    assert place == ('"my app"',)
    assert found.differences == ()


def test_tables_of_others_can_be_ignored(database: str, folder: Path, write: Write) -> None:
    write("0001-one", "create table one (a int);")
    Migrations(database, folder).apply()
    do(database, "create schema jobs", "create table jobs.queue (id serial primary key)",
       "create index on jobs.queue (id)", "create table mine ()")  # fmt: skip

    every = find_drift(database, folder)
    some = find_drift(database, folder, ignored=["jobs*"])

    assert len(every.differences) == 3
    assert [one.item.name for one in some.differences] == ["public.mine"]

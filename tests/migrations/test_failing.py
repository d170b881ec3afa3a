"""A migration that fails or cannot be marked leaves nothing, and says what to do."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import attrs
import psycopg
import pytest

from raxol_sql.errors import MigrationError, MigrationFailedError
from raxol_sql.migrations import server_lost
from raxol_sql.migrations.applying import apply_one
from raxol_sql.migrations.folder import Statement, read_folder
from raxol_sql.migrations.session import open_session

if TYPE_CHECKING:
    from tests.migrations.conftest import Project


def test_broken_sql_undoes_its_own_file_and_keeps_the_earlier_ones(project: Project) -> None:
    project.write("0001-a", "create table a ();")
    project.write("0002-b", "create table b (i int);\n\ninsert into b\nvalues (1), (nosuch);\n")
    project.write("0003-c", "create table c ();")

    with pytest.raises(MigrationFailedError) as caught:
        project.migrations().apply()

    assert str(caught.value) == (
        f'{project.folder}/0002-b.sql:4: column "nosuch" does not exist (SQLSTATE 42703)'
    )
    assert caught.value.__notes__ == [
        "statement 2 of 2: insert into b",
        "this migration was rolled back; earlier ones remain applied",
    ]
    assert isinstance(caught.value.__cause__, psycopg.errors.UndefinedColumn)
    assert not server_lost(caught.value)
    assert project.tables() == {"a"}
    project.write("0002-b", "create table b (i int);")
    assert [run.id for run in project.migrations().apply()] == ["0002-b", "0003-c"]


def test_a_constraint_that_fails_at_the_commit_undoes_the_file(project: Project) -> None:
    project.write(
        "0001-a",
        "create table a (i int references a (j) initially deferred, j int primary key);\n"
        "insert into a values (1, 2);",
    )

    with pytest.raises(MigrationFailedError, match=r"0001-a\.sql: .*\(SQLSTATE 23503\)") as caught:
        project.migrations().apply()

    assert caught.value.__notes__[0].startswith("every statement ran")
    assert project.tables() == set()
    assert project.states() == {"0001": "pending"}


def test_a_migration_whose_record_cannot_be_written_is_undone(project: Project) -> None:
    project.write("0001-a", "create table a (); drop table _raxol_migration;")

    with pytest.raises(MigrationFailedError, match=r"0001-a\.sql: .*_raxol_migration.*42P01"):
        project.migrations().apply()

    assert project.tables() == set()
    assert project.states() == {"0001": "pending"}


def test_a_commit_in_a_transactional_migration_is_refused_before_anything_runs(
    project: Project,
) -> None:
    # sqlparse, which splits files for bare yoyo, takes this for one statement.
    project.write("0001-a", "create table a (begin int); commit;")

    with pytest.raises(MigrationError, match=r"0001-a\.sql:1: `commit`"):
        project.migrations().apply()

    assert project.tables() == set()


def test_a_transaction_that_ends_inside_a_statement_is_an_error_and_not_a_success(
    project: Project,
) -> None:
    project.write("0001-a", "select 1;")
    (file,) = read_folder(project.folder)
    two_in_one = Statement("create table a (); commit;", 1)

    with (
        closing(open_session(project.database, 5)) as session,
        pytest.raises(MigrationFailedError, match="ended the transaction it runs in"),
    ):
        apply_one(session, attrs.evolve(file, statements=(two_in_one,)))

    assert project.tables() == {"a"}
    assert project.states() == {"0001": "pending"}


def test_an_empty_migration_is_not_marked_as_applied(project: Project) -> None:
    project.folder.mkdir()
    project.migrations().new("to be written")

    with pytest.raises(MigrationError, match="holds no statement"):
        project.migrations().apply()

    assert project.states() == {"0001": "pending"}


def test_a_migration_gives_up_behind_traffic_after_lock_timeout(project: Project) -> None:
    project.query("create table busy ()")
    project.write("0001-a", "alter table busy add column i int;")
    with psycopg.connect(project.database) as traffic:
        traffic.execute("select * from busy")

        with pytest.raises(MigrationFailedError, match="55P03") as caught:
            project.migrations(lock_timeout=0.1).apply()

    assert "lock_timeout" in caught.value.__notes__[-1]
    assert not server_lost(caught.value)
    assert len(project.migrations().apply()) == 1


def test_a_table_that_exists_already_suggests_the_missing_mark(project: Project) -> None:
    project.query("create table a ()")
    project.write("0001-a", "create table a ();")

    with pytest.raises(MigrationFailedError, match="42P07") as caught:
        project.migrations().apply()

    assert "`yoyo mark --revision 0001-a`" in caught.value.__notes__[-1]


def test_concurrently_inside_a_transaction_says_what_to_write(project: Project) -> None:
    project.write("0001-a", "create table a (i int); create index concurrently on a (i);")

    with pytest.raises(MigrationFailedError, match="25001") as caught:
        project.migrations().apply()

    assert "`-- transactional: false`" in caught.value.__notes__[-1]

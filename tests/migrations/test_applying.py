"""Applying and showing migrations, on a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from raxol_sql.errors import MigrationChangedError

if TYPE_CHECKING:
    from tests.migrations.conftest import Project


def test_everything_pending_is_applied_in_order_and_reported(project: Project) -> None:
    project.write("0001-a", "create table a ();")
    project.write("0002-b", "create table b ();")
    reported: list[tuple[str, float]] = []

    runs = project.migrations().apply(on_applied=lambda *run: reported.append(run))

    assert [run.id for run in runs] == ["0001-a", "0002-b"]
    assert reported == [(run.id, run.seconds) for run in runs]
    assert all(0 < run.seconds < 10 for run in runs)
    assert project.tables() == {"a", "b"}
    assert project.migrations().apply() == ()


def test_applying_can_stop_at_a_migration(project: Project) -> None:
    for number in (1, 2, 3):
        project.write(f"000{number}-m", f"create table m{number} ();")

    project.migrations().apply(to="0002")

    assert project.states() == {"0001": "applied", "0002": "applied", "0003": "pending"}


def test_status_writes_nothing_on_an_untouched_database(project: Project) -> None:
    project.write("0001-a", "create table a ();", "drop table a;")

    (shown,) = project.migrations().status().migrations

    assert (shown.state, shown.applied_at, shown.reversible) == ("pending", None, True)
    assert project.query("select 1 from pg_class where relname ~ '^_?(yoyo|raxol)'") == []


def test_what_a_migration_sets_for_its_session_reaches_neither_its_mark_nor_the_next(
    project: Project,
) -> None:
    project.query("create schema elsewhere")
    project.query("create role nobody_special")
    try:
        project.write(
            "0001-a", "set search_path to elsewhere; create table a (); set role nobody_special;"
        )
        project.write("0002-b", "create table b ();")

        project.migrations().apply()
    finally:
        project.query("drop role nobody_special")

    assert project.states() == {"0001": "applied", "0002": "applied"}
    assert project.tables() == {"b"}


def test_rows_of_a_query_in_a_migration_are_not_printed(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write("0001-a", "select 'a row, 100%' as shown;")

    project.migrations().apply()

    assert capsys.readouterr() == ("", "")


def test_a_statement_timeout_of_the_database_does_not_stop_a_long_migration(
    project: Project,
) -> None:
    ((name,),) = project.query("select current_database()")
    project.query(f"alter database {name} set statement_timeout = '100ms'")
    project.write("0001-a", "select pg_sleep(0.3);")

    assert len(project.migrations().apply()) == 1


def test_an_edited_migration_is_shown_refused_and_can_be_accepted(project: Project) -> None:
    project.write("0001-a", "create table a ();")
    project.migrations().apply()
    project.write("0001-a", "create table a (i int);")
    project.write("0002-b", "create table b ();")

    with pytest.raises(MigrationChangedError, match=r"0001-a\.sql"):
        project.migrations().apply()

    assert project.states() == {"0001": "applied, edited since", "0002": "pending"}
    project.migrations().apply(accept_changed=True)
    assert project.states() == {"0001": "applied", "0002": "applied"}

"""Rolling migrations back: the last ones, wholly, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from raxol_sql.errors import IrreversibleError, MigrationFailedError, MigrationMissingError

if TYPE_CHECKING:
    from tests.migrations.conftest import Project


def test_an_applied_migration_without_a_file_is_shown_and_not_rolled_back(project: Project) -> None:
    project.write("0001-a", "create table a ();", "drop table a;")
    gone = project.write("0002-b", "create table b ();", "drop table b;")
    project.migrations().apply()
    gone.unlink()
    gone.with_name("0002-b.rollback.sql").unlink()

    assert project.states() == {"0001": "applied", "0002": "applied, file missing"}
    with pytest.raises(MigrationMissingError, match="0002-b"):
        project.migrations().apply()
    with pytest.raises(MigrationMissingError, match="0002-b"):
        project.migrations().rollback()
    assert project.tables() == {"a", "b"}


def test_a_rollback_undoes_the_last_one_and_is_reported(project: Project) -> None:
    project.write("0001-a", "create table a ();", "drop table a;")
    project.write("0002-b", "create table b ();", "drop table b;")
    project.migrations().apply()
    reported: list[str] = []

    (run,) = project.migrations().rollback(on_rolled_back=lambda name, _: reported.append(name))

    assert [run.id] == reported == ["0002-b"]
    assert project.tables() == {"a"}
    assert project.states() == {"0001": "applied", "0002": "pending"}
    assert project.query("select id from _raxol_migration") == [("0001-a",)]
    assert project.query("select operation from _yoyo_log order by created_at_utc") == [
        ("apply",),
        ("apply",),
        ("rollback",),
    ]
    assert [one.id for one in project.migrations().rollback(None)] == ["0001-a"]
    assert project.migrations().rollback() == ()


def test_an_irreversible_migration_is_refused_before_anything_is_touched(project: Project) -> None:
    project.write("0001-a", "create table a ();")
    project.write("0002-b", "create table b ();", "drop table b;")
    project.migrations().apply()

    with pytest.raises(IrreversibleError, match=r"0001-a\.rollback\.sql does not exist"):
        project.migrations().rollback(2)

    assert project.tables() == {"a", "b"}
    assert project.states() == {"0001": "applied", "0002": "applied"}


def test_a_rollback_that_fails_changes_nothing(project: Project) -> None:
    project.write("0001-a", "create table a ();", "drop table a;\ndrop table nosuch;")
    project.migrations().apply()

    with pytest.raises(MigrationFailedError, match=r"0001-a\.rollback\.sql:2: .*42P01"):
        project.migrations().rollback()

    assert project.tables() == {"a"}
    assert project.states() == {"0001": "applied"}

"""Files that were renamed, lost or reworded after they had been applied."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from raxol_sql.errors import MigrationChangedError, MigrationMissingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.migrations.conftest import Project

    Finish = Callable[..., str]


@pytest.fixture
def counted(project: Project) -> Project:
    """Two migrations are applied; the second counts how often it ran."""
    project.write("0001-one", "create table runs (i int);", "drop table runs;")
    project.write(
        "0002-seed", "-- depends: 0001-one\ninsert into runs values (1);", "delete from runs;"
    )
    project.migrations().apply()
    return project


def rename(project: Project, old: str, new: str) -> None:
    for suffix in (".sql", ".rollback.sql"):
        (project.folder / f"{old}{suffix}").rename(project.folder / f"{new}{suffix}")


def runs(project: Project) -> int:
    return int(project.query("select count(*) from runs")[0][0])


def test_a_renamed_file_stops_with_a_command_and_carries_its_record_over(
    counted: Project, finish: Finish
) -> None:
    rename(counted, "0002-seed", "0003-seed")
    counted.write("0002-other", "create table other ();", "drop table other;")
    (before,) = counted.query(
        "select applied_at_utc from _yoyo_migration where migration_id = '0002-seed'"
    )

    for call in (counted.migrations().apply, counted.migrations().would_apply):
        with pytest.raises(MigrationMissingError, match=r"0003-seed\.sql has the same SQL"):
            call()
    with pytest.raises(MigrationMissingError, match="raxol-sql migrate --accept 0003-seed"):
        counted.migrations().rollback()
    assert {one.id: one.state.value for one in counted.migrations().status().migrations} == {
        "0001-one": "applied",
        "0002-other": "pending",
        "0002-seed": "applied, renamed since",
        "0003-seed": "applied, renamed since",
    }
    assert runs(counted) == 1

    done = counted.migrations().apply(accept=["0003-seed"])

    assert [run.id for run in done] == ["0002-other"]
    assert runs(counted) == 1
    assert counted.states() == dict.fromkeys(["0001", "0002", "0003"], "applied")
    assert counted.query(
        "select applied_at_utc from _yoyo_migration where migration_id = '0003-seed'"
    ) == [before]
    status = {one.id: one for one in counted.migrations().status().migrations}
    assert status["0003-seed"].note.endswith("renamed from 0002-seed")
    # Bare yoyo takes it for applied as well, and we undo it by its new name.
    finish(counted.yoyo("apply"))
    assert runs(counted) == 1
    assert [run.id for run in counted.migrations().rollback(to="0003")] == ["0003-seed"]
    assert runs(counted) == 0


def test_a_file_that_is_renamed_with_another_line_of_depends_is_recognised(
    counted: Project,
) -> None:
    rename(counted, "0002-seed", "0004-seed")
    counted.write("0003-two", "create table two ();")
    counted.write(
        "0004-seed", "-- depends: 0003-two\n-- later\ninsert into runs\nvalues (1);", "select 1;"
    )

    with pytest.raises(MigrationMissingError, match="--accept 0004-seed"):
        counted.migrations().apply()
    counted.migrations().apply(accept=["0004-seed"])

    assert runs(counted) == 1


def test_renumbering_the_whole_folder_is_accepted_file_by_file(counted: Project) -> None:
    rename(counted, "0002-seed", "0003-seed")
    rename(counted, "0001-one", "0002-one")
    counted.write("0003-seed", "-- depends: 0002-one\ninsert into runs values (1);")

    assert counted.migrations().apply(accept=["0002-one", "0003-seed"]) == ()

    assert counted.states() == {"0002": "applied", "0003": "applied"}
    assert runs(counted) == 1


@pytest.mark.parametrize("gone", ["0001-one", "0002-seed"])
def test_a_file_that_vanished_stops_migrate_until_its_loss_is_accepted(
    counted: Project, gone: str
) -> None:
    for suffix in (".sql", ".rollback.sql"):
        (counted.folder / f"{gone}{suffix}").unlink()
    for file in counted.folder.glob("0002*"):
        file.write_text(file.read_text().replace("-- depends: 0001-one", ""))

    with pytest.raises(MigrationMissingError, match=f"raxol-sql migrate --accept {gone}"):
        counted.migrations().apply()
    assert counted.migrations().apply(ignore_missing=True) == ()
    assert counted.states()[gone[:4]] == "applied, file missing"

    assert counted.migrations().apply(accept=[gone]) == ()

    assert counted.migrations().apply() == ()
    assert counted.states()[gone[:4]] == "applied, file removed and accepted"
    assert runs(counted) == 1


def test_a_file_that_comes_back_after_its_loss_was_accepted_is_compared_again(
    counted: Project,
) -> None:
    kept = (counted.folder / "0002-seed.sql").read_text()
    for file in counted.folder.glob("0002*"):
        file.unlink()
    counted.migrations().apply(accept=["0002"])

    counted.write("0002-seed", kept)
    assert counted.states()["0002"] == "applied"
    counted.write("0002-seed", "insert into runs values (2);")
    with pytest.raises(MigrationChangedError):
        counted.migrations().apply()


def test_an_edit_is_accepted_with_a_note(counted: Project) -> None:
    counted.write("0002-seed", "insert into runs values (2);")

    with pytest.raises(MigrationChangedError, match="raxol-sql migrate --accept 0002-seed"):
        counted.migrations().apply()
    assert counted.migrations().apply(accept=["0002-seed"]) == ()

    assert counted.states()["0002"] == "applied"
    (note,) = counted.query("select note from _raxol_migration where id = '0002-seed'")
    assert "edited, and accepted as applied" in note[0]
    assert runs(counted) == 1


@pytest.mark.parametrize(
    "text",
    [
        "-- depends: 0001-one\ninsert into runs values (1);\n-- once\n",
        "-- depends: 0001-one\n/* why; */ insert into runs\n\tvalues (1)",
        "\ufeffinsert into runs values (1);",
    ],
)
def test_an_edit_of_comments_alone_is_a_warning_until_it_is_accepted(
    counted: Project, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    counted.write("0002-seed", text)

    with caplog.at_level(logging.WARNING, "raxol_sql.migrations"):
        assert counted.migrations().apply() == ()
    assert "raxol-sql migrate --accept 0002-seed" in caplog.text
    assert counted.states()["0002"] == "applied, comments edited since"

    counted.migrations().apply(accept=["0002-seed"])
    assert counted.states()["0002"] == "applied"


def test_the_books_of_an_older_release_are_read_and_completed(counted: Project) -> None:
    counted.query(
        "alter table _raxol_migration drop code_hash, drop is_removed, drop note;"
        "drop table _raxol_lock"
    )
    assert counted.states() == {"0001": "applied", "0002": "applied"}

    counted.write("0003-three", "create table three ();")
    counted.migrations().apply()

    assert counted.query("select count(*) from _raxol_migration where code_hash is null") == [(0,)]
    assert counted.states() == dict.fromkeys(["0001", "0002", "0003"], "applied")

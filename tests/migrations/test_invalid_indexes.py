"""An index that is invalid is not applied, and each remedy that is printed works when pasted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from raxol_sql.errors import MigrationFailedError

if TYPE_CHECKING:
    from tests.migrations.conftest import Project

UNIQUE = "create unique index concurrently {}a_u on a (i)"
IS_VALID = "select indisvalid from pg_index where indexrelid = 'a_u'::regclass"


@pytest.fixture
def doubled(project: Project) -> Project:
    """A table in which one value is there twice."""
    project.query("create table a as select 1 as i from generate_series(1, 2)")
    return project


def write(project: Project, statement: str) -> None:
    project.write("0001-u", f"-- transactional: false\n{statement};", "drop index a_u;")


@pytest.mark.parametrize(
    "statement",
    [
        *(UNIQUE.format(""), UNIQUE.format("if not exists ")),
        'CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "a_u" ON ONLY public . "a" (i)',
        "create /* ; */ unique index -- x\nconcurrently A_U on public.a using btree (i)",
    ],
)
@pytest.mark.parametrize("by_hand", [False, True])
def test_a_build_that_failed_is_done_again_and_not_passed_over(
    doubled: Project, statement: str, by_hand: bool
) -> None:
    write(doubled, statement)
    notices: list[str] = []
    with pytest.raises(MigrationFailedError, match="23505") as caught:
        doubled.migrations().apply()
    doubled.query("truncate a")
    if by_hand:
        remedy = caught.value.__notes__[-1].partition(": ")[2]
        assert remedy == "drop index concurrently public.a_u;"
        doubled.query(remedy)

    doubled.migrations(on_notice=notices.append).apply()

    assert doubled.states() == {"0001": "applied"}
    assert doubled.query(IS_VALID) == [(True,)]
    dropped = "0001-u: dropped the invalid index public.a_u, which an earlier run left"
    assert notices == ([] if by_hand else [dropped])


def test_a_second_failure_is_not_recorded_as_applied_either(doubled: Project) -> None:
    write(doubled, UNIQUE.format("if not exists "))

    for _ in range(2):
        with pytest.raises(MigrationFailedError, match="23505"):
            doubled.migrations().apply()

    assert doubled.states() == {"0001": "pending, interrupted"}
    assert len(doubled.migrations().status().invalid_indexes) == 1


def test_an_invalid_index_that_another_run_left_is_not_taken_for_the_one_to_build(
    doubled: Project,
) -> None:
    with pytest.raises(Exception, match="duplicated"):
        doubled.query(UNIQUE.format(""))
    doubled.query("truncate a")
    write(doubled, UNIQUE.format("if not exists "))

    with pytest.raises(MigrationFailedError, match=r"the index public\.a_u is invalid") as caught:
        doubled.migrations().apply()
    assert "raxol-sql migrate" in str(caught.value)
    assert doubled.states() == {"0001": "pending, interrupted"}
    doubled.migrations().apply()

    assert doubled.states() == {"0001": "applied"}
    assert doubled.query(IS_VALID) == [(True,)]


def test_the_remedy_for_an_index_that_is_recorded_as_applied_builds_it_again(
    project: Project,
) -> None:
    project.query("create table a (i int)")
    write(project, UNIQUE.format(""))
    project.migrations().apply()
    project.query("update pg_index set indisvalid = false where indexrelid = 'a_u'::regclass")

    (index,) = project.migrations().status().invalid_indexes
    assert index.remedy == "reindex index concurrently public.a_u;"
    project.query(index.remedy)

    assert project.query(IS_VALID) == [(True,)]
    assert project.migrations().status().invalid_indexes == ()


def test_what_a_failed_reindex_left_is_dropped_and_the_index_stays(project: Project) -> None:
    project.query("create table a (i int); create index a_i_ccnew1 on a (i)")
    write(project, UNIQUE.format(""))
    project.migrations().apply()
    project.query(
        "update pg_index set indisvalid = false where indexrelid = 'a_i_ccnew1'::regclass"
    )

    (index,) = project.migrations().status().invalid_indexes
    assert index.remedy == "drop index concurrently public.a_i_ccnew1;"
    project.query(index.remedy)

    assert project.query(IS_VALID) == [(True,)]


def test_an_index_that_the_server_named_is_not_built_beside_its_leftover(doubled: Project) -> None:
    write(doubled, "create unique index concurrently on a (i)")
    with pytest.raises(MigrationFailedError, match="23505"):
        doubled.migrations().apply()
    doubled.query("truncate a")

    doubled.migrations().apply()

    assert doubled.query(
        "select indexrelid::regclass::text, indisvalid from pg_index where indrelid = 'a'::regclass"
    ) == [("a_i_idx", True)]


def test_invalid_indexes_of_other_tables_keep_no_migration_from_being_applied(
    doubled: Project,
) -> None:
    with pytest.raises(Exception, match="duplicated"):
        doubled.query(UNIQUE.format(""))
    doubled.query("create table b (i int)")
    doubled.write("0001-u", "-- transactional: false\ncreate index concurrently b_i on b (i);")

    doubled.migrations().apply()

    assert doubled.states() == {"0001": "applied"}
    (index,) = doubled.migrations().status().invalid_indexes
    assert index.name == "public.a_u"

"""Migrations that run without a transaction: what a failure leaves, and what takes it back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest

from raxol_sql.errors import MigrationFailedError

if TYPE_CHECKING:
    from tests.migrations.conftest import Project


def test_a_transaction_left_open_is_an_error_and_not_a_success(project: Project) -> None:
    project.write("0001-a", "-- transactional: false\nbegin;\ncreate table a ();\n")

    with pytest.raises(MigrationFailedError, match="leaves a transaction open"):
        project.migrations().apply()

    assert project.tables() == set()
    assert project.states() == {"0001": "pending, interrupted"}


def test_a_failed_concurrent_build_names_its_invalid_index_and_how_to_drop_it(
    project: Project,
) -> None:
    project.query('create table "T" as select 1 as i from generate_series(1, 2)')
    project.write(
        "0001-a",
        '-- transactional: false\ncreate unique index concurrently twice on "T" (i);',
        "drop index twice;",
    )

    with pytest.raises(MigrationFailedError, match="23505") as caught:
        project.migrations().apply()

    assert caught.value.__notes__[1:] == [
        "it runs without a transaction: no statement took effect before that",
        'invalid index on public."T": drop index concurrently public.twice;',
    ]
    status = project.migrations().status()
    assert [one.state for one in status.migrations] == ["pending, interrupted"]
    (index,) = status.invalid_indexes
    project.query(index.remedy)
    project.query('truncate "T"')
    project.migrations().apply()
    assert project.states() == {"0001": "applied"}
    assert project.migrations().status().invalid_indexes == ()


def test_an_index_in_the_making_is_not_called_invalid(project: Project) -> None:
    project.write("0001-a", "select 1;")
    project.query(
        "create table parts (i int) partition by list (i);"
        "create table part partition of parts default;"
        "create index on only parts (i);"
        "create table busy (i int);"
    )

    with ThreadPoolExecutor() as pool, psycopg.connect(project.database) as traffic:
        traffic.execute("insert into busy values (1)")
        building = pool.submit(project.query, "create index concurrently on busy (i)")
        project.until("exists (select from pg_index where indrelid = 'busy'::regclass)")
        invalid = project.migrations().status().invalid_indexes
        traffic.rollback()
        building.result(timeout=10)

    assert invalid == ()


def test_without_a_transaction_the_rollback_file_takes_back_what_ran(project: Project) -> None:
    project.write(
        "0001-a",
        "-- transactional: false\ncreate table a ();\ncreate table b ();\nselect 1 / 0;",
        "drop table b;\ndrop table a;",
    )

    with pytest.raises(MigrationFailedError, match=r"0001-a\.sql:4") as caught:
        project.migrations().apply()

    assert caught.value.__notes__[1] == (
        "it runs without a transaction: 2 statements took effect before that; "
        "then 2 statements of its rollback file ran"
    )
    assert project.tables() == set()


def test_a_transaction_that_the_file_began_itself_is_rolled_back_before_taking_back(
    project: Project,
) -> None:
    project.write(
        "0001-a",
        "-- transactional: false\ncreate table a ();\n-- all\nbegin;\n-- or nothing\nselect 1 / 0;",
        "drop table a;",
    )

    with pytest.raises(MigrationFailedError, match=r"0001-a\.sql:6") as caught:
        project.migrations().apply()

    assert caught.value.__notes__[0] == "statement 3 of 3: select 1 / 0;"
    assert project.tables() == set()

"""Applying, rolling back and showing migrations, on a server."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from raxol_sql import embedded
from raxol_sql.errors import (
    ConfigError,
    IrreversibleError,
    MigrationChangedError,
    MigrationError,
    MigrationFailedError,
    MigrationMissingError,
)
from raxol_sql.migrations import Migrations, server_lost

if TYPE_CHECKING:
    from pathlib import Path

    from tests.migrations.conftest import Project

AT_THE_GATE = "exists (select from pg_locks where locktype = 'advisory' and not granted)"


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
        "no effect of this file remains; what was done before it stays",
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


def test_a_transaction_left_open_is_an_error_and_not_a_success(project: Project) -> None:
    project.write("0001-a", "-- transactional: false\nbegin;\ncreate table a ();\n")

    with pytest.raises(MigrationFailedError, match="leaves a transaction open"):
        project.migrations().apply()

    assert project.tables() == set()
    assert project.states() == {"0001": "pending, interrupted"}


def test_a_transaction_ended_out_of_our_sight_is_an_error_and_not_a_success(
    project: Project,
) -> None:
    # sqlparse, which splits files for yoyo, takes this for one statement.
    project.write("0001-a", "create table a (begin int); commit;")

    with pytest.raises(MigrationFailedError, match="ended the transaction it runs in"):
        project.migrations().apply()

    assert project.tables() == {"a"}
    assert project.states() == {"0001": "pending"}


def test_a_statement_timeout_of_the_database_does_not_stop_a_long_migration(
    project: Project,
) -> None:
    ((name,),) = project.query("select current_database()")
    project.query(f"alter database {name} set statement_timeout = '100ms'")
    project.write("0001-a", "select pg_sleep(0.3);")

    assert len(project.migrations().apply()) == 1


def test_several_hosts_are_tried_in_turn(project: Project, tmp_path: Path) -> None:
    project.write("0001-a", "create table a ();")
    (host,) = project.query("select current_setting('unix_socket_directories')")
    several = make_conninfo(project.database, host=f"{tmp_path},{host[0]}")

    assert len(type(project)(project.root, several).migrations().apply()) == 1


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


def test_an_applied_migration_without_a_file_is_shown_and_not_rolled_back(project: Project) -> None:
    project.write("0001-a", "create table a ();", "drop table a;")
    gone = project.write("0002-b", "create table b ();", "drop table b;")
    project.migrations().apply()
    gone.unlink()
    gone.with_name("0002-b.rollback.sql").unlink()

    assert project.states() == {"0001": "applied", "0002": "applied, file missing"}
    assert project.migrations().apply() == ()
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


def test_a_killed_connection_leaves_nothing_half_applied_and_is_told_apart(
    project: Project, gate: psycopg.Connection[Any]
) -> None:
    project.write("0001-a", f"create table a ();\nselect pg_advisory_lock({gate_key(gate)});")

    with ThreadPoolExecutor() as pool:
        applying = pool.submit(project.migrations().apply)
        project.until(AT_THE_GATE)
        gate.execute("select pg_terminate_backend(pid) from pg_locks where not granted")
        error = applying.exception(timeout=10)

    assert isinstance(error, MigrationFailedError)
    assert server_lost(error)
    assert project.tables() == set()
    gate.close()
    assert len(project.migrations().apply()) == 1


def test_a_killed_server_leaves_nothing_half_applied_and_is_told_apart(
    own_project: Path, project: Project
) -> None:
    own = embedded.start(own_project)
    doomed = type(project)(project.root, own.conninfo())
    doomed.write("0001-a", "create table a ();")
    doomed.write("0002-b", "create table b ();\nselect pg_sleep(60);")

    with ThreadPoolExecutor() as pool:
        applying = pool.submit(doomed.migrations().apply)
        doomed.until("exists (select from pg_stat_activity where wait_event = 'PgSleep')")
        os.kill(own.pid, signal.SIGKILL)
        error = applying.exception(timeout=10)

    assert isinstance(error, MigrationFailedError)
    assert str(error).startswith(f"{doomed.folder}/0002-b.sql:2: ")
    assert server_lost(error)
    embedded.start(own_project)
    assert doomed.tables() == {"a"}
    assert doomed.states() == {"0001": "applied", "0002": "pending"}
    doomed.write("0002-b", "create table b ();")
    assert len(doomed.migrations().apply()) == 1


def test_no_server_is_the_drivers_error(project: Project) -> None:
    project.write("0001-a", "create table a ();")
    nowhere = type(project)(project.root, f"host={project.root} dbname=a password=hidden")

    with pytest.raises(psycopg.OperationalError) as caught:
        nowhere.migrations().apply()

    assert server_lost(caught.value)
    assert "hidden" not in str(caught.value)


def test_a_connection_string_that_cannot_be_read_is_not_quoted(tmp_path: Path) -> None:
    for conninfo in ("host=here password=s3cret dbname", "postgresql://u:s3cret%zz@here/d"):
        with pytest.raises(ConfigError, match="cannot be read") as caught:
            Migrations(conninfo, tmp_path)

        assert caught.value.__context__ is None
        assert "s3cret" not in str(caught.value)


def gate_key(gate: psycopg.Connection[Any]) -> int:
    (held,) = gate.execute("select objid from pg_locks where locktype = 'advisory'").fetchall()
    return int(held[0])

"""One migrator at a time, among our own processes and bare yoyo's, and no lock left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from raxol_sql.errors import MigrationLockedError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.migrations.conftest import Project

    Finish = Callable[[subprocess.Popen[str]], str]

THROUGH_THE_GATE = (
    "create table a ();\nselect pg_advisory_lock(42);\nselect pg_advisory_unlock(42);"
)
AT_THE_GATE = "exists (select from pg_locks where objid = 42 and not granted)"
MIGRATORS = """(
    select count(*) from pg_stat_activity
    where datname = current_database() and application_name = 'raxol_sql migrate'
)"""


def test_two_processes_at_once_both_succeed_and_apply_once(
    project: Project, gate: psycopg.Connection[Any], finish: Finish
) -> None:
    project.write("0001-a", THROUGH_THE_GATE)
    project.write("0002-b", "create table b ();")

    first = project.migrator()
    project.until(AT_THE_GATE)
    # The first holds three sessions by now; the fourth is the other one, waiting for the lock.
    second = project.migrator()
    project.until(MIGRATORS, 4)
    gate.close()

    assert finish(first).split() == ["0001-a", "0002-b"]
    assert finish(second).split() == []


def test_a_waiting_migrator_gives_up_and_says_who_holds_the_lock(
    project: Project, gate: psycopg.Connection[Any], finish: Finish, watch: Any
) -> None:
    project.write("0001-a", THROUGH_THE_GATE)
    process = project.migrator()
    project.until(AT_THE_GATE)

    with watch.at_most(5, at_least=0.2), pytest.raises(MigrationLockedError) as caught:
        project.migrations(lock_wait=0.2).apply()

    assert "application 'raxol_sql migrate', since 20" in str(caught.value)
    (pids,) = project.query(
        "select array_agg(pid) from pg_stat_activity where application_name = 'raxol_sql migrate'"
    )
    assert any(f"pid {pid}," in str(caught.value) for pid in pids[0])
    gate.close()
    finish(process)


def test_the_lock_is_held_between_two_migrations_as_well(project: Project) -> None:
    project.write("0001-a", "create table a ();", "drop table a;")
    project.write("0002-b", "create table b ();", "drop table b;")
    refused: list[str] = []

    def try_beside(*_: object) -> None:
        with pytest.raises(MigrationLockedError) as caught:
            project.migrations(lock_wait=0).rollback()
        refused.append(str(caught.value))

    assert len(project.migrations().apply(on_applied=try_beside)) == 2

    assert len(refused) == 2


def test_a_migrator_killed_by_force_leaves_no_lock_and_no_statement(
    project: Project, finish: Finish
) -> None:
    asleep = "exists (select from pg_stat_activity where wait_event = 'PgSleep')"
    project.write("0001-a", "create table a (); select pg_sleep(60);")
    process = project.migrator()
    project.until(asleep)

    process.kill()
    process.communicate()
    project.write("0001-a", f"create table b as select {asleep} as still_running;")
    runs = project.migrations().apply()

    assert [run.id for run in runs] == ["0001-a"]
    assert project.query("select still_running from b") == [(False,)]
    assert project.tables() == {"b"}
    assert project.query("select * from yoyo_lock") == []
    assert finish(project.yoyo("list")).split()[-3:-1] == ["A", "0001-a"]


def test_a_migration_without_a_transaction_that_was_cut_off_is_shown_and_run_again(
    project: Project, gate: psycopg.Connection[Any]
) -> None:
    project.write(
        "0001-a",
        f"-- transactional: false\ncreate table if not exists a ();\n{THROUGH_THE_GATE[18:]}",
    )
    process = project.migrator()
    project.until(AT_THE_GATE)
    process.kill()
    process.communicate()
    gate.close()

    assert project.states() == {"0001": "pending, interrupted"}
    assert project.tables() == {"a"}
    assert [run.id for run in project.migrations().apply()] == ["0001-a"]
    assert project.states() == {"0001": "applied"}


def test_bare_yoyo_waits_for_us_and_then_finds_nothing_to_do(
    project: Project, gate: psycopg.Connection[Any], finish: Finish
) -> None:
    project.write("0001-a", THROUGH_THE_GATE)
    ours = project.migrator()
    project.until(AT_THE_GATE)
    theirs = project.yoyo("apply")
    project.until(
        "exists (select from pg_stat_activity where application_name = 'yoyo' "
        "and wait_event_type = 'Lock' and query ~ 'yoyo_lock')"
    )
    gate.close()

    assert finish(ours).split() == ["0001-a"]
    finish(theirs)
    assert project.states() == {"0001": "applied"}


def test_we_wait_for_bare_yoyo_and_then_find_nothing_to_do(
    project: Project, gate: psycopg.Connection[Any], finish: Finish
) -> None:
    project.write("0001-a", THROUGH_THE_GATE)
    theirs = project.yoyo("apply")
    project.until(AT_THE_GATE)
    ours = project.migrator()
    project.until(MIGRATORS, 1)
    gate.close()

    assert finish(ours).split() == []
    finish(theirs)
    assert project.states() == {"0001": "applied"}


def test_the_row_of_a_yoyo_that_was_killed_is_removed_if_nobody_else_is_connected(
    project: Project, finish: Finish, watch: Any
) -> None:
    project.write("0001-a", "create table a ();")
    finish(project.yoyo("list"))
    project.query("insert into yoyo_lock (ctime, pid) values ('2026-01-01', 999999)")

    with watch.at_most(5):
        project.migrations().apply()

    assert project.query("select * from yoyo_lock") == []


def test_the_row_of_yoyo_stays_if_its_owner_may_be_connected(
    project: Project, finish: Finish
) -> None:
    project.write("0001-a", "create table a ();")
    finish(project.yoyo("list"))
    with psycopg.connect(project.database, autocommit=True) as other:
        other.execute("insert into yoyo_lock (ctime, pid) values ('2026-01-01', 999999)")

        with pytest.raises(MigrationLockedError) as caught:
            project.migrations(lock_wait=0.2).apply()

    assert "process 999999, since 2026-01-01 00:00:00 UTC" in str(caught.value)
    assert "yoyo break-lock" in str(caught.value)
    finish(project.yoyo("break-lock"))
    assert len(project.migrations().apply()) == 1


def test_losing_the_lock_stops_before_the_next_migration(project: Project) -> None:
    project.write("0001-a", "create table a ();")
    project.write("0002-b", "create table b ();")

    def end_other_sessions(*_: object) -> None:
        project.query(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )

    with pytest.raises(psycopg.OperationalError):
        project.migrations().apply(on_applied=end_other_sessions)

    assert project.states() == {"0001": "applied", "0002": "pending"}

"""The lock needs no advisory locks; who waits says for which session, and so does who gives up."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from raxol_sql.errors import MigrationFailedError, MigrationLockedError
from raxol_sql.migrations.lock import hold_lock
from raxol_sql.migrations.session import open_session

if TYPE_CHECKING:
    from tests.migrations.conftest import Project

REVOKE = """
do $$ declare f text; begin
    for f in select oid::regprocedure from pg_proc where proname like 'pg%advisory%' loop
        execute format('revoke execute on function %s from public', f);
    end loop;
end $$
"""


@pytest.fixture
def role(project: Project) -> Iterator[str]:
    """The connection string of a role that owns the schema, and may take no advisory lock."""
    name = f"migrator_{os.urandom(4).hex()}"
    project.query(REVOKE)
    project.query(f"create role {name} login; grant all on schema public to {name}")
    yield make_conninfo(project.database, user=name)
    project.query(f"drop owned by {name}; drop role {name}")


def test_a_role_that_may_take_no_advisory_lock_migrates_and_keeps_others_out(
    project: Project, role: str
) -> None:
    project.write("0001-a", "create table a ();", "drop table a;")
    project.write("0002-b", "-- transactional: false\ncreate table b ();", "drop table b;")
    refused: list[str] = []

    def try_in_between(*_: object) -> None:
        for conninfo in (role, project.database):
            with pytest.raises(MigrationLockedError) as caught:
                migrations(project, conninfo, lock_wait=0).rollback()
            refused.append(str(caught.value))

    migrations(project, role).apply(on_applied=try_in_between)

    assert len(refused) == 4
    for said in refused:
        assert f"process {os.getpid()} on host {platform.node()}" in said
        assert "application 'raxol_sql migrate', since 20" in said
        assert "pg_terminate_backend(" in said
    assert project.query("select * from yoyo_lock") == []
    assert project.query("select * from _raxol_lock") == []


def migrations(project: Project, conninfo: str, **options: Any) -> Any:
    return type(project)(project.root, conninfo).migrations(**options)


def test_many_migrators_of_one_moment_apply_each_file_once(project: Project, role: str) -> None:
    for number in range(1, 5):
        project.write(f"000{number}-t", f"create table t{number} ();")
    applied: list[str] = []
    errors: list[BaseException] = []

    def migrate(conninfo: str) -> None:
        try:
            applied.extend(one.id for one in migrations(project, conninfo, lock_wait=60).apply())
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=migrate, args=[role]) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert sorted(applied) == ["0001-t", "0002-t", "0003-t", "0004-t"]


def test_a_migrator_that_waits_says_for_which_session(project: Project) -> None:
    project.write("0001-a", "create table a ();")
    notices: list[str] = []

    with closing(open_session(project.database, 5)) as holder, hold_lock(holder, 5):
        with pytest.raises(MigrationLockedError):
            project.migrations(lock_wait=1.5, on_notice=notices.append).apply()
        pid = holder.info.backend_pid

    assert notices[0].startswith("waiting, for ")
    assert (
        f"another migration run holds the lock: pid {pid}, application 'raxol_sql migrate'"
        in notices[0]
    )


def test_the_entry_of_a_migrator_that_is_gone_is_in_no_ones_way(project: Project) -> None:
    project.write("0001-a", "create table a ();")
    project.migrations().apply()
    project.write("0002-b", "create table b ();")
    with closing(open_session(project.database, 5)) as other:
        # The number of a session that is there now, which began at another time.
        project.query(
            "insert into _raxol_lock (host, pid, backend, backend_start, running, running_start) "
            "values ('gone', 1, %s, '2026-01-01', %s, '2026-01-01')",
            other.info.backend_pid,
            other.info.backend_pid,
        )

        assert len(project.migrations(lock_wait=0).apply()) == 1

    assert project.query("select * from _raxol_lock") == []


def test_the_statement_of_a_migrator_that_is_gone_is_waited_for_and_named(
    project: Project,
) -> None:
    project.write("0001-a", "create table a ();")
    project.migrations().apply()
    project.write("0002-b", "create table b ();")
    with closing(open_session(project.database, 5)) as running:
        project.query(
            "insert into _raxol_lock (host, pid, backend, backend_start, running, running_start) "
            "select 'there', 7, 0, now(), pid, backend_start from pg_stat_activity where pid = %s",
            running.info.backend_pid,
        )

        with pytest.raises(MigrationLockedError, match="started by process 7 on host there"):
            project.migrations(lock_wait=0.2).apply()

    assert len(project.migrations(lock_wait=10).apply()) == 1


@pytest.mark.parametrize("header", ["", "-- transactional: false\n"])
def test_who_is_in_the_way_of_a_statement_is_named(project: Project, header: str) -> None:
    project.query("create table busy ()")
    project.write("0001-a", f"{header}alter table busy add column i int;")
    with psycopg.connect(project.database, application_name="nightly report") as traffic:
        traffic.execute("select * from busy")
        pid = traffic.info.backend_pid

        with pytest.raises(MigrationFailedError, match="55P03") as caught:
            project.migrations(lock_timeout=0.4).apply()

    (note,) = [one for one in caught.value.__notes__ if one.startswith("in the way")]
    assert f"pid {pid}, user postgres, application 'nightly report'" in note
    assert "idle in transaction" in note


def test_a_lesser_role_is_told_at_least_the_number_of_the_session_in_its_way(
    project: Project, role: str
) -> None:
    project.write("0001-a", "create table busy ();")
    migrations(project, role).apply()
    project.write("0002-b", "alter table busy add column i int;")
    with psycopg.connect(project.database) as traffic:
        traffic.execute("select * from busy")
        pid = traffic.info.backend_pid

        with pytest.raises(MigrationFailedError, match="55P03") as caught:
            migrations(project, role, lock_timeout=0.4).apply()

    assert f"in the way when lock_timeout ended it: pid {pid}" in str(caught.value.__notes__)


def test_a_role_without_the_rights_is_told_what_to_do(project: Project, role: str) -> None:
    project.write("0001-a", "create table a ();", "drop table a;")
    project.migrations().apply()

    for call in (migrations(project, role).apply, migrations(project, role).status):
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            call()
        assert "run it as the role that migrates" in str(caught.value.__notes__)


def test_a_server_that_takes_no_writes_is_named_as_the_reason(project: Project) -> None:
    project.write("0001-a", "create table a ();")
    read_only = make_conninfo(project.database, options="-c default_transaction_read_only=on")

    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction) as caught:
        migrations(project, read_only).apply()

    assert "it is a standby" in str(caught.value.__notes__)
    assert migrations(project, read_only).would_apply() == ("0001-a",)

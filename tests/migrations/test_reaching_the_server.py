"""The server of a migration: one of several hosts, none at all, or one that dies on the way."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from raxol_sql import embedded
from raxol_sql.errors import ConfigError, MigrationFailedError
from raxol_sql.migrations import Migrations, server_lost

if TYPE_CHECKING:
    from pathlib import Path

    from tests.migrations.conftest import Project

AT_THE_GATE = "exists (select from pg_locks where locktype = 'advisory' and not granted)"


def test_several_hosts_are_tried_in_turn(project: Project, tmp_path: Path) -> None:
    project.write("0001-a", "create table a ();")
    (host,) = project.query("select current_setting('unix_socket_directories')")
    several = make_conninfo(project.database, host=f"{tmp_path},{host[0]}")

    assert len(type(project)(project.root, several).migrations().apply()) == 1


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

"""A project has one server, which starts, answers, outlives its starter, and stops."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from raxol_sql.embedded import start, status, stop
from raxol_sql.embedded.deadline import Timer
from raxol_sql.embedded.lock import locked
from raxol_sql.errors import EmbeddedError
from tests.embedded.conftest import Projects, child, rows, working_in


def test_a_server_starts_answers_and_stops_with_nothing_left(
    projects: Projects, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("PGPORT", "1"), ("PGDATA", "/nowhere"), ("PGHOST", "nowhere")):
        monkeypatch.setenv(name, value)
    project = projects()
    assert status(project) is None
    assert stop(project) is False
    assert not (project / ".raxol").exists()
    server = start(project)
    assert status(project) == server
    ((version, directory, addresses, zone, preloaded),) = rows(
        server,
        "select current_setting('server_version'), current_setting('data_directory'), "
        "current_setting('listen_addresses'), current_setting('timezone'), "
        "current_setting('shared_preload_libraries')",
    )
    assert (version, directory) == (server.version, str(server.data))
    assert (addresses, zone, preloaded) == ("", "UTC", "pg_stat_statements")
    assert (project / ".raxol" / ".gitignore").read_text() == "*\n"
    assert server.data.is_relative_to(project / ".raxol")
    assert stop(project) is True
    assert working_in(project) == []
    assert status(project) is None
    assert stop(project) is False


def test_text_is_unicode_whatever_locales_the_system_has(project: Path) -> None:
    assert rows(start(project), "select lower('ÄÉ'), current_setting('server_encoding')") == [
        ("äé", "UTF8")
    ]


def test_starting_a_running_server_gives_that_server(project: Path) -> None:
    assert start(project) == start(project)


def test_a_server_is_told_to_psycopg_by_parameters_or_by_a_string(project: Path) -> None:
    server = start(project)
    assert conninfo_to_dict(server.conninfo("app")) == server.parameters("app")
    assert server.parameters("app")["dbname"] == "app"


def test_data_survives_a_stop_and_a_start(project: Path) -> None:
    first = start(project)
    rows(first, "create table survivor as select 1 as one")
    assert stop(project)
    second = start(project)
    assert second.pid != first.pid
    assert rows(second, "select one from survivor") == [(1,)]


def test_stop_disconnects_its_clients(project: Path) -> None:
    with psycopg.connect(start(project).conninfo()) as connection:
        assert stop(project)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")


def test_the_server_outlives_its_starter_and_ctrl_c_in_its_terminal(project: Path) -> None:
    stop(project)
    starter = child(project, "linger")
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    os.killpg(starter.pid, signal.SIGINT)
    # The pipe only ends if the server does not hold it.
    starter.communicate(timeout=10)
    server = status(project)
    assert server is not None
    assert server.pid == pid


def test_processes_that_start_it_at_the_same_moment_get_one_server(projects: Projects) -> None:
    project = projects()
    starters = [child(project) for _ in range(3)]
    pids = {starter.communicate(timeout=30)[0] for starter in starters}
    server = status(project)
    assert server is not None
    assert pids == {f"{server.pid}\n"}


def test_a_lock_held_by_another_is_waited_for_only_so_long(project: Path) -> None:
    start(project)
    stop(project)
    lock = project / ".raxol" / "lock"
    with locked(lock, Timer.after(1)):
        for verb in (start, stop):
            with pytest.raises(EmbeddedError, match=f"{lock} is locked"):
                verb(project, wait=0.1)


def test_two_projects_have_two_servers_and_each_stop_ends_one(
    project: Path, neighbour: Path
) -> None:
    first, second = start(project), start(neighbour)
    rows(second, "create table here (n int)")
    assert rows(first, "select to_regclass('here')") == [(None,)]
    assert stop(neighbour)
    assert status(project) == first

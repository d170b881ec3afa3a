"""Servers that were killed or do not react: nothing of them is in the way, and no data is lost."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from raxol_sql.embedded import start, status, stop
from raxol_sql.embedded.deadline import Timer
from raxol_sql.embedded.processes import look_up
from raxol_sql.errors import EmbeddedError
from tests.embedded.conftest import Projects, child, kill_hard, rows, working_in


def test_a_server_killed_hard_starts_again_with_its_data(project: Path) -> None:
    server = start(project)
    rows(server, "create table marker as select 1 as one")
    kill_hard(server)
    assert rows(start(project), "select one from marker") == [(1,)]


@pytest.mark.parametrize("verb", [start, stop])
def test_a_child_that_outlives_its_killed_server_is_ended(
    project: Path, verb: Callable[..., object]
) -> None:
    server = start(project)
    with psycopg.connect(server.conninfo()) as connection:
        child = connection.info.backend_pid
        os.kill(child, signal.SIGSTOP)
        kill_hard(server)
        assert child in working_in(project)
        assert verb(project, wait=5)
        assert child not in working_in(project)


def test_a_server_that_does_not_react_is_killed_with_its_children(project: Path) -> None:
    os.kill(start(project).pid, signal.SIGSTOP)
    assert stop(project, wait=5)
    assert working_in(project) == []


def test_a_pid_file_from_before_a_reboot_harms_no_stranger(project: Path, neighbour: Path) -> None:
    kill_hard(start(project))
    bystander = start(neighbour)
    with subprocess.Popen(["sleep", "60"]) as sleeper, subprocess.Popen(["true"]) as zombie:
        try:
            assert Timer.after(5).wait_until(lambda: look_up(zombie.pid) is None)
            for pid in (sleeper.pid, bystander.pid, zombie.pid):
                for path in (".s.PGSQL.5432.lock", "data/postmaster.pid"):
                    file = project / ".raxol" / "pg" / path
                    _, _, rest = file.read_text().partition("\n")
                    file.write_text(f"{pid}\n{rest}")
                assert status(project) is None
                # The children of the killed server take a moment to notice.
                assert Timer.after(5).wait_until(lambda: working_in(project) == [])
                assert stop(project) is False
                kill_hard(start(project))
            assert sleeper.poll() is None
            assert status(neighbour) == bystander
        finally:
            sleeper.kill()


def test_data_that_a_server_out_of_sight_uses_is_not_touched(project: Path) -> None:
    # What a container sees of a server that another container runs on the same project.
    server = start(project)
    kill_hard(server)
    address = Path(server.host) / ".s.PGSQL.5432"
    address.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        with pytest.raises(EmbeddedError, match="cannot be seen from here"):
            start(project)
    assert start(project).pid != server.pid


def test_a_project_whose_first_start_was_killed_starts_anew(projects: Projects) -> None:
    project = projects()
    starter = child(project)
    home = project / ".raxol" / "pg"
    assert Timer.after(10).wait_until(lambda: any(home.glob("new-*/PG_VERSION")))
    starter.kill()
    starter.communicate(timeout=10)
    assert not (home / "data").exists()
    assert rows(start(project), "select 1") == [(1,)]
    assert stop(project)

"""Projects that are moved or copied keep their data, and never share a server."""

from __future__ import annotations

import subprocess
from pathlib import Path

from raxol_sql.embedded import start, status, stop
from tests.embedded.conftest import Projects, rows


def test_a_project_moved_to_any_path_keeps_its_server_and_its_data(projects: Projects) -> None:
    project = projects()
    server = start(project)
    rows(server, "create table kept as select 1 as one")
    moved = project.rename(project.with_name("moved"))
    found = status(projects("moved"))
    assert found is not None
    assert found.pid == server.pid
    assert rows(found, "select one from kept") == [(1,)]
    assert stop(moved)
    # Nothing in a path may be taken for shell, or for one of several.
    again = moved.rename(project.with_name('it\'s, "a" $(exit 1) `dir` %s \\ '))
    assert rows(start(projects(again.name)), "select one from kept") == [(1,)]
    assert stop(again)


def test_a_copied_project_has_a_server_of_its_own_even_where_sockets_live_elsewhere(
    projects: Projects,
) -> None:
    # A path that is too long for a socket: then even the socket's directory is remembered.
    project = projects("long" * 25)
    original = start(project)
    rows(original, "create table kept as select 1 as one")
    rows(original, "checkpoint")
    copy = project.with_name("copy" * 25)
    subprocess.run(["cp", "-a", str(project), str(copy)], check=True)
    assert status(projects("copy" * 25)) is None
    assert stop(copy) is False
    copied = start(copy)
    host = Path(copied.host)
    assert (host.parent, host.stat().st_mode & 0o777) == (Path("/tmp"), 0o700)
    assert host != Path(original.host)
    rows(copied, "drop table kept")
    assert stop(copy)
    assert not host.exists()
    assert status(project) == original
    assert rows(original, "select one from kept") == [(1,)]
    assert stop(project)
    assert not Path(original.host).exists()

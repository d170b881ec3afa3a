"""What the tests of real servers share: projects to run them in, and other processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from raxol_sql.embedded import Server, status
from raxol_sql.embedded.deadline import Timer
from raxol_sql.embedded.folder import find_folder

Projects = Callable[..., Path]

# It starts as whoever runs the tests, so that it can read the interpreter wherever that is.
CHILD = """
import os, socket, sys
from pathlib import Path
from raxol_sql.embedded import start, status, stop
project, uid, action = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
if uid != os.geteuid():
    os.setgroups([]); os.setgid(uid); os.setuid(uid)
if action == "stop":
    print(stop(project))
elif action == "knock":
    try:
        socket.socket(socket.AF_UNIX).connect(str(project / ".s.PGSQL.5432"))
    except OSError as failure:
        print(type(failure).__name__)
else:
    print(start(project).pid, flush=True)
if action == "linger":
    sys.stdin.read()
"""


@pytest.fixture
def projects() -> Iterator[Projects]:
    """Makes project directories, and ends whatever runs in them, even if stop() is broken."""
    yield from new_projects()


@pytest.fixture(scope="module")
def project() -> Iterator[Path]:
    """One project for all tests that may find it in any state, and leave it so."""
    for make in new_projects():
        yield make()


@pytest.fixture(scope="module")
def neighbour() -> Iterator[Path]:
    """A second one, beside the first."""
    for make in new_projects():
        yield make("neighbour")


def new_projects() -> Iterator[Projects]:
    # Not tmp_path: pytest closes its directories to the account that root's server runs as.
    above = Path(tempfile.mkdtemp(prefix="rx-"))
    above.chmod(0o755)
    made: list[Path] = []

    def make(name: str = "project", mode: int = 0o755) -> Path:
        project = above / name
        if not project.is_dir():
            project.mkdir(mode=mode)
        made.append(project)
        return project

    yield make
    outside = [base for base in map(base_of, made) if base is not None]
    for pid in working_in(above, *outside):
        os.kill(pid, signal.SIGKILL)
    for directory in (above, *outside):
        shutil.rmtree(directory)


def base_of(project: Path) -> Path | None:
    """The directory that stands in for the project's own, if one does."""
    folder = find_folder(project) if project.is_dir() and owned(project) else None
    return folder.base if folder is not None and folder.base != folder.path else None


def owned(project: Path) -> bool:
    folder = project / ".raxol"
    return folder.is_dir() and folder.stat().st_uid == os.geteuid()


def working_in(*directories: Path) -> list[int]:
    """The processes that work below ``directories``, told by other means than the server's."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            place = Path(os.readlink(entry / "cwd"))
        except OSError:
            continue
        if any(place.is_relative_to(directory) for directory in directories):
            found.append(int(entry.name))
    return found


def rows(server: Server, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def child(project: Path, action: str = "start", uid: int | None = None) -> subprocess.Popen[str]:
    as_whom = str(os.geteuid() if uid is None else uid)
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(project), as_whom, action],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def kill_hard(server: Server) -> None:
    os.kill(server.pid, signal.SIGKILL)
    assert Timer.after(5).wait_until(lambda: status(server.project) is None)

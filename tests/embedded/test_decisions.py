"""What the embedded server decides without touching anything."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from raxol_sql.embedded.binaries import major, newest, version_in
from raxol_sql.embedded.cluster import PidFile, parse_pid_file
from raxol_sql.embedded.deadline import Timer
from raxol_sql.embedded.folder import fits_socket
from raxol_sql.embedded.processes import Data, Process, from_ps, look_up

DATA = Data(Path("/home/ada/a project/.raxol/pg/data"), (1, 2))
COMMAND = f"/opt/pg/bin/postgres -D {DATA.path} -c port=5432"


def process(
    pid: int,
    parent: int = 1,
    name: str = "postgres",
    directory: tuple[int, int] | None = None,
    command: str = "",
) -> Process:
    return Process(pid, parent, "birth", name, directory, command)


def test_a_postgres_that_works_in_the_data_directory_is_ours() -> None:
    assert DATA.owns(process(10, directory=(1, 2)))


def test_a_shell_in_the_data_directory_is_not_ours() -> None:
    shell = process(10, name="bash", directory=(1, 2))
    assert DATA.disowns(shell)
    assert not DATA.owns(shell)


def test_a_postgres_that_works_elsewhere_is_not_ours_whatever_its_command_line_says() -> None:
    other = process(10, directory=(1, 3), command=COMMAND)
    assert DATA.disowns(other)
    assert not DATA.owns(other)


def test_a_postgres_whose_directory_is_hidden_is_told_by_its_command_line() -> None:
    assert DATA.owns(process(10, command=COMMAND))


def test_a_postgres_that_tells_nothing_is_neither_ours_nor_certainly_a_strangers() -> None:
    for hidden in (process(10), process(10, command=COMMAND.replace("/data", "/data2"))):
        assert not DATA.owns(hidden)
        assert not DATA.disowns(hidden)


def test_hidden_children_are_told_by_their_parent() -> None:
    head, child = process(10, command=COMMAND), process(11, parent=10)
    orphan, stranger = process(12, directory=(1, 2)), process(13, parent=9)
    sleeper = process(14, parent=10, name="sleep")
    everyone = [child, stranger, head, sleeper, orphan]
    assert DATA.family(everyone) == {head, child, orphan}


def test_zombies_and_broken_lines_of_ps_are_left_out() -> None:
    birth = "Mon Nov 23 08:22:00 2026"
    lines = [f"10 1 Ss {birth} postgres {COMMAND}", f"11 10 Z {birth} postgres", "PID PPID"]
    assert from_ps("\n".join(lines)) == [Process(10, 1, birth, "postgres", None, COMMAND)]


def test_ps_and_proc_tell_the_same_about_this_process() -> None:
    columns = "pid=,ppid=,state=,lstart=,ucomm=,command="
    output = subprocess.check_output(
        ["ps", "-p", str(os.getpid()), "-o", columns], text=True, env={**os.environ, "LC_ALL": "C"}
    )
    (told,), seen = from_ps(output), look_up(os.getpid())
    assert seen is not None
    assert (told.pid, told.parent, told.name) == (seen.pid, seen.parent, seen.name)


def test_a_pid_file_is_ready_only_when_the_server_says_so() -> None:
    lines = ["4711", "/data", "1790000000", "5432", "/sockets", "", " 123 4", "ready   "]
    starting = [*lines[:7], "starting"]
    assert parse_pid_file("\n".join(lines)) == PidFile(4711, 1790000000, True)
    assert parse_pid_file("\n".join(starting)) == PidFile(4711, 1790000000, False)
    assert parse_pid_file("\n".join(lines[:3])) == PidFile(4711, 1790000000, False)


@pytest.mark.parametrize("text", ["", "4711", "4711\n/data", "-1\n/data\n2\n", "x\ny\nz\n"])
def test_half_a_pid_file_says_nothing(text: str) -> None:
    assert parse_pid_file(text) is None


@pytest.mark.parametrize(
    ("directory", "fits"),
    [
        ("/home/ada/project/.raxol/pg", True),
        ("/home/ada/with a 'blank'/.raxol/pg", True),
        ("/" + "d" * 88, True),
        ("/" + "d" * 89, False),
        ("/" + "ä" * 45, False),
        ("/home/ada/a,b", False),
        ('/home/ada/a"b', False),
    ],
)
def test_a_socket_needs_a_short_path_that_both_sides_can_name(directory: str, fits: bool) -> None:
    assert fits_socket(Path(directory)) is fits


@pytest.mark.parametrize(
    ("printed", "version", "release"),
    [
        ("postgres (PostgreSQL) 18.6\n", "18.6", "18"),
        ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", "15.18", "15"),
        ("postgres (PostgreSQL) 19devel\n", "19devel", "19"),
    ],
)
def test_the_version_is_read_from_what_postgres_prints(
    printed: str, version: str, release: str
) -> None:
    assert version_in(printed) == version
    assert major(version) == release


def test_something_that_is_not_postgres_has_no_version() -> None:
    assert version_in("bash 5.2") is None


def test_the_newest_server_is_the_one_with_the_highest_number() -> None:
    paths = [Path(f"/usr/lib/postgresql/{name}/bin") for name in ("9", "15", "next", "14")]
    assert newest(paths) == paths[1]
    assert newest([]) is None


def test_a_deadline_within_another_is_never_later() -> None:
    outer = Timer.after(5.0)
    assert outer.within(60.0) == outer
    assert outer.within(1.0).left() <= 1.0
    assert Timer.after(-1.0).left() == 0.0


def test_waiting_ends_at_the_deadline_and_looks_at_least_once() -> None:
    assert not Timer.after(0.05).wait_until(lambda: False)
    assert Timer.after(0.0).wait_until(lambda: True)

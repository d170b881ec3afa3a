"""Which processes are a server's, told by where they live and not by a number in a file."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

_PROC = Path("/proc")
# Seconds within which any ps has answered.
_ANSWERING = 10.0
_COLUMNS = "pid=,ppid=,state=,lstart=,ucomm=,command="


@frozen
class Process:
    """
    A living process, as it was when it was looked at.

    ``birth`` tells it from a later process with the same pid. ``directory`` is the device and
    inode of its working directory, None where the system does not say; ``command`` is its
    command line then, and else may be empty.
    """

    pid: int
    parent: int
    birth: str
    name: str
    directory: tuple[int, int] | None
    command: str = ""


@frozen
class Data:
    """A data directory by which processes are told: every process of its server works in it."""

    path: Path
    identity: tuple[int, int]

    @classmethod
    def at(cls, path: Path) -> Data | None:
        """The data directory ``path``; None if there is none."""
        try:
            found = path.stat()
        except FileNotFoundError:
            return None
        return cls(path, (found.st_dev, found.st_ino))

    def owns(self, process: Process) -> bool:
        """Whether ``process`` certainly belongs to the server on this data."""
        # The name matters as well: a shell may have changed into the directory.
        if process.name != "postgres":
            return False
        if process.directory is not None:
            return process.directory == self.identity
        return f" -D {self.path} " in f"{process.command} "

    def disowns(self, process: Process) -> bool:
        """Whether ``process`` certainly does not belong to the server on this data."""
        if process.name != "postgres":
            return True
        return process.directory is not None and process.directory != self.identity

    def family(self, processes: Iterable[Process]) -> frozenset[Process]:
        """Of ``processes``, the server on this data and its children, orphans included."""
        everyone = list(processes)
        own = {process for process in everyone if self.owns(process)}
        # A container may hide the directory of another account's processes, even from root.
        pids = {process.pid for process in own}
        own |= {one for one in everyone if one.name == "postgres" and one.parent in pids}
        return frozenset(own)

    def living(self) -> frozenset[Process]:
        """The server on this data and its children, as they live now."""
        return self.family(_all())


def look_up(pid: int) -> Process | None:
    """The living process ``pid``; None if there is none, or only its unburied remains."""
    if _PROC.is_dir():
        return _linux(pid)
    return next(iter(from_ps(_ps("-p", str(pid)))), None)


def is_taken(pid: int) -> bool:
    """Whether the system knows ``pid``, be it a zombie's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def lives(process: Process) -> bool:
    """Whether ``process`` itself still lives, not a later one with its pid."""
    now = look_up(process.pid)
    return now is not None and now.birth == process.birth


def send(process: Process, signal: int) -> None:
    """Send ``signal`` to ``process``, never to a later process with its pid."""
    if lives(process):
        try:
            os.kill(process.pid, signal)
        except ProcessLookupError:
            return


def from_ps(output: str) -> list[Process]:
    """The living processes in what ``ps`` prints for the columns that are asked for here."""
    found = []
    for line in output.splitlines():
        # A start time is five words: Mon Nov 23 08:22:00 2026.
        words = line.split(None, 9)
        if len(words) < 9 or words[2].startswith("Z"):
            continue
        command = words[9] if len(words) > 9 else ""
        birth = " ".join(words[3:8])
        found.append(Process(int(words[0]), int(words[1]), birth, words[8], None, command))
    return found


def _all() -> list[Process]:
    if not _PROC.is_dir():
        return from_ps(_ps("-ax"))
    pids = (int(name) for name in os.listdir(_PROC) if name.isdigit())
    return [process for process in map(_linux, pids) if process is not None]


def _ps(*arguments: str) -> str:
    run = subprocess.run(
        ["ps", *arguments, "-o", _COLUMNS],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=os.environ | {"LC_ALL": "C"},
        timeout=_ANSWERING,
        check=False,
    )
    return run.stdout


def _linux(pid: int) -> Process | None:
    try:
        # The name stands in parentheses and may itself hold parentheses and spaces.
        head, _, tail = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")
        words = tail.split()
        if words[0] in (b"Z", b"X"):
            return None
        name = os.fsdecode(head.partition(b"(")[2])
        parent, birth = int(words[1]), words[19].decode()
        directory = _working_directory(pid)
        command = ""
        if directory is None:
            written = (_PROC / str(pid) / "cmdline").read_bytes()
            command = os.fsdecode(written.replace(b"\0", b" "))
    except (FileNotFoundError, ProcessLookupError):
        return None
    return Process(pid, parent, birth, name, directory, command)


def _working_directory(pid: int) -> tuple[int, int] | None:
    try:
        found = os.stat(_PROC / str(pid) / "cwd")
    except PermissionError:
        return None
    return found.st_dev, found.st_ino

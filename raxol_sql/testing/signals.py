"""Signals to the processes of a server, each told by the data directory that it works in."""

from __future__ import annotations

import signal
from pathlib import Path

from raxol_sql.embedded.cluster import read_pid_file
from raxol_sql.embedded.deadline import Timer
from raxol_sql.embedded.processes import Data, Process, lives, send
from raxol_sql.errors import EmbeddedError

STOPPED = b"Tt"


def postmaster_of(data: Data) -> Process:
    """The first process of the server on ``data``; raises `EmbeddedError` if there is none."""
    file = read_pid_file(data.path)
    for process in data.living():
        if file is not None and process.pid == file.pid:
            return process
    raise EmbeddedError(f"no server runs on {data.path}: start it first")


def member_of(data: Data, pid: int) -> Process:
    """The process ``pid``; raises `EmbeddedError` if it is not one of the server on ``data``."""
    for process in data.living():
        if process.pid == pid:
            return process
    raise EmbeddedError(f"{pid} is no process of the server on {data.path}")


def kill(data: Data, deadline: Timer) -> None:
    """Kill what lives of the server on ``data`` (SIGKILL), its first process first."""
    # Once its parent is dead, a child may not be told by anything but having been seen before.
    seen: list[Process] = []

    def is_dead() -> bool:
        seen.extend(data.living().difference(seen))
        pids = {process.pid for process in seen}
        for process in sorted(seen, key=lambda one: one.parent in pids):
            send(process, signal.SIGKILL)
        return not any(map(lives, seen)) and not data.living()

    if not deadline.wait_until(is_dead):
        left = sorted(process.pid for process in seen if lives(process))
        raise EmbeddedError(f"the processes {left} of the server on {data.path} cannot be killed")


def freeze(process: Process, deadline: Timer) -> None:
    """Stop a process (SIGSTOP); afterwards it does nothing any more."""
    send(process, signal.SIGSTOP)
    if not deadline.wait_until(lambda: _state(process) in STOPPED):
        raise EmbeddedError(f"the process {process.pid} has not stopped in time")


def thaw(process: Process) -> None:
    """Let a process go on (SIGCONT); one that is gone or was not stopped does not mind."""
    send(process, signal.SIGCONT)


def _state(process: Process) -> bytes:
    """The letter of its state; one that is gone is as still as one that is stopped."""
    try:
        return Path(f"/proc/{process.pid}/stat").read_bytes().rpartition(b") ")[2][:1]
    except (FileNotFoundError, ProcessLookupError):
        return STOPPED[:1]

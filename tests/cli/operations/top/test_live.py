"""`raxol-sql top` live in a terminal: its keys, its ends, and a server that goes away."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from raxol_sql.testing import FaultServer


class Terminal:
    """A terminal of 80 columns and 24 lines with a command in it."""

    def __init__(self, controller: int, running: subprocess.Popen[bytes], before: object) -> None:
        self.running = running
        self.before = before
        self.controller = controller
        self.written = ""

    def await_text(self, words: str) -> None:
        """Reads on until these words came, after what was read before."""
        deadline, start = time.monotonic() + 20, len(self.written)
        while words not in self.written[start:]:
            assert time.monotonic() < deadline, f"{words!r} never came: {self.written[-2000:]!r}"
            self._read()

    def press(self, keys: str) -> None:
        os.write(self.controller, keys.encode())

    def ended(self) -> int:
        """The exit code, when it has ended."""
        deadline = time.monotonic() + 20
        while self.running.poll() is None:
            assert time.monotonic() < deadline, "it does not end"
            self._read()
        self._read()
        return self.running.returncode

    def is_as_before(self) -> bool:
        """Whether the terminal is set as it was, shows its cursor and its own screen."""
        order = [self.written.rfind(f"\x1b[?{one}") for one in ("1049h", "1049l", "25l", "25h")]
        return (
            termios.tcgetattr(self.controller) == self.before
            and -1 < order[0] < order[1]
            and -1 < order[2] < order[3]
        )

    def _read(self) -> None:
        if select.select([self.controller], [], [], 0.05)[0]:
            self.written += os.read(self.controller, 65536).decode(errors="replace")


# Ctrl-C is for the processes to whom the terminal belongs.
IN_FOREGROUND = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "raxol_sql", "top", *sys.argv[1:]])
"""


@contextmanager
def in_terminal(folder: Path, *words: str) -> Iterator[Terminal]:
    controller, terminal = pty.openpty()
    try:
        termios.tcsetwinsize(terminal, (24, 80))
        before = termios.tcgetattr(controller)
        running = subprocess.Popen(
            [sys.executable, "-c", IN_FOREGROUND, *words],
            cwd=folder,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color"},
        )
        try:
            yield Terminal(controller, running, before)
        finally:
            running.kill()
            running.wait()
    finally:
        os.close(terminal)
        os.close(controller)


@pytest.mark.usefixtures("busy")
def test_live_it_goes_on_holds_the_picture_and_ends_on_q(project: Path) -> None:
    with in_terminal(project, "--interval", "0.2") as terminal:
        terminal.await_text("q quits, space pauses")
        terminal.await_text("forgotten")
        assert termios.tcgetattr(terminal.controller) != terminal.before
        terminal.press(" ")
        terminal.await_text("paused: space goes on, q quits")
        terminal.press("x\x1b[A")
        terminal.press(" ")
        terminal.await_text("q quits, space pauses")
        terminal.press("q")
        assert terminal.ended() == 0
        assert terminal.is_as_before()
        assert "Traceback" not in terminal.written
        assert "hunter2" not in terminal.written


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda terminal: terminal.press("\x03"), 0),
        (lambda terminal: terminal.running.send_signal(signal.SIGTERM), 128 + signal.SIGTERM),
        (lambda terminal: terminal.running.send_signal(signal.SIGHUP), 128 + signal.SIGHUP),
    ],
)
def test_the_terminal_is_restored_however_it_ends(
    project: Path, end: Callable[[Terminal], None], code: int
) -> None:
    with in_terminal(project) as terminal:
        terminal.await_text("q quits, space pauses")
        end(terminal)
        assert terminal.ended() == code
        assert terminal.is_as_before()
        assert "Traceback" not in terminal.written


@pytest.mark.usefixtures("busy")
def test_live_it_ends_after_so_many_intervals(project: Path) -> None:
    with in_terminal(project, "--interval", "0.1", "--count", "2") as terminal:
        assert terminal.ended() == 0
        assert terminal.is_as_before()


@pytest.mark.faults
def test_a_server_that_goes_away_is_said_and_watched_again_when_it_is_back(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer() as server:
        folder = server.conninfo().split("host=")[1].split()[0]
        monkeypatch.setenv("DATABASE_URL", f"postgresql://postgres@/postgres?host={folder}")
        with in_terminal(project, "--interval", "0.2") as terminal:
            terminal.await_text("queries, sampled")
            server.stop()
            terminal.await_text("no answer since")
            server.start()
            terminal.await_text("queries, sampled")
            assert "no answer" not in terminal.written[-1000:]
            terminal.press("q")
            assert terminal.ended() == 0
            assert terminal.is_as_before()

"""Single keys from the terminal, which is at the end what it was before."""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

try:
    import termios
    import tty
except ImportError:  # Windows has none of it
    termios = None  # type: ignore[assignment]

Wait = Callable[[float], str]

# What comes for an arrow and its like, which is no character.
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|[^\[O])?")


@contextmanager
def keys() -> Iterator[Wait]:
    """
    A block in which keys come at once, and unseen.

    It is given a function that waits so many seconds for keys, and gives those that came: none when
    the time is over, and ``q`` where no key can be pressed any more. Ctrl-C raises
    KeyboardInterrupt as ever, Ctrl-Z does nothing, and where the process is told to end, by
    SIGTERM or SIGHUP, it does so through every ``finally``. Where stdin is no terminal of a kind
    that can do this it only waits. For the main thread.
    """
    with _ending_in_order():
        before = _mode()
        if before is None:
            yield _sleep
            return
        descriptor = sys.stdin.fileno()
        try:
            tty.setcbreak(descriptor, termios.TCSANOW)
            mode = termios.tcgetattr(descriptor)
            mode[6][termios.VSUSP] = bytes([os.fpathconf(descriptor, "PC_VDISABLE")])
            termios.tcsetattr(descriptor, termios.TCSANOW, mode)
            yield lambda seconds: _key(descriptor, seconds)
        finally:
            # There may be no terminal any more.
            with suppress(termios.error):
                termios.tcsetattr(descriptor, termios.TCSANOW, before)


def _mode() -> list[Any] | None:
    """How the terminal of stdin is set; None where it is none, or none that can be set."""
    if termios is None:
        return None
    try:
        return termios.tcgetattr(sys.stdin.fileno())
    except (AttributeError, OSError, ValueError, termios.error):
        return None


def _key(descriptor: int, seconds: float) -> str:
    if not select.select([descriptor], [], [], max(0.0, seconds))[0]:
        return ""
    try:
        read = os.read(descriptor, 1024).decode(errors="replace") or "q"
    except OSError:
        return "q"  # the terminal is gone
    return _SEQUENCE.sub("", read)


def _sleep(seconds: float) -> str:
    time.sleep(max(0.0, seconds))
    return ""


@contextmanager
def _ending_in_order() -> Iterator[None]:
    found = [getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")]
    before = {one: signal.signal(one, _end) for one in found if one is not None}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)

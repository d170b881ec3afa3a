"""A stopwatch that tells the time of the code under test from that of a busy machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Seconds between two beats, and the lateness of a beat that no busy machine is needed for.
_BEAT = 0.005
_USUAL = 0.002
# A call goes through three processes one after another: the client's, the backend's, and for a
# cancel the postmaster's. Each may wait as long for a processor as a beat does.
_PROCESSES = 3
_PRESSURE = Path("/proc/pressure/cpu")


class Watch:
    """
    Takes the time of a block, and compares it with bounds.

    The upper bound is for a machine that has a processor for every process. It grows by the time
    in which some process waited for one, as the kernel counts it, or by how late a thread was
    woken, whichever is more: on a machine that stands still for a second the call may take that
    second, and on an idle one it may not. ``took`` is the time of the last block, and
    ``allowance`` what its bound grew by, in seconds.
    """

    def __init__(self) -> None:
        self.took = 0.0
        self.allowance = 0.0

    @contextmanager
    def at_most(self, seconds: float, at_least: float = 0.0) -> Iterator[None]:
        """Fails for a block that took less or more, in seconds, but not in place of its error."""
        late = [0.0]
        over = threading.Event()
        thread = threading.Thread(target=_beat, args=[over, late], daemon=True)
        thread.start()
        stalled, begun = _stalled(), time.monotonic()
        try:
            yield
        finally:
            self.took = time.monotonic() - begun
            over.set()
            thread.join()
            self.allowance = max(_PROCESSES * late[0], _stalled() - stalled)
        allowed = seconds + self.allowance
        assert at_least <= self.took <= allowed, f"{self.took:.3f} s of {allowed:.3f} s"


def _stalled() -> float:
    """Seconds since the machine's start in which some process waited for a processor."""
    try:
        some = _PRESSURE.read_text().split("\n")[0]
    except OSError:
        return 0.0
    return int(some.rpartition("total=")[2]) / 1_000_000


def _beat(over: threading.Event, late: list[float]) -> None:
    """Adds up how late each beat came."""
    due = time.monotonic() + _BEAT
    while not over.wait(max(0.0, due - time.monotonic())):
        now = time.monotonic()
        late[0] += max(0.0, now - due - _USUAL)
        due = now + _BEAT

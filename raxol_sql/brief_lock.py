"""A lock for work in memory that takes microseconds."""

from __future__ import annotations

import threading
from contextlib import suppress

# Seconds. Nothing that these locks are for takes a thousandth of that.
_LONGEST = 1.0


class BriefLock:
    """
    A lock, for ``with``, that no interrupted holder can keep.

    An exception that a signal handler raises just before the lock would be released leaves it
    locked for good. A thread that has waited for it for a second assumes that, and goes on with a
    new lock. The same thread may take it again, as in a handler that runs in the middle. Safe
    for threads; a child process that was forked takes a new one.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        while not self._lock.acquire(timeout=_LONGEST):
            self._lock = threading.RLock()

    def __exit__(self, *error: object) -> None:
        # Another thread may have given this holder up, and replaced the lock.
        with suppress(RuntimeError):
            self._lock.release()

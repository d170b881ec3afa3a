"""A lock for critical sections of microseconds."""

from __future__ import annotations

import threading
from contextlib import suppress

# Seconds. Critical sections take less than a thousandth of that.
_LONGEST = 1.0


class BriefLock:
    """
    A reentrant lock, for ``with``, that an interrupted holder cannot keep.

    An exception that a signal handler raises just before the lock would be released leaves it
    locked for good. A thread that has waited for a second assumes that, and continues with a new
    lock. The same thread may acquire it again, as in a signal handler. Thread-safe; a forked child
    process gets a new lock.
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

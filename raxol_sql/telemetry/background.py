"""Work that a call leaves behind, for a thread that does it a moment later, in order."""

from __future__ import annotations

import atexit
import contextvars
import logging
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

# So many may lie there before whoever adds one more does them all: nothing is dropped, and nothing
# grows without end.
_MOST = 10_000
# What comes within this time, in seconds, is done in one go.
_GATHERING = 0.02

Work = Callable[[], object]
_log = logging.getLogger("raxol_sql.telemetry")


class Background:
    """
    Does what it is given, in the order in which it came, each in the context of its giver.

    The thread begins with the first piece of work, and ends with the process, before which all is
    done that is left. One that fails ends no other. Safe for threads.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.begin()
        _all.add(self)

    def begin(self) -> None:
        """Has nothing to do, and no thread."""
        self._left: deque[tuple[contextvars.Context, Work]] = deque()
        self._doing = threading.RLock()
        self._bell = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_asleep = False

    def add(self, work: Work) -> None:
        """Has it done soon."""
        self._left.append((contextvars.copy_context(), work))
        if self._is_asleep:
            self._bell.set()
        elif self._thread is None:
            self._start()
        elif len(self._left) > _MOST:
            self.flush()

    def flush(self) -> None:
        """Does in this thread, and now, what is left."""
        with self._doing:
            while self._left:
                context, work = self._left.popleft()
                try:
                    context.run(work)
                except Exception:
                    # A handler's or a filter's, which are somebody else's, and may fail here too.
                    with suppress(Exception):
                        _log.exception("a line of the log could not be written")

    def _start(self) -> None:
        with self._doing:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=_run, args=(weakref.ref(self),), name=self._name, daemon=True
                )
                self._thread.start()

    def rest(self) -> threading.Event | None:
        """What to wait for before there is more to do; None if there is something now."""
        self._bell.clear()
        self._is_asleep = True
        # What was added just before, nobody rang for.
        if self._left:
            self._is_asleep = False
            return None
        return self._bell

    def wake(self) -> None:
        """Takes note that somebody is there to do what comes."""
        self._is_asleep = False


def _run(known: Callable[[], Background | None]) -> None:
    pause = threading.Event()
    while (background := known()) is not None:
        background.flush()
        bell = background.rest()
        # Whoever forgets it must be able to: the thread keeps only what it waits for.
        del background
        if bell is not None and not bell.wait(_IDLE):
            continue
        if (background := known()) is not None:
            background.wake()
            del background
            pause.wait(_GATHERING)


# How often, in seconds, an idle thread looks whether anybody still knows what it works for.
_IDLE = 5.0
_all: weakref.WeakSet[Any] = weakref.WeakSet()


def _finish() -> None:
    for background in list(_all):
        background.flush()


def _forked() -> None:
    # What is left is the parent's to do, whose thread may have held the lock.
    for background in list(_all):
        background.begin()


atexit.register(_finish)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)

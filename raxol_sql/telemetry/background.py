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

# Above so many pieces the caller that adds one does one, so that they do not grow without end.
_MOST = 10_000
# What comes within this time, in seconds, is done in one go.
_GATHERING = 0.02

Work = Callable[[], object]
_log = logging.getLogger("raxol_sql.telemetry")


class Background:
    """
    Does what it is given, in the order in which it came, each in the context of its giver.

    The thread begins with the first piece of work. It ends when this is closed or forgotten and
    everything is done, and with the process, before which all is done that is left. One piece that
    fails ends no other. Where more than 10,000 lie there, `add` waits for one to be done. Safe for
    threads.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.begin()
        _all.add(self)

    def begin(self) -> None:
        """Has nothing to do, and no thread."""
        self._desk = desk = _Desk()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        weakref.finalize(self, desk.close).atexit = False

    def add(self, work: Work) -> None:
        """Has it done soon."""
        desk = self._desk
        desk.left.append((contextvars.copy_context(), work))
        if desk.is_asleep:
            desk.bell.set()
        elif self._thread is None:
            self._start()
        elif desk.is_closed:
            desk.flush()
        elif len(desk.left) > _MOST:
            desk.do_one()

    def close(self) -> None:
        """Does what is left, and ends the thread; what comes after that is done at once."""
        self._desk.flush()
        self._desk.close()

    def flush(self) -> None:
        """Does in this thread, and now, what is left."""
        self._desk.flush()

    def _start(self) -> None:
        with self._starting:
            if self._thread is not None:
                return
            thread = threading.Thread(target=self._desk.work, name=self._name, daemon=True)
            try:
                thread.start()
            except RuntimeError:
                self._desk.flush()  # the interpreter ends, and begins no thread any more
            else:
                self._thread = thread


class _Desk:
    """
    What lies there to be done. The thread that does it knows this alone, and not whose it is.
    """

    def __init__(self) -> None:
        self.left: deque[tuple[contextvars.Context, Work]] = deque()
        self.bell = threading.Event()
        self.is_asleep = self.is_closed = False
        # Not to be held up by itself: a piece of work may add one, and a signal come in between.
        self._doing = threading.RLock()
        _desks.add(self)

    def do_one(self) -> bool:
        """Does the oldest piece, if there is one."""
        with self._doing:
            try:
                context, work = self.left.popleft()
            except IndexError:
                return False
            try:
                context.run(work)
            except Exception:
                # A handler's or a filter's, which the program wrote, and may fail here too.
                with suppress(Exception):
                    _log.exception("a line of the log could not be written")
            return True

    def flush(self) -> None:
        """Does what is left."""
        # Together, so that who waits for it has seen the end of what was begun.
        with self._doing:
            while self.do_one():
                pass

    def close(self) -> None:
        """Has the thread end when everything is done."""
        self.is_closed = True
        self.bell.set()

    def work(self) -> None:
        """Does what comes, until it is closed."""
        pause = threading.Event()
        while self.left or not self.is_closed:
            try:
                while self.do_one():
                    pass
            except BaseException:
                _log.exception("a handler of the log has tried to end the program")
            self._rest()
            if not self.is_closed:
                pause.wait(_GATHERING)

    def _rest(self) -> None:
        self.bell.clear()
        self.is_asleep = True
        # What was added just before woke no thread.
        if not self.left and not self.is_closed:
            self.bell.wait()
        self.is_asleep = False


_all: weakref.WeakSet[Background] = weakref.WeakSet()
_desks: weakref.WeakSet[_Desk] = weakref.WeakSet()


def _finish() -> None:
    for desk in list(_desks):
        desk.flush()


def _forked() -> None:
    # What is left is the parent's to do, whose thread may have held a lock.
    _desks.clear()
    for background in list(_all):
        background.begin()


atexit.register(_finish)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)

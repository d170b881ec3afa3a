"""Subscribers to the events of a database."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

from raxol_sql.brief_lock import BriefLock
from raxol_sql.telemetry.event import QueryEvent
from raxol_sql.telemetry.metrics import Metrics, Recorder
from raxol_sql.telemetry.pool_status import PoolStatus
from raxol_sql.telemetry.watch import OperationTimer

Subscriber = Callable[[QueryEvent], object]
Listener = Callable[[OperationTimer], object]
_log = logging.getLogger("raxol_sql.telemetry")


class Telemetry:
    """
    The listeners of one database, with all its transactions. Safe for threads.

    Listeners are this package's own: they get the clocks of operations that ended, and raise
    nothing. Subscribers are the program's, and get events. ``recorder`` adds everything up, if
    there is one. ``listens`` says whether there is any subscriber; without one, nothing is
    measured.
    """

    def __init__(self, recorder: Recorder | None) -> None:
        self.recorder = recorder
        self._since = time.time()
        self._lock = BriefLock()
        self._listeners: tuple[Listener, ...] = () if recorder is None else (recorder.add,)
        self._subscribers: tuple[Subscriber, ...] = ()
        self.listens = bool(self._listeners)
        self._over = self.over

    def listen(self, listener: Listener) -> Callable[[], None]:
        """From now on ``listener`` is called with each clock; gives what ends that."""
        with self._lock:
            self._set((*self._listeners, listener), self._subscribers)

        def end() -> None:
            with self._lock:
                left = tuple(one for one in self._listeners if one is not listener)
                self._set(left, self._subscribers)

        return end

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """From now on ``subscriber`` is called with each event; gives what ends that."""
        # Twice the same is two subscriptions, of which each is ended by itself.
        own = partial(subscriber)
        with self._lock:
            self._set(self._listeners, (*self._subscribers, own))

        def unsubscribe() -> None:
            self._drop(own)

        return unsubscribe

    def watch(self, name: str, operation: str, text: str = "") -> OperationTimer:
        """A clock for an operation that begins now."""
        return OperationTimer(self._over, name, operation, text)

    def over(self, watch: OperationTimer) -> None:
        """
        Tells everybody of an operation that has ended.

        A subscriber who raises is told nothing any more, and that is logged.
        """
        for listener in self._listeners:
            listener(watch)
        if not self._subscribers:
            return
        event = watch.event()
        for subscriber in self._subscribers:
            try:
                subscriber(event)
            except Exception:
                self._drop(subscriber)
                _log.exception("a subscriber failed and is told of nothing any more")

    def metrics(self, pool: PoolStatus, *, reset: bool) -> Metrics:
        """Return the counters and the pool's state; ``reset`` starts counting again."""
        if self.recorder is None:
            return Metrics(self._since, {}, pool)
        since, queries = self.recorder.read(reset=reset)
        return Metrics(since, queries, pool)

    def after_fork(self) -> None:
        """Start again in a child process, whose parent may have held a lock."""
        self._lock = BriefLock()
        if self.recorder is not None:
            self.recorder.after_fork()

    def _drop(self, subscriber: Subscriber) -> None:
        with self._lock:
            left = tuple(one for one in self._subscribers if one is not subscriber)
            self._set(self._listeners, left)

    def _set(self, listeners: tuple[Listener, ...], subscribers: tuple[Subscriber, ...]) -> None:
        self._listeners, self._subscribers = listeners, subscribers
        self.listens = bool(listeners or subscribers)

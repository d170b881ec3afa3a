"""To whom it is told what a database does."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from raxol_sql.telemetry.event import QueryEvent
from raxol_sql.telemetry.metrics import Metrics, Recorder
from raxol_sql.telemetry.pool_status import PoolStatus
from raxol_sql.telemetry.watch import Watch

Subscriber = Callable[[QueryEvent], object]
_log = logging.getLogger("raxol_sql.telemetry")


class Telemetry:
    """
    The listeners of one database, with all its transactions. Safe for threads.

    ``recorder`` adds everything up, if there is one. ``listens`` says whether anybody is told at
    all; where nobody is, nothing is measured.
    """

    def __init__(self, recorder: Recorder | None) -> None:
        self.recorder = recorder
        self.listens = recorder is not None
        self._since = time.time()
        self._lock = threading.Lock()
        self._subscribers: tuple[Subscriber, ...] = ()
        self._tell: tuple[Subscriber, ...] = () if recorder is None else (recorder,)

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """From now on ``subscriber`` is called with each event; gives what ends that."""
        # Twice the same is two subscriptions, of which each is ended by itself.
        own = partial(subscriber)
        with self._lock:
            self._set((*self._subscribers, own))

        def unsubscribe() -> None:
            self._drop(own)

        return unsubscribe

    def watch(self, name: str, operation: str, text: str = "") -> Watch:
        """A clock for an operation that begins now."""
        return Watch(self.tell, name, operation, text)

    def tell(self, event: QueryEvent) -> None:
        """Tells everybody. One who raises is told nothing any more, and that is logged."""
        for subscriber in self._tell:
            try:
                subscriber(event)
            except Exception:
                self._drop(subscriber)
                _log.exception("a subscriber failed and is told of nothing any more")

    def metrics(self, pool: PoolStatus, *, reset: bool) -> Metrics:
        """What was counted, beside how the pool is; with ``reset`` counting begins anew."""
        if self.recorder is None:
            return Metrics(self._since, {}, pool)
        since, queries = self.recorder.read(reset=reset)
        return Metrics(since, queries, pool)

    def forked(self) -> None:
        """Begins anew in a child process, whose parent may have held a lock."""
        self._lock = threading.Lock()
        if self.recorder is not None:
            self.recorder.forked()

    def _drop(self, subscriber: Subscriber) -> None:
        with self._lock:
            self._set(tuple(one for one in self._subscribers if one is not subscriber))

    def _set(self, subscribers: tuple[Subscriber, ...]) -> None:
        self._subscribers = subscribers
        self._tell = subscribers if self.recorder is None else (self.recorder, *subscribers)
        self.listens = bool(self._tell)

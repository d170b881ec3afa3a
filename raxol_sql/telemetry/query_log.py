"""A line in the log for each operation, in the words of Ecto's."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs

from raxol_sql.telemetry.background import Background
from raxol_sql.telemetry.event import QueryEvent
from raxol_sql.telemetry.watch import OperationTimer

LOGGER = "raxol_sql.queries"
# How often, in seconds, the plan of one query is asked for at most.
_PLAN_PAUSE = 60.0
_log = logging.getLogger(LOGGER)
_writing = threading.local()


@attrs.frozen(eq=False, repr=False)
class LogOptions:
    """
    What is logged: see `Database.enable_query_logging`.

    ``level`` is that of an operation that ended well; ``slow_ms`` is in milliseconds, None for no
    limit. ``place`` gives the ``file:line`` that made the call that goes on, and ``explain`` the
    plan of a statement by its text.
    """

    level: int = attrs.field()
    slow_ms: float | None = attrs.field()
    sample: float = attrs.field()
    place: Callable[[], str] | None = None
    explain: Callable[[str], str] | None = None

    @slow_ms.validator
    def _check_slow(self, attribute: object, value: float | None) -> None:
        if value is not None and not value >= 0:
            raise ValueError(f"slow_ms is a number of milliseconds, or None; not {value!r}")

    @sample.validator
    def _check_sample(self, attribute: object, value: float) -> None:
        if not 0 <= value <= 1:
            raise ValueError(f"sample is a share from 0 to 1; not {value!r}")


class QueryLog:
    """
    Logs operations to ``raxol_sql.queries``, from a separate thread.

    No call waits for that, unless 10,000 lines wait to be written: then it writes one.

    A record has the time, the thread and the context of the call, so that filters that look for a
    request or a trace find it, and the figures as its attributes: ``query``, ``operation``,
    ``db_ms``, ``decode_ms``, ``queue_ms``, ``idle_ms``, ``total_ms``, ``rows``, ``attempt``,
    ``error``, ``category``, ``caller``. Safe for threads.
    """

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._background = Background("raxol_sql query log")
        self._planned: dict[str, float] = {}

    def __call__(self, watch: OperationTimer) -> None:
        """Has an operation that ended logged, if it is to be."""
        if getattr(_writing, "is_on", False):
            return  # a handler's own, whose lines would have it called again without end
        options = self._options
        # Every call comes here, and hardly any of them is logged where that costs nothing else.
        if watch.error is None and watch.attempts == 1 and not _is_slow(watch, options.slow_ms):
            level = options.level
            if not _log.isEnabledFor(level):
                return
            if options.sample < 1 and random.random() >= options.sample:
                return
        else:
            level = logging.WARNING if watch.error is None else logging.ERROR
            if not _log.isEnabledFor(level):
                return
        caller = None if options.place is None else options.place()
        thread = threading.current_thread()
        self._background.add(partial(self._write, watch.event(), level, thread, caller))

    def close(self) -> None:
        """Writes what is left, and ends its thread."""
        self._background.close()

    def _write(
        self, event: QueryEvent, level: int, thread: threading.Thread, caller: str | None
    ) -> None:
        _writing.is_on = True
        try:
            self._written(event, level, thread, caller)
        finally:
            _writing.is_on = False

    def _written(
        self, event: QueryEvent, level: int, thread: threading.Thread, caller: str | None
    ) -> None:
        options = self._options
        is_slow = options.slow_ms is not None and event.total_ms >= options.slow_ms
        tell = partial(_handle, level=level, event=event, thread=thread, caller=caller)
        tell(line(event, caller, is_slow=is_slow))
        if options.explain is None or not is_slow or event.error is not None or not event.text:
            return
        if self._may_plan(event.name):
            tell(f"PLAN name={event.name}\n{options.explain(event.text)}")

    def _may_plan(self, name: str) -> bool:
        now = time.monotonic()
        if now - self._planned.get(name, -_PLAN_PAUSE) < _PLAN_PAUSE:
            return False
        self._planned[name] = now
        return True


def line(event: QueryEvent, caller: str | None = None, *, is_slow: bool) -> str:
    """The line of one event, such as ``QUERY OK name=users.get db=1.2ms ... rows=1 attempt=1``."""
    parts = [f"QUERY {'OK' if event.error is None else 'ERROR'} name={event.name}"]
    if event.error is not None:
        parts.append(f"error={event.error} category={(event.category or '').replace(' ', '_')}")
    parts.append(
        f"db={event.query_ms:.1f}ms decode={event.decode_ms:.1f}ms queue={event.queue_ms:.1f}ms "
        f"idle={event.idle_ms:.0f}ms"
    )
    if event.attempts > 1:
        parts.append(f"paused={event.paused_ms:.0f}ms")
    if event.rows is not None:
        parts.append(f"rows={event.rows}")
    if event.operation != "run":
        parts.append(f"operation={event.operation}")
    if event.size > 1:
        parts.append(f"size={event.size}")
    parts.append(f"attempt={event.attempts}")
    if is_slow:
        parts.append("slow")
    if caller is not None:
        parts.append(f"caller={caller}")
    return " ".join(parts)


def _is_slow(watch: OperationTimer, limit: float | None) -> bool:
    if limit is None:
        return False
    return (watch.queue + watch.query + watch.decode + watch.paused) * 1000 >= limit


def _handle(
    message: str, *, level: int, event: QueryEvent, thread: threading.Thread, caller: str | None
) -> None:
    file, _, number = (caller or "(unknown file):0").rpartition(":")
    # Whatever a program puts into its records, as the names of requests.
    factory = logging.getLogRecordFactory()
    record = factory(LOGGER, level, file, int(number), message, None, None)
    late = record.created - event.ended
    record.created, record.msecs = event.ended, event.ended % 1 * 1000
    record.relativeCreated -= late * 1000
    record.thread, record.threadName = thread.ident, thread.name
    vars(record).update(_fields(event), caller=caller)
    _log.handle(record)


def _fields(event: QueryEvent) -> dict[str, Any]:
    """The figures of an event, under names that no record has of itself."""
    return {
        "query": event.name,
        "operation": event.operation,
        "db_ms": event.query_ms,
        "decode_ms": event.decode_ms,
        "queue_ms": event.queue_ms,
        "idle_ms": event.idle_ms,
        "total_ms": event.total_ms,
        "rows": event.rows,
        "attempt": event.attempts,
        "error": event.error,
        "category": event.category,
    }

"""The figures of all operations of a database, by name."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

import attrs

from raxol_sql.brief_lock import BriefLock
from raxol_sql.telemetry.histogram import BOUNDS_MS, Histogram, empty_counts
from raxol_sql.telemetry.pool_status import PoolStatus
from raxol_sql.telemetry.watch import OperationTimer

# A program that makes its queries up as it goes must not fill the memory with their names.
MOST_NAMES = 1000
OTHERS = "(others)"
_AT_ONCE = 256
_BOUNDS = [bound / 1000 for bound in BOUNDS_MS]


@attrs.frozen
class QueryMetrics:
    """
    What is known of the operations of one name since counting began.

    ``errors`` are their numbers by `Category`, in its word, ``retries`` the attempts after the
    first ones, and ``rows`` those given or changed. ``latency`` is how their whole times are
    spread, and the others are sums; all in milliseconds.
    """

    calls: int
    errors: Mapping[str, int]
    retries: int
    rows: int
    queue_ms: float
    query_ms: float
    decode_ms: float
    paused_ms: float
    latency: Histogram

    @property
    def failed(self) -> int:
        """How many of the calls ended with an error."""
        return sum(self.errors.values())

    def summary(self) -> dict[str, Any]:
        """The figures and some quantiles as a flat mapping, for JSON and tables."""
        return {
            "calls": self.calls,
            "failed": self.failed,
            "errors": dict(self.errors),
            "retries": self.retries,
            "rows": self.rows,
            "queue_ms": self.queue_ms,
            "query_ms": self.query_ms,
            "decode_ms": self.decode_ms,
            "paused_ms": self.paused_ms,
            "total_ms": self.latency.sum,
            "p50_ms": self.latency.quantile(0.5),
            "p95_ms": self.latency.quantile(0.95),
            "p99_ms": self.latency.quantile(0.99),
            "max_ms": self.latency.max,
        }


@attrs.frozen
class Metrics:
    """
    The figures of a database: those of its operations by name, and those of its pool.

    ``since`` is when counting began, in seconds since the epoch. More than `MOST_NAMES` names
    share one, ``(others)``. With ``metrics`` off in the configuration ``queries`` is empty.
    """

    since: float
    queries: Mapping[str, QueryMetrics]
    pool: PoolStatus

    def as_dict(self) -> dict[str, Any]:
        """All figures as nested mappings that JSON can hold."""
        return {
            "since": self.since,
            "queries": {name: one.summary() for name, one in self.queries.items()},
            "pool": attrs.asdict(self.pool),
        }


class Recorder:
    """
    Adds operations up: a few hundred at a time, as that takes half as long. Safe for threads.

    Nothing is missed: reading the figures adds the rest first.
    """

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Start again from zero, in a child too, whose parent may have held the lock."""
        # A signal's handler may ask for the figures while they are added up.
        self._lock = BriefLock()
        self._left: deque[OperationTimer] = deque()
        self._clear()

    def add(self, watch: OperationTimer) -> None:
        """Counts an operation that has ended."""
        left = self._left
        left.append(watch)
        if len(left) >= _AT_ONCE:
            with self._lock:
                self._add_up()

    def read(self, *, reset: bool) -> tuple[float, dict[str, QueryMetrics]]:
        """When counting began, and the figures by name; with ``reset`` it starts again."""
        with self._lock:
            self._add_up()
            since = self._since
            found = {name: tally.read() for name, tally in sorted(self._tallies.items())}
            if reset:
                self._clear()
        return since, found

    def _clear(self) -> None:
        self._since = time.time()
        self._tallies: dict[str, _Tally] = {}

    def _add_up(self) -> None:
        tallies, left = self._tallies, self._left
        while left:
            watch = left.popleft()
            tally = tallies.get(watch.name)
            if tally is None:
                tally = self._new(watch.name)
            tally.add(watch)

    def _new(self, name: str) -> _Tally:
        if len(self._tallies) >= MOST_NAMES:
            name = OTHERS
        return self._tallies.setdefault(name, _Tally())


class _Tally:
    """What one name has come to."""

    __slots__ = (
        *("_calls", "_counts", "_decode", "_errors", "_max", "_paused", "_query", "_queue"),
        *("_retries", "_rows"),
    )

    def __init__(self) -> None:
        self._calls = self._retries = self._rows = 0
        self._queue = self._query = self._decode = self._paused = self._max = 0.0
        self._errors: Counter[str] = Counter()
        self._counts = empty_counts(BOUNDS_MS)

    def add(self, watch: OperationTimer) -> None:
        queue, query, decode = watch.queue, watch.query, watch.decode
        self._calls += 1
        self._queue += queue
        self._query += query
        self._decode += decode
        total = queue + query + decode
        if watch.rows:
            self._rows += watch.rows
        if watch.attempts > 1:
            self._retries += watch.attempts - 1
            self._paused += watch.paused
            total += watch.paused
        if watch.category is not None:
            self._errors[watch.category] += 1
        self._counts[bisect_left(_BOUNDS, total)] += 1
        if total > self._max:
            self._max = total

    def read(self) -> QueryMetrics:
        total = self._queue + self._query + self._decode + self._paused
        return QueryMetrics(
            self._calls,
            dict(self._errors),
            self._retries,
            self._rows,
            self._queue * 1000,
            self._query * 1000,
            self._decode * 1000,
            self._paused * 1000,
            Histogram(BOUNDS_MS, tuple(self._counts), total * 1000, self._max * 1000),
        )

"""The figures of all operations of a database, by name."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from typing import Any

import attrs

from raxol_sql.telemetry.event import QueryEvent
from raxol_sql.telemetry.histogram import BOUNDS_MS, Histogram, empty_counts
from raxol_sql.telemetry.pool_status import PoolStatus

# A program that makes its queries up as it goes must not fill the memory with their names.
MOST_NAMES = 1000
OTHERS = "(others)"


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
    """Adds events up. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Begins anew."""
        with self._lock:
            self._clear()

    def _clear(self) -> None:
        self._since = time.time()
        self._tallies: dict[str, _Tally] = {}

    def forked(self) -> None:
        """Begins anew in a child, whose parent may have held the lock."""
        self._lock = threading.Lock()
        self._clear()

    def __call__(self, event: QueryEvent) -> None:
        with self._lock:
            tally = self._tallies.get(event.name)
            if tally is None:
                tally = self._new(event.name)
            tally.add(event)

    def read(self, *, reset: bool) -> tuple[float, dict[str, QueryMetrics]]:
        """When counting began, and the figures by name; with ``reset`` it begins anew."""
        with self._lock:
            since = self._since
            found = {name: tally.read() for name, tally in sorted(self._tallies.items())}
            if reset:
                self._clear()
        return since, found

    def _new(self, name: str) -> _Tally:
        if len(self._tallies) >= MOST_NAMES:
            name = OTHERS
        return self._tallies.setdefault(name, _Tally())


class _Tally:
    """What one name has come to."""

    __slots__ = ("_calls", "_counts", "_errors", "_max", "_retries", "_rows", "_spent")

    def __init__(self) -> None:
        self._calls = self._retries = self._rows = 0
        self._errors: Counter[str] = Counter()
        self._spent = [0.0, 0.0, 0.0, 0.0]
        self._counts = empty_counts(BOUNDS_MS)
        self._max = 0.0

    def add(self, event: QueryEvent) -> None:
        self._calls += 1
        spent = self._spent
        spent[0] += event.queue_ms
        spent[1] += event.query_ms
        spent[2] += event.decode_ms
        total = event.total_ms
        if event.rows:
            self._rows += event.rows
        if event.attempts > 1:
            self._retries += event.attempts - 1
            spent[3] += event.paused_ms
        if event.category is not None:
            self._errors[event.category] += 1
        self._counts[bisect_left(BOUNDS_MS, total)] += 1
        if total > self._max:
            self._max = total

    def read(self) -> QueryMetrics:
        queue, query, decode, paused = self._spent
        total = queue + query + decode + paused
        return QueryMetrics(
            self._calls,
            dict(self._errors),
            self._retries,
            self._rows,
            queue,
            query,
            decode,
            paused,
            Histogram(BOUNDS_MS, tuple(self._counts), total, self._max),
        )

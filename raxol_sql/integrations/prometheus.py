"""Prometheus: the metrics of databases, read at each scrape. Needs the extra ``prometheus``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Self

try:
    from prometheus_client.core import (
        REGISTRY,
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        Metric,
    )
    from prometheus_client.registry import Collector, CollectorRegistry
except ImportError as error:
    raise ImportError(
        'prometheus_client is not installed: pip install "raxol_sql[prometheus]"', name=error.name
    ) from error

from raxol_sql.integrations.source import Source
from raxol_sql.telemetry import Metrics, PoolStatus, QueryMetrics

# Name, help and reading; times are in milliseconds here and in seconds there.
_OF_QUERIES: tuple[tuple[str, str, Callable[[QueryMetrics], float]], ...] = (
    ("calls", "Operations that ended, well or not.", lambda one: one.calls),
    ("rows", "Rows given or changed.", lambda one: one.rows),
    ("retries", "Attempts after the first one of an operation.", lambda one: one.retries),
    ("queue_seconds", "Waiting for a connection.", lambda one: one.queue_ms / 1000),
    (
        "server_seconds",
        "Sending statements and waiting for the server.",
        lambda one: one.query_ms / 1000,
    ),
    ("decode_seconds", "Making records of rows.", lambda one: one.decode_ms / 1000),
    ("paused_seconds", "Waiting between attempts.", lambda one: one.paused_ms / 1000),
)
_GAUGES: tuple[tuple[str, str, Callable[[PoolStatus], float]], ...] = (
    ("min", "Connections that the pool keeps.", lambda pool: pool.min),
    ("max", "Connections that the pool may have.", lambda pool: pool.max),
    ("size", "Connections that the pool has.", lambda pool: pool.size),
    ("in_use", "Connections in use.", lambda pool: pool.in_use),
    ("available", "Idle connections.", lambda pool: pool.available),
    ("waiting", "Callers that wait for a connection.", lambda pool: pool.waiting),
)
_COUNTERS: tuple[tuple[str, str, Callable[[PoolStatus], float]], ...] = (
    ("calls", "Calls that took a connection.", lambda pool: pool.calls),
    ("waits", "Calls that had to wait for a connection.", lambda pool: pool.waits),
    ("wait_seconds", "Waiting for connections.", lambda pool: pool.wait_ms / 1000),
    ("refused", "Calls that got no connection in time.", lambda pool: pool.refused),
    ("opened", "Connections that were opened.", lambda pool: pool.opened),
    ("connect_seconds", "Opening connections.", lambda pool: pool.connect_ms / 1000),
    ("failed", "Connections that could not be opened.", lambda pool: pool.failed),
    ("lost", "Connections that were found lost.", lambda pool: pool.lost),
)


class PrometheusCollector(Collector):
    """
    A collector of `Database.metrics` for Prometheus, without any cost for the calls of queries.

    ``databases`` is one `Database` or `AsyncDatabase`, or several of them by the value of their
    label ``database``; for a single one that is the database's name. All names of metrics begin
    with ``name``. The constructor registers it, unless ``registry`` is None.

    A context manager, which unregisters it at the end. Thread-safe. As every custom collector, it
    reports one process: prometheus_client's multiprocess mode does not collect it.
    """

    def __init__(
        self,
        databases: Source | Mapping[str, Source],
        *,
        name: str = "raxol_sql",
        registry: CollectorRegistry | None = REGISTRY,
    ) -> None:
        if isinstance(databases, Mapping):
            self._databases = dict(databases)
        else:
            self._databases = {databases.config.database: databases}
        self._name = name
        self._registry = registry
        if registry is not None:
            registry.register(self)

    def close(self) -> None:
        """Unregister it."""
        if self._registry is not None:
            self._registry.unregister(self)
            self._registry = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def describe(self) -> Iterator[Metric]:
        """Yield the metrics without samples, for the registry; reads no database."""
        return _families(self._name, {})

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics with their current values."""
        read = {name: database.metrics() for name, database in self._databases.items()}
        return _families(self._name, read)


def _families(prefix: str, read: Mapping[str, Metrics]) -> Iterator[Metric]:
    queries = [
        ([database, query], figures)
        for database, metrics in read.items()
        for query, figures in metrics.queries.items()
    ]
    pools = [([database], metrics.pool) for database, metrics in read.items()]
    for name, help_text, reading in _OF_QUERIES:
        counter = CounterMetricFamily(f"{prefix}_{name}", help_text, labels=["database", "query"])
        for labels, figures in queries:
            counter.add_metric(labels, reading(figures))
        yield counter
    yield _errors(prefix, queries)
    yield _latencies(prefix, queries)
    for name, help_text, level in _GAUGES:
        gauge = GaugeMetricFamily(f"{prefix}_pool_{name}", help_text, labels=["database"])
        for labels, pool in pools:
            # A closed pool keeps its counters, but has no gauges any more.
            if not pool.closed:
                gauge.add_metric(labels, level(pool))
        yield gauge
    for name, help_text, count in _COUNTERS:
        counter = CounterMetricFamily(f"{prefix}_pool_{name}", help_text, labels=["database"])
        for labels, pool in pools:
            counter.add_metric(labels, count(pool))
        yield counter


def _errors(prefix: str, queries: list[tuple[list[str], QueryMetrics]]) -> Metric:
    errors = CounterMetricFamily(
        f"{prefix}_errors",
        "Operations that ended with an error.",
        labels=["database", "query", "category"],
    )
    for labels, figures in queries:
        for category, count in figures.errors.items():
            errors.add_metric([*labels, category], count)
    return errors


def _latencies(prefix: str, queries: list[tuple[list[str], QueryMetrics]]) -> Metric:
    histogram = HistogramMetricFamily(
        f"{prefix}_query_seconds",
        "The whole time of operations, with all their waits.",
        labels=["database", "query"],
    )
    for labels, figures in queries:
        latency = figures.latency
        buckets = [
            ("+Inf" if bound == float("inf") else repr(bound / 1000), float(count))
            for bound, count in latency.cumulative()
        ]
        histogram.add_metric(labels, buckets, latency.sum / 1000)
    return histogram

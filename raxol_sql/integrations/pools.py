"""OpenTelemetry's instruments for the pools of databases, read at each collection."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from opentelemetry.metrics import (
    CallbackOptions,
    Meter,
    MeterProvider,
    Observation,
    get_meter_provider,
)

from raxol_sql.brief_lock import BriefLock
from raxol_sql.telemetry import PoolStatus

Reading = Callable[[PoolStatus], int]

_NAME = "db.client.connection.pool.name"
_STATE = "db.client.connection.state"
# Name, unit, description and reading of what goes up and down; see `Pools` for the others.
_LEVELS: tuple[tuple[str, str, str, Reading], ...] = (
    (
        "db.client.connection.idle.min",
        "{connection}",
        "The minimum number of idle open connections allowed",
        lambda status: status.min,
    ),
    (
        "db.client.connection.max",
        "{connection}",
        "The maximum number of open connections allowed",
        lambda status: status.max,
    ),
    (
        "db.client.connection.pending_requests",
        "{request}",
        "The number of current pending requests for an open connection",
        lambda status: status.waiting,
    ),
)


class Pool(Protocol):
    """A pool with its name; its status is None after its exporter was closed."""

    name: str

    def status(self) -> PoolStatus | None: ...


class Pools:
    """
    The pools whose metrics go to one meter provider.

    A provider keeps only the first instrument of a name, with its callback, as long as it exists.
    So there is one set of instruments, which reads the pools at each collection. Thread-safe.
    """

    def __init__(self, meter: Meter) -> None:
        self._lock = BriefLock()
        self._pools: weakref.WeakSet[Pool] = weakref.WeakSet()
        meter.create_observable_up_down_counter(
            "db.client.connection.count",
            [self._count],
            "{connection}",
            "The number of connections that are currently in the described state",
        )
        for name, unit, description, reading in _LEVELS:
            meter.create_observable_up_down_counter(
                name, [self._reader(reading)], unit, description
            )
        meter.create_observable_counter(
            "db.client.connection.timeouts",
            [self._reader(lambda status: status.refused)],
            "{timeout}",
            "The number of connection timeouts that have occurred trying to obtain a connection "
            "from the pool",
        )

    def add(self, pool: Pool) -> None:
        """Read a pool at each collection, as long as the program refers to it."""
        with self._lock:
            self._pools.add(pool)

    def remove(self, pool: Pool) -> None:
        """Stop reading a pool."""
        with self._lock:
            self._pools.discard(pool)

    def _open(self) -> Iterator[tuple[str, PoolStatus]]:
        with self._lock:
            pools = [*self._pools]
        for pool in pools:
            status = pool.status()
            if status is not None and not status.closed:
                yield pool.name, status

    def _count(self, options: CallbackOptions) -> Iterable[Observation]:
        for name, status in self._open():
            yield Observation(status.available, {_NAME: name, _STATE: "idle"})
            yield Observation(status.in_use, {_NAME: name, _STATE: "used"})

    def _reader(self, reading: Reading) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def read(options: CallbackOptions) -> Iterable[Observation]:
            return [Observation(reading(status), {_NAME: name}) for name, status in self._open()]

        return read


class _Known:
    """The `Pools` by their provider."""

    def __init__(self) -> None:
        self._lock = BriefLock()
        self._by_provider: weakref.WeakKeyDictionary[MeterProvider, Pools] = (
            weakref.WeakKeyDictionary()
        )
        self._global: Pools | None = None

    def of(self, provider: MeterProvider, meter: Meter) -> Pools:
        # The global provider is another object before it is set, whose instruments move over.
        is_global = provider is get_meter_provider()
        with self._lock:
            found = self._by_provider.get(provider)
            if found is None:
                found = (self._global if is_global else None) or Pools(meter)
                self._by_provider[provider] = found
            if is_global:
                self._global = found
            return found


_known = _Known()


def pools_of(provider: MeterProvider, meter: Meter) -> Pools:
    """Return the `Pools` of a provider, with instruments of ``meter`` for a new provider."""
    return _known.of(provider, meter)

"""A source of events that a test makes up, beside the real databases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from raxol_sql.config import Config
from raxol_sql.telemetry import Metrics, OperationTimer, PoolStatus, QueryEvent, Recorder, Telemetry

POOL = PoolStatus(
    min=1,
    max=9,
    size=5,
    available=3,
    in_use=2,
    waiting=4,
    closed=False,
    calls=70,
    waits=8,
    wait_ms=1500,
    refused=6,
    opened=11,
    connect_ms=2500,
    failed=12,
    lost=13,
)


class MadeUp:
    """The telemetry of a database without the database: what is told to it is what happened."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.pool = POOL
        self.telemetry = Telemetry(Recorder())

    def subscribe(self, subscriber: Callable[[QueryEvent], object], /) -> Callable[[], None]:
        return self.telemetry.subscribe(subscriber)

    def metrics(self) -> Metrics:
        return self.telemetry.metrics(self.pool, reset=False)

    def pool_status(self) -> PoolStatus:
        return self.pool

    def tell(self, **changed: Any) -> QueryEvent:
        """Tells of an operation that is like any other but for what is ``changed``."""
        event = EVENT._replace(**changed)
        watch = _Told(self.telemetry.over, event.name, event.operation)
        watch.told = event
        watch.attempts, watch.rows = event.attempts, event.rows
        watch.error, watch.category = event.error, event.category
        watch.queue, watch.query = event.queue_ms / 1000, event.query_ms / 1000
        watch.decode, watch.paused = event.decode_ms / 1000, event.paused_ms / 1000
        self.telemetry.over(watch)
        return event


class _Told(OperationTimer):
    """A clock that has seen what it is told."""

    __slots__ = ("told",)
    told: QueryEvent

    def event(self) -> QueryEvent:
        return self.told


EVENT = QueryEvent(
    name="users.get",
    operation="run",
    text="select 1 where id = $1",
    size=1,
    attempts=1,
    rows=1,
    idle_ms=900.0,
    queue_ms=0.5,
    query_ms=1.25,
    decode_ms=0.125,
    paused_ms=0.0,
    ended=1_800_000_000.0,
)


@pytest.fixture
def made_up(database: str) -> MadeUp:
    """Events that are made up, of a database that there is."""
    return MadeUp(Config.find(database))


@pytest.fixture
def made_up_at(tmp_path: Path) -> Callable[[str], MadeUp]:
    """Events that are made up, of a database at an address, whatever a project says."""
    return lambda url: MadeUp(Config.find(url, start=tmp_path, environ={}))


@pytest.fixture
def another_pool() -> Callable[..., PoolStatus]:
    """The status of the pool with other figures."""
    return lambda **changed: attrs.evolve(POOL, **changed)

"""The interface of a database that integrations use, sync or asyncio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from raxol_sql.config import Config
from raxol_sql.telemetry import Metrics, PoolStatus, QueryEvent


class Source(Protocol):
    """A `Database` or an `AsyncDatabase`."""

    @property
    def config(self) -> Config: ...

    def subscribe(self, subscriber: Callable[[QueryEvent], object], /) -> Callable[[], None]: ...

    def metrics(self) -> Metrics: ...

    def pool_status(self) -> PoolStatus: ...

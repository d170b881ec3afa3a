"""A pool that is opened, filled, and closed again, to see how long that takes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from time import perf_counter
from typing import Any

import attrs

from raxol_sql.config import Config, Conninfo
from raxol_sql.config.conninfo import Given
from raxol_sql.engine import Database
from raxol_sql.ops.connections.pooling import APPLICATION
from raxol_sql.ops.own_queries import own_queries
from raxol_sql.telemetry import PoolStatus

# Milliseconds in which it has to be full, where the configuration has no limit.
_LONGEST = 15_000
# Seconds by which those who hold one outlast those who wait for one, and are told that it is over.
_AFTER = 1.0


@attrs.frozen
class Probe:
    """
    The result of a pool's test: how many sessions it was to have, and how many were held at once.

    ``first_ms`` and ``full_ms`` are when the first and the last session had answered, from before
    the pool was opened; None where none did, or not all. ``backends`` is how many processes of the
    server answered. ``status`` is the pool's own word while all were held; ``error`` is the first
    that came, if any did.
    """

    size: int
    held: int
    backends: int
    first_ms: float | None
    full_ms: float | None
    status: PoolStatus | None = None
    error: Exception | None = None


def probe(config: Config, conninfo: Given) -> Probe:
    """
    Opens the configured pool on ``conninfo``, takes all its sessions at once, and closes it.

    It takes as many places of the server for a moment as the pool is large, and sends nothing but
    a question for the process that serves. Ends within about the configuration's ``timeout``.
    Raises the driver's error where not even the first connection can be made.
    """
    conninfo = Conninfo.of(conninfo)
    timeout = config.timeout or _LONGEST
    own = conninfo.changed(application_name=APPLICATION)
    since = perf_counter()
    with Database.open(
        own,
        pool_size=config.pool_size,
        pool_min_size=config.pool_min_size,
        timeout=timeout,
        prepare=config.prepare,
    ) as database:
        return _filled(database, config.pool_size, timeout / 1000, since)


def _filled(database: Database, size: int, seconds: float, since: float) -> Probe:
    asking = own_queries(__file__, "pool").backend()
    answered: list[tuple[int, float]] = []
    errors: list[Exception] = []
    statuses: list[PoolStatus] = []
    together = Barrier(size, action=lambda: statuses.append(database.pool_status()))

    def hold() -> None:
        try:
            with database.transaction(read_only=True) as tx:
                pid: Any = tx.run(asking)
                if together.broken:
                    return  # it is one that was released
                answered.append((pid, (perf_counter() - since) * 1000))
                # Held until all are: a session that is given back would be lent again.
                with suppress(BrokenBarrierError):
                    together.wait(seconds + _AFTER)
        except Exception as error:
            errors.append(error)
            together.abort()

    with ThreadPoolExecutor(size, thread_name_prefix="probe") as threads:
        for _ in range(size):
            threads.submit(hold)
    times = [ms for _, ms in answered]
    return Probe(
        size,
        len(answered),
        len({pid for pid, _ in answered}),
        min(times, default=None),
        max(times) if len(times) == size else None,
        statuses[0] if statuses else None,
        errors[0] if errors else None,
    )

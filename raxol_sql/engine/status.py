"""The figures of psycopg_pool, and what it does not know, in our words."""

from __future__ import annotations

from collections.abc import Mapping

from raxol_sql.config import Config
from raxol_sql.telemetry import PoolStatus


def status_of(
    figures: Mapping[str, int],
    config: Config,
    *,
    held: int,
    waiting: int,
    calls: int,
    waits: int,
    wait_ms: int,
    refused: int,
    is_open: bool,
) -> PoolStatus:
    """
    How a pool is, by psycopg_pool's ``figures``, which leave out those that are still 0.

    ``held`` sessions are in use, ``waiting`` callers wait, and ``calls`` have had a session, of
    which ``waits`` waited for it, together ``wait_ms`` milliseconds, and ``refused`` in vain.
    """
    # A pool that is closed tells what it had.
    size = figures.get("pool_size", 0) if is_open else 0
    # They are counted one after the other, and meanwhile somebody may have given one back.
    in_use = min(held, size)
    return PoolStatus(
        min=config.pool_min_size,
        max=config.pool_size,
        size=size,
        available=size - in_use,
        in_use=in_use,
        waiting=waiting,
        closed=not is_open,
        calls=calls,
        waits=waits,
        wait_ms=wait_ms,
        refused=refused,
        opened=figures.get("connections_num", 0),
        connect_ms=figures.get("connections_ms", 0),
        failed=figures.get("connections_errors", 0),
        # What is found dead before it is handed out is given back as bad.
        lost=figures.get("connections_lost", 0) + figures.get("returns_bad", 0),
    )

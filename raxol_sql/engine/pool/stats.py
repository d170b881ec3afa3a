"""The statistics of a pool."""

from __future__ import annotations

from collections.abc import Mapping

from raxol_sql.config import Config
from raxol_sql.engine.pool.connect_log import ConnectLog
from raxol_sql.telemetry import PoolStatus


def status_of(
    figures: Mapping[str, int],
    config: Config,
    connecting: ConnectLog,
    *,
    held: int,
    connected: int,
    waiting: int,
    calls: int,
    waits: int,
    wait_ms: int,
    refused: int,
    is_open: bool,
) -> PoolStatus:
    """
    Return the state of a pool from psycopg_pool's ``figures``, which omit zeros.

    ``connecting`` are the connection statistics: psycopg_pool also counts placeholders for failed
    connections. ``connected`` sessions are not known to be lost; ``held`` sessions are in use,
    ``waiting`` callers wait. ``calls`` have got a session, of which ``waits`` waited for it, in
    total ``wait_ms`` milliseconds, and ``refused`` callers got none.
    """
    # A closed pool reports what it had.
    in_use = held if is_open else 0
    # Not counted at the same instant: a session may be gone, and its successor already made.
    most = max(config.pool_size, figures.get("pool_size", 0))
    in_use = min(in_use, most)
    available = min(max(0, connected - in_use), most - in_use) if is_open else 0
    return PoolStatus(
        min=config.pool_min_size,
        max=config.pool_size,
        size=in_use + available,
        available=available,
        in_use=in_use,
        waiting=waiting,
        closed=not is_open,
        calls=calls,
        waits=waits,
        wait_ms=wait_ms,
        refused=refused,
        opened=connecting.opened,
        connect_ms=round(connecting.connect_seconds * 1000),
        failed=connecting.failed,
        # A session that is found dead at checkout is returned as bad.
        lost=figures.get("connections_lost", 0)
        + figures.get("returns_bad", 0)
        - connecting.stand_ins_returned,
    )

"""The figures of psycopg_pool, and what it does not know, in our words."""

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
    How a pool is, by psycopg_pool's ``figures``, which leave out those that are still 0.

    ``connecting`` has those of connections: to psycopg_pool what stands in for a connection that
    could not be made is one, too. ``connected`` sessions are not known to have lost their server;
    ``held`` sessions are in use, ``waiting`` callers wait, and ``calls`` have had a session, of
    which ``waits`` waited for it, together ``wait_ms`` milliseconds, and ``refused`` in vain.
    """
    # A pool that is closed tells what it had.
    in_use = held if is_open else 0
    # They are not counted at one moment: a session may be gone, and its successor made already.
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
        # What is found dead before it is handed out is given back as bad.
        lost=figures.get("connections_lost", 0)
        + figures.get("returns_bad", 0)
        - connecting.stand_ins_returned,
    )

"""The counters that the server keeps of a database, of all its sessions."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import attrs
import psycopg

from raxol_sql.engine import Database
from raxol_sql.ops.own_queries import own_queries


@attrs.frozen
class Counters:
    """
    What the server has counted for one database since its statistics were reset.

    The counters only grow until then, and lag behind by a second or so: sessions report what they
    did when they are idle. ``connections`` is the number of server processes in this database and
    ``all_connections`` of those in all of them, of at most ``max_connections``. Checkpoints and
    the write-ahead log (``wal_*``) are the whole server's. ``read_at`` is the server's clock;
    ``stats_reset`` is None where they never were. None is also what this version of the server
    does not count, or does not let this user read.
    """

    database: str
    server_version: str
    read_at: datetime.datetime
    stats_reset: datetime.datetime | None
    commits: int
    rollbacks: int
    rows_read: int
    rows_fetched: int
    rows_inserted: int
    rows_updated: int
    rows_deleted: int
    blocks_hit: int
    blocks_read: int
    temp_files: int
    temp_bytes: int
    deadlocks: int
    conflicts: int
    sessions: int | None
    sessions_abandoned: int | None
    sessions_fatal: int | None
    sessions_killed: int | None
    session_seconds: float | None
    active_seconds: float | None
    idle_in_transaction_seconds: float | None
    connections: int
    all_connections: int
    max_connections: int
    size_bytes: int
    checkpoints_timed: int | None
    checkpoints_requested: int | None
    checkpoint_blocks_written: int | None
    wal_records: int | None
    wal_full_pages: int | None
    wal_bytes: int | None

    @property
    def cache_hit_ratio(self) -> float | None:
        """The share of blocks, from 0 to 1, that were in the server's memory; None without any."""
        asked = self.blocks_hit + self.blocks_read
        return self.blocks_hit / asked if asked else None


def read_counters(database: Database) -> Counters:
    """
    The counters of a database as they are now, on servers from PostgreSQL 13 on.

    Takes no rights but that of connecting. Raises the driver's errors.
    """
    queries = own_queries(__file__, "counters")
    found = attrs.asdict(database.run(queries.database_counters()))
    version = found.pop("version_number")
    checkpoints = queries.checkpoints if version >= 170_000 else queries.checkpoints_before_17
    points = _read(database, checkpoints)
    wal = _read(database, queries.wal) if version >= 140_000 else None
    return Counters(
        database=found.pop("name"),
        **found,
        checkpoints_timed=_of(points, "timed"),
        checkpoints_requested=_of(points, "requested"),
        checkpoint_blocks_written=_of(points, "blocks_written"),
        wal_records=_of(wal, "records"),
        wal_full_pages=_of(wal, "full_pages"),
        wal_bytes=_of(wal, "bytes"),
    )


def _read(database: Database, query: Callable[[], Any]) -> Any:
    """The one row of a query, or None where it may not be read."""
    try:
        return database.run(query())
    except psycopg.errors.InsufficientPrivilege:
        return None


def _of(row: Any, name: str) -> int | None:
    return None if row is None else int(getattr(row, name))

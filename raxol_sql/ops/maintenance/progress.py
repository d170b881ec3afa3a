"""How far maintenance is that runs now, by the server's own word."""

from __future__ import annotations

from typing import Any

import attrs

from raxol_sql.engine import Database
from raxol_sql.ops.own_queries import own_queries


@attrs.frozen
class Progress:
    """
    A command that runs, and its phase.

    ``done`` of ``total`` are of the phase, in blocks mostly, so they start again with the next one;
    ``total`` is None where the server does not know it. ``relation`` is the table's name as SQL
    writes it.
    """

    pid: int
    command: str
    relation: str
    phase: str
    done: int | None
    total: int | None


def progress(db: Database, pid: int | None = None) -> tuple[Progress, ...]:
    """
    What runs in this database of VACUUM, CLUSTER, ANALYZE, CREATE INDEX and REINDEX, by pid.

    With ``pid`` only what that process does. Those of other roles are seen by members of
    pg_read_all_stats. A VACUUM with ANALYZE is one thing after the other.
    """
    bound = _queries().progress() if pid is None else _queries().progress(pid=pid)
    return tuple(db.run(bound))


def _queries() -> Any:
    return own_queries(__file__, "progress", Progress)

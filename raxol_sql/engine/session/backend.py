"""The server session (backend) of a connection."""

from __future__ import annotations

from functools import partial

import psycopg

from raxol_sql.engine.wire.pipeline import Pipeline
from raxol_sql.failures import Backend

_BACKEND = b"""
select pid, (extract(epoch from backend_start) * 1000000)::bigint
from pg_stat_get_activity(pg_backend_pid())
"""


async def backend_of(wire: Pipeline) -> Backend | None:
    """
    Return the backend of a connection, or None if the server does not reveal it.

    Raises the driver's errors for a lost connection.
    """
    try:
        result = await wire.ask(partial(wire.pgconn.send_query, _BACKEND))
    except psycopg.OperationalError:
        raise
    except psycopg.Error:
        return None  # the role lacks the privilege, or the server lacks the function
    pid, started = (
        (result.get_value(0, column) for column in range(2)) if result.ntuples else (0, 0)
    )
    return Backend(int(pid), int(started)) if pid and started else None

"""Health checks."""

from __future__ import annotations

import time
from functools import partial

import psycopg
from psycopg_pool import PoolClosed

from raxol_sql.engine.transaction.retrier import classify_error
from raxol_sql.engine.transaction.session_source import SessionSource
from raxol_sql.errors import RaxolSQLError
from raxol_sql.failures import Phase
from raxol_sql.telemetry import Health, LostPromise


async def check_health(sessions: SessionSource, timeout: int) -> Health:
    """Check the database with an empty query, within ``timeout`` milliseconds."""
    checked_at, began = time.time(), time.monotonic()
    version: str | None = None
    failure = name = None
    lost: tuple[LostPromise, ...] = ()
    try:
        session = await sessions.acquire("health()", began + timeout / 1000)
        try:
            await session.wire.ask(partial(session.wire.pgconn.send_query, b"select 1"))
            told = session.wire.pgconn.parameter_status(b"server_version")
            version = None if told is None else told.decode()
            lost = session.facts.lost
        finally:
            await sessions.release(session)
    except (psycopg.Error, RaxolSQLError, PoolClosed, OSError) as error:
        failure = classify_error(error, Phase.ACQUIRE)
        name = failure.sqlstate or type(error).__name__
    return Health(
        ok=failure is None,
        latency_ms=(time.monotonic() - began) * 1000,
        checked_at=checked_at,
        server_version=version,
        error=name,
        category=None if failure is None else failure.category.value,
        hint=None if failure is None else failure.hint,
        lost_promises=lost,
    )

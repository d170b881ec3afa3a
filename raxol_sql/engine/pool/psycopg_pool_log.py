"""A filter for the log of psycopg_pool, for the pools of raxol_sql only."""

from __future__ import annotations

import logging
import sys
from types import FrameType
from typing import Any

from raxol_sql.engine.pool.connector import Connector

_LIBRARY = "psycopg_pool"


class _NotOurs(logging.Filter):
    """
    Drops the records that psycopg_pool writes for a pool of raxol_sql.

    They report normal events, such as a replaced connection, or an outage that raxol_sql logs once.
    A record does not name its pool, but the frame that writes it refers to it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            module = frame.f_globals.get("__name__", "")
            if module.partition(".")[0] == _LIBRARY:
                pool = _pool_of(frame.f_locals.get("self"))
                if pool is not None:
                    return not isinstance(getattr(pool, "connection_class", None), Connector)
            elif module.partition(".")[0] not in ("logging", __name__.partition(".")[0]):
                return True
            frame = frame.f_back
        return True


def quieten() -> None:
    """Drop these records from now on. A second call does nothing; the logger's level stays."""
    logging.getLogger("psycopg.pool").addFilter(_FILTER)


def _pool_of(owner: Any) -> Any:
    """Return the pool that an object of psycopg_pool is, or belongs to."""
    pool = getattr(owner, "pool", None)
    if pool is not None:
        return pool() if callable(pool) else pool
    return owner if hasattr(owner, "connection_class") else None


_FILTER = _NotOurs()

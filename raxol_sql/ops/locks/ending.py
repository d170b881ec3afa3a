"""Ending a session that blocks others."""

from __future__ import annotations

import time
from typing import Any

from raxol_sql.engine import Database
from raxol_sql.ops.locks.blocked import Session
from raxol_sql.ops.own_queries import own_queries

# Seconds that a session may take to end, and between two looks at whether it has.
_ENDING, _PAUSE = 5.0, 0.05


def end_blocker(db: Database, session: Session) -> bool | None:
    """
    End a session of this database that blocks another now, and wait until it is gone.

    Gives whether it was gone in five seconds; None where nothing was done, as the session is in
    no session's way any more, or is one of another database. Its own session is never ended. Raises
    psycopg.errors.InsufficientPrivilege where this role may not.
    """
    queries = _queries()
    told = db.run(queries.terminate(pid=session.pid, started_at=session.started))
    if not told:
        return None
    until = time.monotonic() + _ENDING
    while db.run(queries.is_there(pid=session.pid, started_at=session.started)):
        if time.monotonic() > until:
            return False
        time.sleep(_PAUSE)
    return True


def _queries() -> Any:
    return own_queries(__file__, "ending")

"""Ending the statement of an abandoned connection, for which a call may still wait."""

from __future__ import annotations

import os
import socket
from time import monotonic

from psycopg.pq import ConnStatus

from raxol_sql.engine.core.session_lock import SessionLock
from raxol_sql.engine.pool.session_registry import RegisteredSession
from raxol_sql.engine.wire.pipeline import Pipeline
from raxol_sql.errors import DeadlineExceededError

# Seconds until the cancel request is repeated, for a statement that began after the last one.
_AGAIN = 0.2


async def stop(checkout: RegisteredSession, seconds: float) -> None:
    """
    Make the server end its statement on the connection, within about so many seconds.

    Another thread or task may be in a call on it, as in a transaction that two of them share. Only
    one thread or task may use a libpq connection at a time, so that call reads the result of the
    statement that it sent, and releases the session lock after it. This asks the server to cancel
    the statement; if that does not help in time, it shuts down the socket, which ends the wait of
    that call.
    """
    wire, session = checkout.wire, checkout.reference()
    if session is None:
        # It is not referenced any more, so no call is in progress.
        await wire.stop(seconds)
        return
    turn, end = session.turn, monotonic() + seconds
    moment = 0.0
    while not await _is_over(turn, moment):
        if monotonic() >= end:
            _shut_down(wire)
            if not await _is_over(turn, monotonic() + seconds):
                return
            break
        await wire.cancel(end - monotonic())
        moment = min(end, monotonic() + _AGAIN)
    try:
        await wire.stop(seconds)
    finally:
        turn.release()


async def _is_over(turn: SessionLock, until: float) -> bool:
    """Return whether the call that has the lock ends in time; acquire the lock then."""
    try:
        await turn.acquire(until)
    except DeadlineExceededError:
        return False
    return True


def _shut_down(wire: Pipeline) -> None:
    """End the connection without closing its file, which the waiting call still uses."""
    if wire.pgconn.status == ConnStatus.OK:
        with socket.socket(fileno=os.dup(wire.pgconn.socket)) as copy:
            copy.shutdown(socket.SHUT_RDWR)

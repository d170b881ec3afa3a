"""Asking the server through libpq, so that Ctrl-C and other threads still work."""

from __future__ import annotations

from collections.abc import Callable, Generator
from time import monotonic
from typing import Any

import psycopg
from psycopg import generators
from psycopg.pq.abc import PGresult

# Seconds: what is asked here is not run, and is answered at once unless the server is gone.
_LONGEST = 30.0
_LOOKING = 0.5


def asked(
    connection: psycopg.Connection[Any], send: Callable[[], None], seconds: float = _LONGEST
) -> PGresult:
    """
    The last result of what ``send`` sends, be it an error.

    libpq's own wait lets nothing else happen in the process. Raises the driver's error for a
    connection that is lost, and for one on which nothing comes for so many ``seconds``, which is
    closed then.
    """
    send()
    waited = _bounded(generators.execute(connection.pgconn), monotonic() + seconds)
    try:
        result: PGresult = connection.wait(waited, interval=min(_LOOKING, seconds))[-1]
    except psycopg.errors.ConnectionTimeout:
        connection.close()
        raise
    return result


def _bounded(inner: Generator[Any, Any, Any], until: float) -> Generator[Any, Any, Any]:
    """What psycopg waits with, but only until a moment of the monotonic clock."""
    try:
        state = next(inner)
        while True:
            ready = yield state
            if ready:
                state = inner.send(ready)
            elif monotonic() >= until:
                raise psycopg.errors.ConnectionTimeout("the server has not answered")
    except StopIteration as ended:
        return ended.value

"""Asking the server through libpq, so that Ctrl-C and other threads go on meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import generators
from psycopg.pq.abc import PGresult


def asked(connection: psycopg.Connection[Any], send: Callable[[], None]) -> PGresult:
    """
    The last result of what ``send`` sends, be it an error.

    libpq's own wait lets nothing else happen in the process. Raises the driver's error for a
    connection that is lost.
    """
    send()
    result: PGresult = connection.wait(generators.execute(connection.pgconn))[-1]
    return result

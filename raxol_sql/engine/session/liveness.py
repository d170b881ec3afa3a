"""Whether the other end of a connection is still there, as far as the system knows already."""

from __future__ import annotations

import enum
import select
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import psycopg
from psycopg.pq import ConnStatus
from psycopg.pq.abc import PGconn

# That the other end will send nothing more. Linux tells it apart from data that are there, such as
# a notification; elsewhere only a connection that is closed in both directions is seen.
_GONE = getattr(select, "POLLRDHUP", 0)


class SocketState(enum.IntEnum):
    """What is known of the other end; true where it is not known to be gone."""

    GONE = 0
    QUIET = 1
    """Nothing came, and nothing is known."""

    UNREAD = 2
    """Something came that nobody asked for: a notification, or a server's last words."""


class Liveness:
    """
    Looks at the socket of a connection, without a round trip and without reading from it.

    Reading would be no better: it takes the server's last words, which say why it closed, for a
    sign of life, and swallows notifications. They come a moment before the end of the connection
    does, so where something is unread only an answer is a sign of life.
    """

    def __init__(self, pgconn: PGconn) -> None:
        poll = select.poll()
        # What is asked for by nothing, and always told: errors, and the end of both directions.
        poll.register(pgconn.socket, _GONE | select.POLLIN)
        # Whether anything is to be heard, in the one way that costs nothing but the question.
        self.hears = partial(poll.poll, 0)

    def look(self) -> SocketState:
        """What the system knows."""
        found = self.hears()
        if not found:
            return SocketState.QUIET
        return SocketState.UNREAD if found[0][1] == select.POLLIN else SocketState.GONE


def is_connected(pgconn: PGconn) -> bool:
    """Whether the other end is not known to be gone; for a connection that others may use."""
    if pgconn.status != ConnStatus.OK:
        return False
    try:
        # Not the connection's own: two threads cannot ask one at the same time.
        return Liveness(pgconn).look() is not SocketState.GONE
    except (psycopg.Error, OSError, ValueError):
        return False  # it was closed at this moment


def count_connected(wires: Iterable[Callable[[], Any]]) -> int:
    """How many wires, which these references lead to, are connected."""
    alive = (reference() for reference in [*wires])
    return sum(wire is not None and is_connected(wire.pgconn) for wire in alive)

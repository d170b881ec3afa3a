"""Whether the peer of a connection is still there, as far as the kernel knows."""

from __future__ import annotations

import enum
import select
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import psycopg
from psycopg.pq import ConnStatus
from psycopg.pq.abc import PGconn

# The peer will send nothing more. Linux distinguishes this from unread data, such as a
# notification; elsewhere only a connection closed in both directions is seen.
_GONE = getattr(select, "POLLRDHUP", 0)


class SocketState(enum.IntEnum):
    """The known state of the peer; true unless it is known to be gone."""

    GONE = 0
    QUIET = 1
    """No event on the socket."""

    UNREAD = 2
    """Unsolicited data: a notification, or the server's final message."""


class Liveness:
    """
    A check of a connection's socket, without a round trip and without reading.

    Reading would not help: it would take the server's final error message for a sign of life, and
    consume notifications. The message arrives just before the end of the connection, so while data
    is unread, only a reply proves that the server is alive.
    """

    def __init__(self, pgconn: PGconn) -> None:
        poll = select.poll()
        # Events that poll always reports: errors, and the end of both directions.
        poll.register(pgconn.socket, _GONE | select.POLLIN)
        # Whether anything is to be heard, in the one way that costs nothing but the question.
        self.hears = partial(poll.poll, 0)

    def look(self) -> SocketState:
        """Return the state that the kernel reports."""
        found = self.hears()
        if not found:
            return SocketState.QUIET
        return SocketState.UNREAD if found[0][1] == select.POLLIN else SocketState.GONE


def is_connected(pgconn: PGconn) -> bool:
    """Return whether the peer is not known to be gone; for a connection that others may use."""
    if pgconn.status != ConnStatus.OK:
        return False
    try:
        # Not the connection's own poll object: two threads cannot use one at the same time.
        return Liveness(pgconn).look() is not SocketState.GONE
    except (psycopg.Error, OSError, ValueError):
        return False  # it was closed at this moment


def count_connected(wires: Iterable[Callable[[], Any]]) -> int:
    """Return how many of the referenced connections are connected."""
    alive = (reference() for reference in [*wires])
    return sum(wire is not None and is_connected(wire.pgconn) for wire in alive)

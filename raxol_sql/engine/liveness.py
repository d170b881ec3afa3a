"""Whether the other end of a connection is still there, as far as the system knows already."""

from __future__ import annotations

import select

from psycopg.pq.abc import PGconn

# That the other end will send nothing more. Linux tells it apart from data that are there, such as
# a notification; elsewhere only a connection that is closed in both directions is seen.
_GONE = getattr(select, "POLLRDHUP", 0)


class Liveness:
    """
    Looks at the socket of a connection, without a round trip and without reading from it.

    Reading would be no better: it takes the server's last words, which say why it closed, for a
    sign of life, and swallows notifications.
    """

    def __init__(self, pgconn: PGconn) -> None:
        poll = select.poll()
        # What is asked for by nothing, and always told: errors, and the end of both directions.
        poll.register(pgconn.socket, _GONE)
        self._poll = poll.poll

    def look(self) -> bool:
        """Whether nothing is known of an end of the connection."""
        return not self._poll(0)

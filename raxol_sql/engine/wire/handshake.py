"""Detection of refused and interrupted TLS handshakes."""

from __future__ import annotations

import select
import socket
from contextlib import suppress

_REFUSED, _ERROR, _ALERT = b"N", b"E", b"\x15"
# Linux reports with it that the peer has closed, even before the data is read.
_ENDED = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


class Handshake:
    """
    The server's reply in a TLS handshake, as far as it can be seen before libpq reads it.

    libpq has the same state and error for a server that refuses TLS, for a forwarder that accepts
    and closes the connection because no server is behind it, and for a server that is stopped
    during the handshake; its messages are translated. The bytes on the socket distinguish them.
    """

    def __init__(self) -> None:
        self._is_refused = False
        self._is_ended = False

    @property
    def is_unanswered(self) -> bool:
        """Return whether the connection ended, or the server failed, before a reply."""
        return self._is_ended and not self._is_refused

    def look(self, fileno: int) -> None:
        """Peek at the received bytes without reading them."""
        if self._is_refused:
            return
        try:
            line = socket.socket(fileno=fileno)
        except OSError:
            self._is_ended = True
            return
        try:
            first = line.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            self._is_ended = True
            return
        finally:
            line.detach()
        self._is_refused = first == _REFUSED
        # A server without free connection slots says so without TLS; an alert is a refusal.
        self._is_ended = first in (b"", _ERROR) or (first != _ALERT and _has_ended(fileno))


def _has_ended(fileno: int) -> bool:
    poll = select.poll()
    with suppress(OSError):
        poll.register(fileno, _ENDED)
        return bool(poll.poll(0))
    return True

"""Whether TLS was refused, or the line ended while it was being agreed on."""

from __future__ import annotations

import select
import socket
from contextlib import suppress

_REFUSED, _ERROR, _ALERT = b"N", b"E", b"\x15"
# Linux tells by it that the other end has sent its last, even before that is read.
_ENDED = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


class Handshake:
    """
    What can be seen of a server's part in a TLS handshake, before libpq reads it.

    libpq has the same state and error for a server that says no, for a forwarder that accepts and
    closes because nothing is behind it, and for a server that is stopped in the middle; and its
    words are translated. The bytes tell them apart.
    """

    def __init__(self) -> None:
        self._is_refused = False
        self._is_ended = False

    @property
    def is_unanswered(self) -> bool:
        """Whether the line ended, or the server failed, before it agreed or said no."""
        return self._is_ended and not self._is_refused

    def look(self, fileno: int) -> None:
        """Looks at what has come; reads nothing."""
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
        # A server that has no room for one more says so without TLS; an alert is a refusal.
        self._is_ended = first in (b"", _ERROR) or (first != _ALERT and _has_ended(fileno))


def _has_ended(fileno: int) -> bool:
    poll = select.poll()
    with suppress(OSError):
        poll.register(fileno, _ENDED)
        return bool(poll.poll(0))
    return True

"""The messages of PostgreSQL's protocol, cut out of what passes on a connection."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

# The types as the chapter "Message Formats" of PostgreSQL's documentation lists them.
FROM_CLIENT = frozenset(bytes([byte]) for byte in b"BCDEFHPQSXcdfp")
FROM_SERVER = frozenset(bytes([byte]) for byte in b"123ACDEGHIKNRSTVWZcdnstv")

STARTUP = b"StartupMessage"
CANCEL = b"CancelRequest"
TLS = b"SSLRequest"
GSS = b"GSSENCRequest"
UNTYPED = {80877102: CANCEL, 80877103: TLS, 80877104: GSS}
ENCRYPTION = (TLS, GSS)
# What cannot be understood, such as what is encrypted: passed on, but never looked at.
OPAQUE = b""

FLUSH = b"H\x00\x00\x00\x04"


@attrs.frozen
class Message:
    """
    One message as it passed, whole.

    ``kind`` is its type, a single byte such as ``b"Q"``; for the four that a client may begin
    with, which have no type, it is their name, such as ``b"StartupMessage"``. ``data`` are all of
    its bytes. ``sql`` is the text that a client's message is about: its own, for Query and Parse;
    that of the statement, for Bind and Execute; else it is empty.
    """

    kind: bytes
    data: bytes = attrs.field(repr=False)
    sql: bytes = b""

    @property
    def payload(self) -> bytes:
        """What comes after the type and the length."""
        return self.data[5 if len(self.kind) == 1 else 4 :]


class Stream:
    """
    The messages of one side, out of pieces of any size.

    One that is not complete yet is kept until it is; ``rest`` is what is kept. Once ``is_opaque``
    is set, everything passes as it comes.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.is_opaque = False

    @property
    def rest(self) -> bytes:
        """The beginning of a message whose end has not come yet."""
        return bytes(self._buffer)

    def feed(self, piece: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Gives the kind and the bytes of each message that is complete with this piece."""
        self._buffer += piece
        yield from self._untyped()
        if not self.is_opaque and self._is_typed():
            yield from self._typed()
        if self.is_opaque and self._buffer:
            yield OPAQUE, self._taken(len(self._buffer))

    def _untyped(self) -> Iterator[tuple[bytes, bytes]]:
        """What comes before the messages that have a type."""
        raise NotImplementedError

    def _is_typed(self) -> bool:
        return True

    def _typed(self) -> Iterator[tuple[bytes, bytes]]:
        buffer, start, available = self._buffer, 0, len(self._buffer)
        try:
            while available - start >= 5:
                size = int.from_bytes(buffer[start + 1 : start + 5], "big")
                if size < 4:
                    self.is_opaque = True
                    break
                end = start + 1 + size
                if end > available:
                    break
                message = bytes(buffer[start:end])
                start = end
                yield message[:1], message
        finally:
            del buffer[:start]

    def _taken(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


class FrontendStream(Stream):
    """The messages of a client, which begins with some that have no type."""

    def __init__(self) -> None:
        super().__init__()
        self._has_started = False

    def _is_typed(self) -> bool:
        return self._has_started

    def _untyped(self) -> Iterator[tuple[bytes, bytes]]:
        while not self._has_started and not self.is_opaque and self._buffer:
            size = int.from_bytes(self._buffer[:4], "big")
            if self._buffer[0] != 0 or (len(self._buffer) >= 4 and size < 8):
                # A message without a type begins with its length, which is small: this is TLS.
                self.is_opaque = True
                return
            if len(self._buffer) < max(size, 8):
                return
            kind = UNTYPED.get(int.from_bytes(self._buffer[4:8], "big"), STARTUP)
            self._has_started = kind not in ENCRYPTION
            yield kind, self._taken(size)


class BackendStream(Stream):
    """
    The messages of a server.

    The answer to a request for encryption is a byte without a length: one comes next if
    ``is_asked_for_encryption``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_asked_for_encryption = False

    def _untyped(self) -> Iterator[tuple[bytes, bytes]]:
        if self.is_asked_for_encryption and self._buffer:
            self.is_asked_for_encryption = False
            # An old server answers with an ErrorResponse, which is a message like any other.
            if self._buffer[:1] != b"E":
                self.is_opaque = self._buffer[:1] != b"N"
                yield OPAQUE, self._taken(1)

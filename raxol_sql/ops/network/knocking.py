"""
A server as it answers before any login: whether it has TLS, and whether it rejects clients at once.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from pathlib import Path

import attrs

# The numbers of PostgreSQL's protocol for what a client can begin with.
_SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)
_PROTOCOL = (196608).to_bytes(4)
_OFFERED = b"S"
# A refusal is some hundred bytes; more than this is none.
_LONGEST = 65536
VERIFYING = ("verify-ca", "verify-full")


@attrs.frozen
class Refusal:
    """What a server said instead of asking who is there: its SQLSTATE, and where it says so."""

    sqlstate: str
    routine: str


def offers_tls(line: socket.socket) -> bool:
    """Whether the server takes TLS, which then begins; raises `OSError` for no answer."""
    line.sendall(_SSL_REQUEST)
    answer = line.recv(1)
    if not answer:
        raise ConnectionResetError("the connection was closed")
    return answer == _OFFERED


def secured(
    line: socket.socket, parameters: Mapping[str, str], host: str, *, verify: bool = True
) -> ssl.SSLSocket:
    """
    The line after the handshake of TLS, which takes the place of ``line``.

    What is verified is what libpq's ``parameters`` say, unless ``verify`` is off. Raises
    `ssl.SSLError` where it fails, `OSError` for certificates that cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["postgresql"])
    roots = roots_of(parameters) if verify else None
    context.check_hostname = roots is not None and parameters.get("sslmode") == "verify-full"
    context.verify_mode = ssl.CERT_NONE if roots is None else ssl.CERT_REQUIRED
    if roots == "system":
        context.load_default_certs()
    elif roots is not None:
        context.load_verify_locations(roots)
    return context.wrap_socket(line, server_hostname=host or None)


def roots_of(parameters: Mapping[str, str]) -> str | None:
    """
    The file of the certificates that are trusted, or "system"; None where none are asked for.

    As in libpq, one that is there is used with "require", too.
    """
    mode, named = parameters.get("sslmode"), parameters.get("sslrootcert")
    if named == "system":
        return named
    file = named or str(Path("~/.postgresql/root.crt").expanduser())
    wanted = mode in VERIFYING or (mode == "require" and Path(file).is_file())
    return file if wanted else None


def refusal(line: socket.socket, user: str, database: str) -> Refusal | None:
    """
    Whether a server turns ``user`` away before, or without, a password; None if it does not.

    Its words are in its own language, and what else it says is not. Raises `OSError` for no answer.
    """
    told = b"".join(text.encode() + b"\0" for text in ("user", user, "database", database) if text)
    body = _PROTOCOL + told + b"\0"
    line.sendall((len(body) + 4).to_bytes(4) + body)
    while (kind := line.recv(1)) in (b"R", b"E", b"N", b"v"):
        length = int.from_bytes(_exactly(line, 4)) - 4
        if not 0 <= length < _LONGEST:
            return None
        message = _exactly(line, length)
        if kind == b"E":
            return _read(message)
        if kind == b"R" and int.from_bytes(message[:4]) != 0:
            return None  # it asks for a password
    return None


def _read(message: bytes) -> Refusal:
    fields = {field[:1]: field[1:].decode(errors="replace") for field in message.split(b"\0")}
    return Refusal(fields.get(b"C", ""), fields.get(b"R", ""))


def _exactly(line: socket.socket, count: int) -> bytes:
    read = b""
    while len(read) < count:
        more = line.recv(count - len(read))
        if not more:
            raise ConnectionResetError("the connection was closed")
        read += more
    return read

"""Whether a database answers, and what cannot be promised there."""

from __future__ import annotations

import attrs


@attrs.frozen
class LostPromise:
    """
    Something that this library promises elsewhere, and that this server or role does not allow.

    ``promise`` names it, ``cause`` is what the server refused, with the SQLSTATE, ``instead`` is
    what happens in its place, and ``remedy`` what gives it back, as SQL where SQL can. Names of
    roles and databases are in it; values and secrets are not.
    """

    promise: str
    cause: str
    instead: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.cause}; instead: {self.instead}; remedy: {self.remedy}"


@attrs.frozen
class Health:
    """
    What a check of a database's health found.

    ``latency_ms`` is what it took, with waiting for a connection, in milliseconds. ``checked_at``
    is in seconds since the epoch. Where it did not answer ``error`` is the SQLSTATE, or the name of
    the exception's class, ``category`` the `Category` in a word, and ``hint`` says what would help;
    none of them has a name, an address or a value in it. ``lost_promises`` says what this library
    cannot promise on the connection that answered; it is empty on an ordinary server.
    """

    ok: bool
    latency_ms: float
    checked_at: float
    server_version: str | None = None
    error: str | None = None
    category: str | None = None
    hint: str | None = None
    lost_promises: tuple[LostPromise, ...] = ()

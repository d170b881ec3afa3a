"""Whether a database answers."""

from __future__ import annotations

import attrs


@attrs.frozen
class Health:
    """
    What a check of a database's health found.

    ``latency_ms`` is what it took, with waiting for a connection, in milliseconds. ``checked_at``
    is in seconds since the epoch. Where it did not answer ``error`` is the SQLSTATE, or the name of
    the exception's class, ``category`` the `Category` in a word, and ``hint`` says what would help;
    none of them has a name, an address or a value in it.
    """

    ok: bool
    latency_ms: float
    checked_at: float
    server_version: str | None = None
    error: str | None = None
    category: str | None = None
    hint: str | None = None

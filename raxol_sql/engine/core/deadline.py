"""The moment by which a call has to end."""

from __future__ import annotations

from time import monotonic

# What the server is given, in seconds, to stop by its own limit before the client stops waiting:
# who stops so keeps the connection, and knows what became of the statement.
GRACE = 0.15


def earliest(one: float | None, other: float | None) -> float | None:
    """The earlier of two moments, either of which may be never."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def max_timeout(usual: int, own: int | None) -> int:
    """The longer of two timeouts in milliseconds, 0 for no limit; None is one that says nothing."""
    return 0 if not usual or own == 0 else max(usual, own or 0)


def deadline_of(timeout: int) -> float | None:
    """
    When a call ends that begins now and may take ``timeout`` milliseconds, 0 for no limit.

    On the monotonic clock, in seconds, and with the grace; None for never.
    """
    return monotonic() + timeout * 0.001 + GRACE if timeout else None

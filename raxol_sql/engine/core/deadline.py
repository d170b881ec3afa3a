"""Deadlines of calls, on the monotonic clock."""

from __future__ import annotations

from time import monotonic

# Grace period in seconds in which the server can enforce its timeout before the client stops
# waiting: this keeps the connection and reveals the outcome of the statement.
GRACE = 0.15


def earliest(one: float | None, other: float | None) -> float | None:
    """Return the earlier of two deadlines; None is never."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def max_timeout(usual: int, own: int | None) -> int:
    """Return the longer of two timeouts in milliseconds, 0 for no limit; None is ignored."""
    return 0 if not usual or own == 0 else max(usual, own or 0)


def deadline_of(timeout: int) -> float | None:
    """
    Return the deadline of a call that begins now and may take ``timeout`` ms, 0 for no limit.

    In seconds of the monotonic clock, including the grace period; None for never.
    """
    return monotonic() + timeout * 0.001 + GRACE if timeout else None

"""Marks on errors without a SQLSTATE, set by the owner of the connection."""

from __future__ import annotations

from typing import TypeVar

from raxol_sql.failures.failure import Effect

E = TypeVar("E", bound=BaseException)

ENDING = "__raxol_sql_ending__"
LOST = "__raxol_sql_lost__"
REFUSED = "__raxol_sql_refused__"


def mark_lost(error: E) -> E:
    """
    Mark an error as the loss of its connection, and return it.

    libpq raises the same class for a lost connection and for a statement that it rejects; only the
    owner of the connection can tell which it is.
    """
    setattr(error, LOST, True)
    return error


def is_lost(error: BaseException) -> bool:
    """Return whether an error is marked as the loss of its connection."""
    return getattr(error, LOST, False) is True


def mark_refused(error: E) -> E:
    """
    Mark an error as a permanent rejection of a connection, and return it.

    Examples are missing or unsuitable TLS, or a missing password: a retry would fail the same way.
    """
    setattr(error, REFUSED, True)
    return error


def is_refused(error: BaseException) -> bool:
    """Return whether an error is marked as a permanent rejection."""
    return getattr(error, REFUSED, False) is True


def mark_ending(error: BaseException, effect: Effect) -> None:
    """Mark an interruption with the effect of the call that it ended; the first mark counts."""
    if not hasattr(error, ENDING):
        setattr(error, ENDING, effect)


def ending_of(error: BaseException) -> Effect | None:
    """Return the effect that `mark_ending` set; None if no call was in progress."""
    found = getattr(error, ENDING, None)
    return found if isinstance(found, Effect) else None

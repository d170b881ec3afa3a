"""What an error without a SQLSTATE cannot say itself: who holds the connection marks it."""

from __future__ import annotations

from typing import TypeVar

from raxol_sql.failures.failure import Effect

E = TypeVar("E", bound=BaseException)

ENDING = "__raxol_sql_ending__"
LOST = "__raxol_sql_lost__"
REFUSED = "__raxol_sql_refused__"


def mark_lost(error: E) -> E:
    """
    The error, which from now on says that the connection is gone that it comes from.

    libpq says of a connection that is lost, and of a statement that it refuses to send, the same
    kind of thing; only who holds the connection can see which it is.
    """
    setattr(error, LOST, True)
    return error


def is_lost(error: BaseException) -> bool:
    """Whether an error is marked as the loss of its connection."""
    return getattr(error, LOST, False) is True


def mark_refused(error: E) -> E:
    """
    The error, which from now on says that a connection was refused for good.

    So it is where TLS is missing or does not fit, or a password is: the next attempt would end
    the same way.
    """
    setattr(error, REFUSED, True)
    return error


def is_refused(error: BaseException) -> bool:
    """Whether an error is marked as a refusal for good."""
    return getattr(error, REFUSED, False) is True


def mark_ending(error: BaseException, effect: Effect) -> None:
    """Notes on an interruption the effect of what it ended; the first one counts."""
    if not hasattr(error, ENDING):
        setattr(error, ENDING, effect)


def ending_of(error: BaseException) -> Effect | None:
    """The effect that `mark_ending` has noted; None if nothing was under way."""
    found = getattr(error, ENDING, None)
    return found if isinstance(found, Effect) else None

"""Statements that a limit of ours has ended, told from those that somebody else has cancelled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import DiagnosticField
from psycopg.pq.abc import PGresult

from raxol_sql.errors import DeadlineExceededError
from raxol_sql.failures import Effect

# The last columns of what sets a limit on the way to a statement, and of what takes it back.
SET = b"raxol_sql_limit"
TAKEN_BACK = b"raxol_sql_unlimit"
# Seconds by which the server's clock may have run ahead of ours in the time of a call.
_AHEAD = 0.01


class TimedOut:
    """
    A failed result of which we know more than the server says: our own limit has ended it.

    The server has one SQLSTATE for that and for a cancel that anybody asked for, and only the
    words for it differ, which are translated.
    """

    def __init__(self, result: PGresult) -> None:
        self.result = result

    def __getattr__(self, name: str) -> Any:
        return getattr(self.result, name)


def seen(
    result: PGresult, before: Sequence[PGresult], usual: int | None, took: float, left: float | None
) -> PGresult:
    """
    A failed result, as an `TimedOut` if it is one.

    ``before`` are those that came before it in the same round trip, which began ``took`` seconds
    ago; ``usual`` is the limit, in milliseconds, where none goes along. The call has so many
    seconds ``left``, None for no end.
    """
    if result.error_field(DiagnosticField.SQLSTATE) != b"57014":
        return result
    limit = _limit_after(before)
    limit = usual if limit is None else limit
    is_limit = bool(limit) and took + _AHEAD >= (limit or 0) / 1000
    is_end = left is not None and left <= _AHEAD
    return cast(PGresult, TimedOut(result)) if is_limit or is_end else result


def to_exception(result: PGresult) -> psycopg.Error:
    """
    The driver's error for a result; `DeadlineExceededError`, with that as its cause, if overdue.
    """
    if not isinstance(result, TimedOut):
        return error_from_result(result)
    # In a batch it ended the transaction, and outside of one the statement is one itself.
    error = DeadlineExceededError(Effect.ROLLED_BACK.value, "server")
    error.__cause__ = error_from_result(result.result)
    return error


def _limit_after(results: Sequence[PGresult]) -> int | None:
    """The limit that went along with what comes after these; None if none did."""
    for result in reversed(results):
        last = result.nfields - 1
        name = result.fname(last) if last >= 0 else None
        if name == SET:
            return int(result.get_value(0, last) or b"0")
        if name == TAKEN_BACK:
            break
    return None

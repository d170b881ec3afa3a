"""Detection of statements that our own timeout has ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import DiagnosticField
from psycopg.pq.abc import PGresult

from raxol_sql.errors import DeadlineExceededError
from raxol_sql.failures import Effect

# The last column of the statement that sets the timeout, and of the one that restores it.
SET = b"raxol_sql_limit"
TAKEN_BACK = b"raxol_sql_unlimit"
# Seconds by which the server's clock may have gained on ours during a call.
_AHEAD = 0.01


class TimedOut:
    """
    A failed result of a statement that our own timeout has ended.

    The server has one SQLSTATE for timeouts and cancel requests, and only their messages, which are
    translated, differ.
    """

    def __init__(self, result: PGresult) -> None:
        self.result = result

    def __getattr__(self, name: str) -> Any:
        return getattr(self.result, name)


def detect(
    result: PGresult, before: Sequence[PGresult], usual: int | None, took: float, left: float | None
) -> PGresult:
    """
    Return a failed result as `TimedOut` if our own timeout ended it.

    ``before`` are the results before it in the same round trip, which began ``took`` seconds ago;
    ``usual`` is the timeout in milliseconds if the request sets none. The call has ``left`` seconds
    left, None for no end.
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
    Return the driver's error for a result, or `DeadlineExceededError` caused by it if it timed out.
    """
    if not isinstance(result, TimedOut):
        return error_from_result(result)
    # In a batch it ended the transaction; outside one, the statement is its own transaction.
    error = DeadlineExceededError(Effect.ROLLED_BACK.value, "server")
    error.__cause__ = error_from_result(result.result)
    return error


def _limit_after(results: Sequence[PGresult]) -> int | None:
    """Return the timeout that was set after these results, or None."""
    for result in reversed(results):
        last = result.nfields - 1
        name = result.fname(last) if last >= 0 else None
        if name == SET:
            return int(result.get_value(0, last) or b"0")
        if name == TAKEN_BACK:
            break
    return None

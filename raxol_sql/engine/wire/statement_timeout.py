"""A time limit that a statement has of its own, on its way in the same round trip."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from psycopg.pq.abc import PGconn

from raxol_sql.engine.wire.pipeline import Request
from raxol_sql.engine.wire.timeout_detection import SET, TAKEN_BACK

# In a transaction a setting lasts to its end, and outside of one for the round trip, which is one.
_LIMIT = (
    b"select set_config('raxol_sql.timeout', current_setting('statement_timeout'), true), "
    b"set_config('statement_timeout', $1, true), $1 as " + SET
)
_UNLIMIT = (
    b"select set_config('statement_timeout', current_setting('raxol_sql.timeout'), true) as "
    + TAKEN_BACK
)
# The old value is read before the new one is set.
_REPLACE = b"""
with before as materialized (select current_setting('statement_timeout') as value)
select value, set_config('statement_timeout', $1, $2) from before
"""


def with_timeout_set(pgconn: PGconn, requests: Sequence[Request], timeout: int) -> list[Request]:
    """
    The requests with another before and another after them.

    Each of them may take ``timeout`` milliseconds, 0 for no limit; what comes after them has the
    limit that there was before. A transaction that fails brings that back itself.
    """
    limit = partial(pgconn.send_query_params, _LIMIT, [b"%d" % timeout])
    return [limit, *requests, partial(pgconn.send_query_params, _UNLIMIT, None)]


def replace(pgconn: PGconn, limit: bytes, *, local: bool) -> Request:
    """Sets the limit, ``local`` to the transaction or not; the result is the one before."""
    values = [limit, b"true" if local else b"false"]
    return partial(pgconn.send_query_params, _REPLACE, values)

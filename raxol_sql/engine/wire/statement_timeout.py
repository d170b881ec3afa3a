"""The timeout of a single statement, sent in the same round trip."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from psycopg.pq.abc import PGconn

from raxol_sql.engine.wire.pipeline import Request
from raxol_sql.engine.wire.timeout_detection import SET, TAKEN_BACK

# A setting lasts to the end of the transaction, or outside one to the end of the round trip, which
# is a transaction.
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
    Return the requests with the setting of a timeout before and its restoring after them.

    Each request may take ``timeout`` milliseconds, 0 for no limit. The rollback of a failed
    transaction restores the previous timeout.
    """
    limit = partial(pgconn.send_query_params, _LIMIT, [b"%d" % timeout])
    return [limit, *requests, partial(pgconn.send_query_params, _UNLIMIT, None)]


def replace(pgconn: PGconn, limit: bytes, *, local: bool) -> Request:
    """Set the timeout, ``local`` to the transaction or not; the result is the previous one."""
    values = [limit, b"true" if local else b"false"]
    return partial(pgconn.send_query_params, _REPLACE, values)

"""Generic query plans, independent of the arguments."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from raxol_sql.config import Conninfo

# In seconds, for connecting.
_CONNECTING = 5
_LIMITS = """
set transaction read only;
set local statement_timeout = '5s'; set local plan_cache_mode = force_generic_plan
"""
_COUNT = (
    "select cardinality(parameter_types) from pg_prepared_statements where name = 'raxol_sql_plan'"
)


class GenericExplainer:
    """
    A source of generic plans, which opens a separate read-only connection for each.

    The plan fits any arguments, so it contains none of them. Safe for threads.
    """

    def __init__(self, conninfo: Conninfo) -> None:
        self._conninfo = conninfo

    def __call__(self, text: str) -> str:
        """
        Return the server's plan, or the reason why there is none, in one line. Raises nothing.
        """
        try:
            with self._connected() as connection, connection.transaction(force_rollback=True):
                # Not in `options`, which may be set already, and which some poolers reject.
                connection.execute(_LIMITS)
                return "\n".join(_plan(connection, text))
        except Exception as error:  # a password callable may raise anything
            return f"none: {type(error).__name__}"

    def _connected(self) -> psycopg.Connection[tuple[Any, ...]]:
        return self._conninfo.connect(
            connect_timeout=_CONNECTING, application_name="raxol_sql plans"
        )


def _plan(connection: psycopg.Connection[tuple[Any, ...]], text: str) -> list[str]:
    # Without values, psycopg sends the text unchanged.
    if connection.info.server_version >= 160000:
        asked = f"explain (generic_plan) {text}"
        return [row[0] for row in connection.execute(asked.encode())]
    connection.execute(f"prepare raxol_sql_plan as {text}".encode())
    try:
        found = connection.execute(_COUNT).fetchall()
        nulls = ", ".join(["null"] * sum(count for (count,) in found))
        asked = f"explain execute raxol_sql_plan{f'({nulls})' if nulls else ''}"
        return [row[0] for row in connection.execute(asked.encode())]
    finally:
        if connection.info.transaction_status == TransactionStatus.INTRANS:
            connection.execute("deallocate raxol_sql_plan")

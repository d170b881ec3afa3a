"""The plan of a statement, whatever its arguments are."""

from __future__ import annotations

from typing import Any

import psycopg

# In milliseconds, for the server; and in seconds, for connecting.
_LONGEST = 5_000
_CONNECTING = 5


class Planner:
    """
    Asks for plans on a connection of its own, which it makes for each, and which only reads.

    The plan is the one that fits any arguments, so that none of them is in it. Safe for threads.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo

    def __call__(self, text: str) -> str:
        """The plan as the server writes it, or why there is none, in one line. Raises nothing."""
        try:
            with self._connected() as connection:
                return "\n".join(_plan(connection, text))
        except psycopg.Error as error:
            return f"none: {type(error).__name__}"

    def _connected(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(
            self._conninfo,
            autocommit=True,
            connect_timeout=_CONNECTING,
            application_name="raxol_sql plans",
            options=f"-c default_transaction_read_only=on -c statement_timeout={_LONGEST}",
        )


def _plan(connection: psycopg.Connection[tuple[Any, ...]], text: str) -> list[str]:
    if connection.info.server_version >= 160000:
        asked = f"explain (generic_plan) {text}"
    else:
        connection.execute("set plan_cache_mode = force_generic_plan")
        connection.execute(f"prepare raxol_sql_plan as {text}".encode())
        found = connection.execute(
            "select cardinality(parameter_types) from pg_prepared_statements "
            "where name = 'raxol_sql_plan'"
        ).fetchall()
        nulls = ", ".join(["null"] * sum(count for (count,) in found))
        asked = f"explain execute raxol_sql_plan{f'({nulls})' if nulls else ''}"
    # Without values psycopg takes it as it is.
    return [row[0] for row in connection.execute(asked.encode())]

"""Which queries for a single row have to read every row of a table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import psycopg
from psycopg import pq
from psycopg.pq.abc import PGresult

from raxol_sql.queries import Query
from raxol_sql.schema.asking import asked
from raxol_sql.schema.finding import Finding, Level
from raxol_sql.text import Kind, Statement

# The first version that plans a statement without the values of its parameters.
_GENERIC_PLANS = 16_00_00
_EQUAL_TO_PARAMETER = re.compile(r"[^<>!]= \(?\$[0-9]+|\$[0-9]+\)?(?:::[\w ]+)? = ")


@attrs.frozen
class Plans:
    """The plans that a server makes when reading whole tables is the last thing it would do."""

    connection: psycopg.Connection[Any]
    are_there: bool

    @classmethod
    def of(cls, connection: psycopg.Connection[Any]) -> Plans:
        """Those of a connection in autocommit; none of a server older than PostgreSQL 16."""
        return cls(connection, connection.info.server_version >= _GENERIC_PLANS)

    @contextmanager
    def open(self) -> Iterator[None]:
        """
        A transaction in which plans are made, and which leaves nothing behind.

        A pooler keeps to one server inside of it, so that what was prepared is there for the
        next step. No session waits long behind a migration, and none behind this.
        """
        # Statistics of a small table would have it read whole, whatever indexes there are.
        self._ask("begin; set local enable_seqscan = off; set local lock_timeout = '5s'")
        try:
            yield
        finally:
            self._ask("rollback")

    def read(self, query: Query[Any], statement: Statement) -> Iterator[Finding]:
        """
        What is read whole to find the row of a :one or :maybe query that equals its parameters.

        Where no plan without that is possible, no index serves it: that is certain, and whether
        the table is large enough to mind is not, so it is a note.
        """
        if not self.are_there or query.kind not in (Kind.ONE, Kind.MAYBE):
            return
        if not statement.parameters:
            return
        planned = self._ask(f"explain (generic_plan, format json) {statement.text}")
        value = planned.get_value(0, 0) if planned.status == pq.ExecStatus.TUPLES_OK else None
        if value is None:
            return
        for node in _nodes(json.loads(value)[0]["Plan"]):
            condition = node.get("Filter", "")
            if node["Node Type"] == "Seq Scan" and _EQUAL_TO_PARAMETER.search(condition):
                yield Finding(
                    Level.NOTE,
                    "scan",
                    query.name,
                    f"reads every row of {node['Relation Name']} for {condition}",
                    f"create an index on the columns of {node['Relation Name']} that it asks for",
                    query.location,
                )

    def _ask(self, text: str) -> PGresult:
        return asked(self.connection, lambda: self.connection.pgconn.send_query(text.encode()))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)

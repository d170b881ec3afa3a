"""Detection of queries for a single row that read every row of a table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from psycopg import pq
from psycopg.pq.abc import PGresult

from raxol_sql.engine.explain import GenericPlan
from raxol_sql.queries import Query
from raxol_sql.schema.finding import Finding, Level
from raxol_sql.text import Kind, Statement

# The first version with EXPLAIN (GENERIC_PLAN), which needs no values of parameters.
_GENERIC_PLANS = 16_00_00
_EQUAL_TO_PARAMETER = re.compile(r"[^<>!]= \(?\$[0-9]+|\$[0-9]+\)?(?:::[\w ]+)? = ")
OPTIONS = "format json"
# The planner prefers to read a small table whole, whatever indexes there are.
SETTINGS = {"enable_seqscan": "off", "lock_timeout": "5s"}


def plan_to_read(
    query: Query[Any], statement: Statement, server_version: int
) -> GenericPlan | None:
    """
    Return the statement to explain for a :one or :maybe query with parameters, or None.

    None also for a server older than PostgreSQL 16.
    """
    if server_version < _GENERIC_PLANS or query.kind not in (Kind.ONE, Kind.MAYBE):
        return None
    if not statement.parameters:
        return None
    return GenericPlan(statement.text, len(statement.parameters))


def read_plan(query: Query[Any], planned: PGresult) -> Iterator[Finding]:
    """
    Yield a note for each table that the server reads whole to find the row of a query.

    If the planner has no other plan, no index serves the query. Whether the table is large enough
    for that to matter is not known, so the level is NOTE.
    """
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


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)

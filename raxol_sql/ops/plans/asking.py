"""Asking the server for the plan of a statement, with its arguments or for any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import psycopg

from raxol_sql.config import Conninfo
from raxol_sql.config.conninfo import Given
from raxol_sql.engine import Database, Transaction
from raxol_sql.ops.own_queries import own_queries
from raxol_sql.ops.plans.tree import Plan
from raxol_sql.queries import BoundQuery, Query
from raxol_sql.text import Directives, Kind, Statement, first_word_of

# What the server makes plans for; a statement in brackets begins with no word.
_PLANNED = frozenset(["select", "insert", "update", "delete", "merge", "values", "with", "table"])
# The first version that plans a statement without the values of its parameters.
_GENERIC_PLANS = 16_00_00
_NAME = "raxol_sql_plan"


@attrs.frozen
class KnownTable:
    """
    What there is to know of a table that a plan names.

    ``quoted`` is its name as SQL writes it, ``rows`` how many it has as far as the statistics
    know, 0 where they do not; ``varchars`` are its columns of that type, ``leading`` those that
    an index begins with, both quoted where they have to be.
    """

    quoted: str
    rows: float
    varchars: frozenset[str] = frozenset()
    leading: frozenset[str] = frozenset()


def planned_text(query: Query[Any], statement: Statement) -> str | None:
    """
    What the server would plan for a query: its statement, or the query that a COPY copies out.

    None for what has no plan: every other COPY, TRUNCATE, VACUUM, CALL and the like. All that has
    one can be rolled back.
    """
    copy = query.definition.copy
    text = statement.text if copy is None else copy.query
    if not text:
        return None
    word = first_word_of(text)
    return text if word in _PLANNED or (not word and text.startswith("(")) else None


def explain(
    runner: Database | Transaction, bound: BoundQuery[Any], *, analyze: bool = False
) -> Plan:
    """
    The plan of a query with its arguments, which travel separately from the text.

    Nothing is run, unless ``analyze``: then it is, with all its effects, which are for the
    caller to roll back. Takes as long as the query may. Raises what running the query would, and
    ValueError for a query without a plan.
    """
    text = planned_text(bound.query, bound.statement)
    if text is None:
        raise ValueError(f"{bound.query.name} is a statement without a plan")
    options = "analyze, buffers, verbose, format json" if analyze else "verbose, format json"
    definition = bound.query.definition
    asking: Query[Any] = Query(
        attrs.evolve(
            definition,
            kind=Kind.ONE,
            result="scalar",
            directives=Directives(timeout=definition.directives.timeout),
            copy=None,
        )
    )
    statement = attrs.evolve(bound.statement, text=f"explain ({options}) {text}")
    return Plan.read(runner.run(BoundQuery(asking, statement, bound.values)))


def explain_any(conninfo: Given, text: str) -> Plan:
    """
    The plan of a statement for any arguments: ``$1``, ``$2`` ... stand for themselves.

    On a separate connection, in a transaction that is rolled back; nothing is run, and no session
    is waited for longer than five seconds. Raises psycopg.Error for what the server does not
    plan, and where it cannot be reached.
    """
    conninfo = Conninfo.of(conninfo)
    with (
        conninfo.connect(client_encoding="utf8", connect_timeout=5) as connection,
        connection.transaction(force_rollback=True),
    ):
        connection.execute("set local lock_timeout = '5s'")
        if connection.info.server_version >= _GENERIC_PLANS:
            return _planned(connection, f"explain (generic_plan, verbose, format json) {text}")
        return explain_prepared(connection, text)


def known_tables(
    runner: Database | Transaction, plan: Plan
) -> Mapping[tuple[str, str], KnownTable]:
    """What there is to know of the tables of a plan, by schema and name."""
    tables = plan.tables
    if not tables:
        return {}
    query = own_queries(__file__, "plan").tables
    schemas, names = map(list, zip(*tables, strict=True))
    return {
        (one.schema, one.name): KnownTable(
            one.quoted, one.row_count, frozenset(one.varchars), frozenset(one.leading)
        )
        for one in runner.run(query(schemas=schemas, names=names))
    }


def explain_prepared(connection: psycopg.Connection[Any], text: str) -> Plan:
    """
    The plan that a server of any age keeps for a prepared statement, whatever its arguments.

    ``connection`` is in a transaction, whose settings are changed. Raises psycopg.Error.
    """
    connection.execute(f"prepare {_NAME} as {text}".encode())
    (count,) = _row(
        connection,
        f"select cardinality(parameter_types) from pg_prepared_statements where name = '{_NAME}'",
    )
    connection.execute("set local plan_cache_mode = force_generic_plan")
    nulls = f"({', '.join(['null'] * count)})" if count else ""
    plan = _planned(connection, f"explain (verbose, format json) execute {_NAME}{nulls}")
    # It would outlive the transaction, and a pooler would hand it to another client.
    connection.execute(f"deallocate {_NAME}")
    return plan


def _planned(connection: psycopg.Connection[Any], statement: str) -> Plan:
    return Plan.read(_row(connection, statement)[0])


def _row(connection: psycopg.Connection[Any], statement: str) -> tuple[Any, ...]:
    row = connection.execute(statement.encode()).fetchone()
    assert row is not None, "both are one row"
    return tuple(row)

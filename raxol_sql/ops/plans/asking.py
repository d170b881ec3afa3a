"""Asking the server for the plan of a statement, with its arguments or for any."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs
import psycopg

from raxol_sql.engine import Database, Transaction
from raxol_sql.engine import explain as engine_explain
from raxol_sql.ops.own_queries import own_queries
from raxol_sql.ops.plans.tree import Plan
from raxol_sql.queries import BoundQuery, Query
from raxol_sql.text import Directives, Kind, Statement, first_word_of

# What the server makes plans for; a statement in brackets begins with no word.
_PLANNED = frozenset(["select", "insert", "update", "delete", "merge", "values", "with", "table"])
_SETTINGS = {"lock_timeout": "5s"}


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


def explain_any(connection: psycopg.Connection[Any], text: str) -> Plan:
    """
    The plan of a statement for any arguments: ``$1``, ``$2`` ... stand for themselves.

    ``connection`` is in autocommit and outside a transaction block. Nothing is run, nothing stays
    on the server, and a lock is waited for no longer than five seconds. Raises psycopg.Error for
    what the server does not plan, and where the connection is lost.
    """
    (document,) = engine_explain.explain_any(connection, text, "verbose, format json", _SETTINGS)
    return Plan.read(json.loads(document))


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

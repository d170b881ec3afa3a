"""Description of a table, read from the live database."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from raxol_sql.engine import Database, Transaction
from raxol_sql.errors import did_you_mean
from raxol_sql.queries import load
from raxol_sql.schema.table import Column, Constraint, Table


def describe(database: Database | Transaction, name: str) -> Table:
    """
    Return the table ``name``, as SQL writes it: ``users``, ``billing.invoices``, ``"Odd"``.

    Raises LookupError, with the nearest names, if it does not exist, and for a view or another
    relation that is no table. Reads only the catalogue.
    """
    queries = load(Path(__file__).with_name("tables.sql")).tables
    found: Any = database.run(queries.find(name=name))
    if found is None:
        names = database.run(queries.names())
        nearest = did_you_mean(difflib.get_close_matches(name, names, n=2))
        there = nearest or f"; there are {', '.join(names) or 'no tables'}"
        raise LookupError(f"there is no table {name}{there}")
    if found.kind not in ("r", "p"):
        raise LookupError(f"{name} is no table: rows come from the tables behind it")
    rows: Any = database.run(queries.columns(oid=found.oid))
    columns = tuple(
        Column(
            one.name,
            one.quoted,
            one.type,
            one.base,
            one.is_array,
            one.length,
            tuple(one.labels),
            one.nullable,
            one.has_default,
            one.is_given,
        )
        for one in rows
    )
    rows = database.run(queries.constraints(oid=found.oid))
    constraints = tuple(
        Constraint(
            one.name,
            one.kind,
            tuple(one.columns),
            one.definition,
            one.target,
            tuple(one.target_columns),
        )
        for one in rows
    )
    return Table(found.name, found.quoted, columns, constraints)

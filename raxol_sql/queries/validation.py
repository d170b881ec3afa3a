"""Validation of the queries that callers pass to the methods of a database."""

from __future__ import annotations

from typing import Any

from raxol_sql.errors import QueryKindError
from raxol_sql.queries import BoundQuery, Query
from raxol_sql.text import CopyShape, Kind


def require_bound(verb: str, bound: object) -> BoundQuery[Any]:
    """
    Return a bound query that is no :copy; raise `QueryKindError` or TypeError for anything else.
    """
    if isinstance(bound, Query):
        raise QueryKindError(
            bound.name, f"{verb} expects a bound query: call it first, as in {bound.signature}"
        )
    if not isinstance(bound, BoundQuery):
        kind = type(bound).__name__
        raise TypeError(
            f"{verb} expects a bound query, such as queries.users.get(id=1), not {kind}"
        )
    if bound.query.kind is Kind.COPY:
        raise QueryKindError(bound.query.name, "a :copy query is run by copy()")
    return bound


def require_query(verb: str, query: object) -> Query[Any]:
    """
    Return a query without arguments that is no :copy; raise `QueryKindError` or TypeError if not.
    """
    if isinstance(query, BoundQuery):
        raise QueryKindError(query.query.name, f"{verb} takes the query itself, and rows for it")
    if not isinstance(query, Query):
        raise TypeError(f"{verb} takes a query; not {type(query).__name__}")
    if query.kind is Kind.COPY:
        raise QueryKindError(query.name, "a :copy query is run by copy()")
    return query


def copy_shape(query: object) -> CopyShape:
    """Return the shape of a :copy query; raise `QueryKindError` or TypeError for anything else."""
    if not isinstance(query, Query):
        raise TypeError(f"copy() takes a :copy query; not {type(query).__name__}")
    if query.definition.copy is None:
        raise QueryKindError(query.name, f"copy() takes :copy, and this is :{query.kind.value}")
    return query.definition.copy

"""What an error says about the query that it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from raxol_sql.engine.parameters import ParameterMisfit
from raxol_sql.errors import ParameterError, RaxolSQLError
from raxol_sql.queries import Bound, Query


def explain(error: BaseException, query: Query[Any], more: str = "") -> None:
    """
    Adds to an error of the driver, or of a record's class, which query it was and where.

    Those of our own that have a ``query`` say so themselves; ``more`` is added to either.
    """
    if isinstance(error, RaxolSQLError) and hasattr(error, "query"):
        if more:
            error.add_note(more)
    elif isinstance(error, Exception):
        error.add_note(" ".join(["in query", query.name, f"({query.location})", more]).strip())


@contextmanager
def explaining(query: Query[Any], more: str = "") -> Iterator[None]:
    """Explains what is raised inside."""
    try:
        yield
    except Exception as error:
        explain(error, query, more)
        raise


def misfit(bound: Bound[Any], error: ParameterMisfit) -> ParameterError:
    """The error for an argument that cannot be one of the type that the server asks for."""
    name = bound.statement.parameters[error.index]
    return ParameterError(bound.query.name, [f"{name}: {error.problem}"])

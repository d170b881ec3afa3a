"""Notes on errors that name the query."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from raxol_sql.config.passwords import MASK
from raxol_sql.engine.types.parameters import ParameterTypeMismatch
from raxol_sql.errors import ParameterError, RaxolSQLError
from raxol_sql.queries import BoundQuery, Query


def add_notes(error: BaseException, query: Query[Any], more: str = "") -> None:
    """
    Add the query and the position to an error of the driver or of a record's class.

    Our own errors with a ``query`` attribute name it themselves; ``more`` is added to either.
    """
    if isinstance(error, RaxolSQLError) and hasattr(error, "query"):
        if more:
            error.add_note(more)
    elif isinstance(error, Exception):
        error.add_note(" ".join(["in query", query.name, f"({query.location})", more]).strip())


def arguments_of(bound: BoundQuery[Any], *, shows_values: bool) -> str:
    """
    Return the note on the arguments of a query: empty, unless the configuration allows values.

    Arguments marked ``@sensitive`` are masked even then.
    """
    if not shows_values:
        return ""
    hidden = bound.query.definition.directives.sensitive
    shown = [
        f"{name}={MASK if name in hidden else _brief(value)}"
        for name, value in bound.arguments.items()
    ]
    return f"with {', '.join(shown)}" if shown else "without arguments"


def _brief(value: object) -> str:
    """Return a shortened repr of a value; raises nothing."""
    return _BRIEF.repr(value[:_LONGEST] if isinstance(value, (bytes, bytearray)) else value)


_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = _LONGEST = 200


@contextmanager
def notes_on_errors(query: Query[Any], more: str = "") -> Iterator[None]:
    """Add notes to errors that are raised inside the block."""
    try:
        yield
    except Exception as error:
        add_notes(error, query, more)
        raise


def parameter_error(bound: BoundQuery[Any], error: ParameterTypeMismatch) -> ParameterError:
    """Return the error for an argument that does not fit the type of its parameter."""
    name = bound.statement.parameters[error.index]
    return ParameterError(bound.query.name, [f"{name}: {error.problem}"])

"""Whether an error may come from what was known of a statement, and not from the statement."""

from __future__ import annotations

import enum

import psycopg

from raxol_sql.engine.parameters import ParameterMisfit
from raxol_sql.text import first_word_of

# Classes of SQLSTATE: features, names of statements, syntax and names, internal errors.
_CLASSES = ("0A", "26", "42", "XX")
_CLASS_OF_VALUES = "22"
# What the server says of a value that is written in binary for another type than it has now: it
# has another length, or is no such value, or no text.
_BADLY_WRITTEN = ("08P01", "22P03", "22021")


class Suspicion(enum.Enum):
    """
    What an error lets one suspect.

    That the server has lost the statement (``GONE``), or has another ``PLAN`` for it; that it has
    other ``TYPES`` by now than it said; that a ``VALUE`` was written for the types it had before;
    or nothing of the kind.
    """

    GONE = enum.auto()
    PLAN = enum.auto()
    TYPES = enum.auto()
    VALUE = enum.auto()
    NONE = enum.auto()


def suspicion_of(error: BaseException) -> Suspicion:
    """
    What an error lets one suspect of the statement that was prepared.

    "cached plan must not change result type" has the SQLSTATE of everything that is not
    supported; the function in the server that says it tells it apart (plancache.c).
    """
    if isinstance(error, ParameterMisfit):
        return Suspicion.VALUE
    if not isinstance(error, psycopg.Error):
        return Suspicion.NONE
    if isinstance(error, psycopg.errors.InvalidSqlStatementName):
        return Suspicion.GONE
    if error.diag.source_function == "RevalidateCachedQuery":
        return Suspicion.PLAN
    state = error.sqlstate
    if state is None:
        return Suspicion.VALUE if isinstance(error, psycopg.DataError) else Suspicion.NONE
    if state.startswith(_CLASSES) or state in _BADLY_WRITTEN:
        return Suspicion.TYPES
    return Suspicion.VALUE if state.startswith(_CLASS_OF_VALUES) else Suspicion.NONE


def may_commit(text: str) -> bool:
    """
    Whether a statement may have done something for good although it failed.

    A procedure may commit in its middle.
    """
    return first_word_of(text) in ("call", "do")

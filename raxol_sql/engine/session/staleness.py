"""Whether an error may come from what was known of a statement, and not from the statement."""

from __future__ import annotations

import enum
from typing import Protocol

import attrs
import psycopg

from raxol_sql.engine.session.prepared import Prepared, PreparedStatements, Types, oids_of
from raxol_sql.engine.types.connection_types import ConnectionTypes
from raxol_sql.engine.types.parameters import ParameterTypeMismatch
from raxol_sql.engine.types.type_trust import SCHEMA_AGE
from raxol_sql.engine.wire.pipeline import Pipeline
from raxol_sql.text import first_word_of

# Classes of SQLSTATE: features, names of statements, syntax and names, internal errors.
_CLASSES = ("0A", "26", "42", "XX")
_CLASS_OF_VALUES = "22"
# What the server says of a value that is written in binary for another type than it has now: it
# has another length, or is no such value, or no text.
_BADLY_WRITTEN = ("08P01", "22P03", "22021")


class StaleReason(enum.Enum):
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


def suspicion_of(error: BaseException) -> StaleReason:
    """
    What an error lets one suspect of the statement that was prepared.

    "cached plan must not change result type" has the SQLSTATE of everything that is not
    supported; the function in the server that says it tells it apart (plancache.c).
    """
    if isinstance(error, ParameterTypeMismatch):
        return StaleReason.VALUE
    if not isinstance(error, psycopg.Error):
        return StaleReason.NONE
    if isinstance(error, psycopg.errors.InvalidSqlStatementName):
        return StaleReason.GONE
    if error.diag.source_function == "RevalidateCachedQuery":
        return StaleReason.PLAN
    state = error.sqlstate
    if state is None:
        return StaleReason.VALUE if isinstance(error, psycopg.DataError) else StaleReason.NONE
    if state.startswith(_CLASSES) or state in _BADLY_WRITTEN:
        return StaleReason.TYPES
    return StaleReason.VALUE if state.startswith(_CLASS_OF_VALUES) else StaleReason.NONE


def may_commit(text: str) -> bool:
    """
    Whether a statement may have done something for good although it failed.

    A procedure may commit in its middle.
    """
    return first_word_of(text) in ("call", "do")


class Session(Protocol):
    """What is asked of a session here."""

    wire: Pipeline
    types: ConnectionTypes
    statements: PreparedStatements
    suspect: StaleStatement | None
    is_shared: bool

    @property
    def is_idle(self) -> bool: ...

    @property
    def in_failed_transaction(self) -> bool: ...

    async def describe(self, text: str) -> Prepared: ...


@attrs.frozen
class StaleStatement:
    """A statement that failed in a transaction, and the types that it was known to have."""

    text: str
    types: Types

    async def has_changed(self, session: Session) -> bool:
        """Whether it has other types by now, so that the transaction may be done once more."""
        try:
            described = await session.describe(self.text)
        except psycopg.Error:
            return False
        if described.types == self.types:
            return False
        SCHEMA_AGE.increase()
        return True


async def is_outdated(session: Session, text: str, error: BaseException) -> bool:
    """
    Whether a statement failed only because of what was known of it, and may be sent again.

    The server may have lost it, or have other types for it by now than it said. In a transaction
    that has failed it cannot be sent again, but with the whole of it, so the session remembers it
    as ``suspect``; the next transaction prepares it again.
    """
    known = session.statements.find(text)
    suspicion = suspicion_of(error)
    if known is None or suspicion is StaleReason.NONE:
        return False
    if suspicion is StaleReason.GONE:
        # Where one is gone, the others are.
        session.statements.clear()
        return session.is_idle and not may_commit(text)
    # What was refused before it was sent leaves a transaction as it is.
    is_whole = isinstance(error, ParameterTypeMismatch) and not session.in_failed_transaction
    can_ask = session.is_idle or is_whole
    if suspicion is StaleReason.PLAN or not can_ask or may_commit(text):
        # The server cannot be asked now, so the next use prepares it again.
        session.statements.forget(text)
    if not can_ask or may_commit(text):
        session.types.suspect(oids_of(known.types))
        session.suspect = StaleStatement(text, known.types)
        return False
    try:
        described = await session.describe(text)
        is_altered = await session.types.have_changed(session.wire, oids_of(known.types))
    except psycopg.Error:
        return False
    has_changed = described.types != known.types or is_altered
    # Another server, which a pooler lent, may have prepared it before a table changed.
    is_elsewhere = session.is_shared and known.name and suspicion is not StaleReason.VALUE
    if not has_changed and suspicion is not StaleReason.PLAN and not is_elsewhere:
        return False
    if has_changed:
        SCHEMA_AGE.increase()
    session.statements.forget(text)
    return True

"""Errors that an outdated prepared statement causes."""

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

# SQLSTATE classes: feature not supported, invalid statement name, syntax error, internal error.
_CLASSES = ("0A", "26", "42", "XX")
_CLASS_OF_VALUES = "22"
# Errors for a binary value of a former parameter type: a wrong length, value or encoding.
_BADLY_WRITTEN = ("08P01", "22P03", "22021")


class StaleReason(enum.Enum):
    """
    The reason why an error may come from an outdated statement.

    ``GONE``: the server has lost the statement. ``PLAN``: its cached plan is outdated. ``TYPES``:
    its types have changed. ``VALUE``: a value was written for the former types.
    """

    GONE = enum.auto()
    PLAN = enum.auto()
    TYPES = enum.auto()
    VALUE = enum.auto()
    NONE = enum.auto()


def suspicion_of(error: BaseException) -> StaleReason:
    """
    Return the reason why a prepared statement may be outdated, judging by an error.

    "cached plan must not change result type" shares its SQLSTATE with all unsupported features; the
    name of the server's function distinguishes it (plancache.c).
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
    Return whether a failed statement may have committed part of its work.

    A procedure may commit in its body.
    """
    return first_word_of(text) in ("call", "do")


class Session(Protocol):
    """The methods of a session that this module uses."""

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


@attrs.frozen(eq=False, repr=False)
class StaleStatement:
    """A statement that failed in a transaction, with its known types."""

    text: str
    types: Types

    async def has_changed(self, session: Session) -> bool:
        """Return whether its types have changed, so that the transaction may be retried."""
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
    Return whether a statement failed only because it was outdated, so that it may be sent again.

    The server may have lost it, or its types may have changed. In a failed transaction, only the
    whole transaction can be retried, so the session keeps the statement as ``suspect``, and the
    next transaction prepares it again.
    """
    known = session.statements.find(text)
    suspicion = suspicion_of(error)
    if known is None or suspicion is StaleReason.NONE:
        return False
    if suspicion is StaleReason.GONE:
        # If one is gone, so are the others.
        session.statements.clear()
        return session.is_idle and not may_commit(text)
    # A statement that was rejected before it was sent does not fail the transaction.
    is_whole = isinstance(error, ParameterTypeMismatch) and not session.in_failed_transaction
    can_ask = session.is_idle or is_whole
    if suspicion is StaleReason.PLAN or not can_ask or may_commit(text):
        # The server cannot be asked now, so the next use prepares the statement again.
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
    # Another server behind the pooler may have prepared it before a table changed.
    is_elsewhere = session.is_shared and known.name and suspicion is not StaleReason.VALUE
    if not has_changed and suspicion is not StaleReason.PLAN and not is_elsewhere:
        return False
    if has_changed:
        SCHEMA_AGE.increase()
    session.statements.forget(text)
    return True

"""Classification of errors, by SQLSTATE, severity and phase, never by the message."""

from __future__ import annotations

from asyncio import CancelledError
from typing import Any

import attrs
import psycopg
import psycopg_pool
from psycopg import errors

from raxol_sql.errors import (
    CommittedResultLostError,
    DeadlineExceededError,
    OutcomeUnknownError,
    PoolExhaustedError,
    RaxolSQLError,
)
from raxol_sql.failures.failure import Category, Effect, Failure, Phase, Verdict
from raxol_sql.failures.loss import is_lost, is_refused
from raxol_sql.failures.sqlstates import SQLSTATES, SQLState

# The function in the server (plancache.c) that says "cached plan must not change result type",
# with the SQLSTATE of everything that is not supported.
_STALE_PLAN = "RevalidateCachedQuery"
# The server ends the session after an error of these severities.
_LAST_WORDS = ("FATAL", "PANIC")
# transaction_timeout: the server stops that clock before it commits, and answers a COMMIT before it
# looks at it again.
_BEFORE_COMMIT = "25P04"

# The effect without proof. Without a COMMIT the server rolls back, however the transaction ends.
_EFFECTS = {
    Phase.ACQUIRE: Effect.NONE,
    Phase.SENT: Effect.UNKNOWN,
    Phase.IN_TRANSACTION: Effect.ROLLED_BACK,
    Phase.COMMIT_SENT: Effect.UNKNOWN,
    Phase.DONE: Effect.COMMITTED,
}

_UNKNOWN_CODE = SQLState(
    Category.UNKNOWN, Verdict.NEVER, "unknown SQLSTATE: PostgreSQL does not define it"
)
_UNKNOWN_ERROR = SQLState(Category.UNKNOWN, Verdict.NEVER, "not a database error")
_STALE = SQLState(Category.STALE, Verdict.STATEMENT, "a prepared statement is outdated")
# A live server reports an invalid message of the client; a retry would send the same message.
_MISUNDERSTOOD = SQLState(
    Category.PROGRAMMING,
    Verdict.NEVER,
    "the server could not parse the message that the client sent",
)
_LOST = SQLState(Category.CONNECTION, Verdict.TRANSACTION_NEW, "the connection was lost")
_NOT_MADE = SQLState(Category.CONNECTION, Verdict.ACQUIRE, "could not connect")
_NOT_LET_IN = SQLState(Category.AUTHENTICATION, Verdict.NEVER, "TLS or password negotiation failed")
# libpq reports calls that it rejects and lost connections with the same messages and classes.
_UNMARKED = SQLState(
    Category.UNKNOWN, Verdict.NEVER, "the driver rejected the call, or lost the connection"
)

_REFUSED = SQLState(
    Category.PROGRAMMING, Verdict.NEVER, "the driver rejected the call before anything was sent"
)
_NO_PLACE = SQLState(
    Category.POOL, Verdict.NEVER, "timed out waiting for a connection from the pool"
)

Kinds = tuple[type[BaseException], ...]

# Errors without a SQLSTATE, of the driver and others: the first line whose class fits counts.
_CODELESS: tuple[tuple[Kinds, SQLState], ...] = (
    ((psycopg_pool.PoolTimeout, psycopg_pool.TooManyRequests), _NO_PLACE),
    (
        (psycopg_pool.PoolClosed,),
        SQLState(Category.POOL, Verdict.NEVER, "the pool is closed"),
    ),
    ((errors.ConnectionTimeout,), _NOT_MADE),
    (
        (errors.PipelineAborted,),
        SQLState(Category.PROGRAMMING, Verdict.NEVER, "an earlier statement of the batch failed"),
    ),
    (
        (errors.CancellationTimeout,),
        SQLState(
            Category.CANCELLED, Verdict.NEVER, "the server did not cancel the statement in time"
        ),
    ),
    (
        (psycopg.DataError,),
        SQLState(Category.DATA, Verdict.NEVER, "the driver cannot convert a value"),
    ),
    (
        (psycopg.ProgrammingError, psycopg.InterfaceError, psycopg.NotSupportedError),
        SQLState(Category.PROGRAMMING, Verdict.NEVER, "the driver does not support this"),
    ),
    (
        (psycopg.InternalError,),
        SQLState(Category.INTERNAL, Verdict.NEVER, "internal error of the driver or libpq"),
    ),
    ((psycopg.Error,), _UNMARKED),
    (
        (CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit),
        SQLState(Category.CANCELLED, Verdict.NEVER, "the call was cancelled by the client"),
    ),
    (
        (TimeoutError,),
        SQLState(Category.TIMEOUT, Verdict.NEVER, "a timeout of the client expired"),
    ),
    (
        (MemoryError,),
        SQLState(Category.RESOURCE, Verdict.NEVER, "the client is out of memory"),
    ),
    (
        (UnicodeError,),
        SQLState(Category.DATA, Verdict.NEVER, "a string cannot be encoded"),
    ),
)
_OURS: tuple[tuple[Kinds, SQLState], ...] = (
    ((PoolExhaustedError,), _NO_PLACE),
    (
        (DeadlineExceededError,),
        SQLState(Category.TIMEOUT, Verdict.NEVER, "the call timed out"),
    ),
    (
        (OutcomeUnknownError,),
        SQLState(
            Category.AMBIGUOUS,
            Verdict.NEVER,
            "outcome unknown: the work may or may not have been committed",
        ),
    ),
    (
        (CommittedResultLostError,),
        SQLState(
            Category.CONNECTION,
            Verdict.NEVER,
            "committed, but the result was lost with the connection",
        ),
    ),
    (
        (RaxolSQLError,),
        SQLState(Category.PROGRAMMING, Verdict.NEVER, "the library was called incorrectly"),
    ),
)
# The values of `DeadlineExceededError.effect`.
_ENDS = {effect.value: effect for effect in Effect}
# These errors are raised before anything is sent.
_ATTEMPTS = (
    psycopg_pool.PoolTimeout,
    psycopg_pool.TooManyRequests,
    psycopg_pool.PoolClosed,
    errors.ConnectionTimeout,
)

_WAYS_ON = {
    Verdict.ACQUIRE: "nothing was sent; it is safe to request a connection again",
    Verdict.STATEMENT: "nothing was executed; it is safe to prepare and send the statement again",
    Verdict.TRANSACTION: "the transaction was rolled back; it is safe to retry",
    Verdict.TRANSACTION_NEW: (
        "the transaction was rolled back; it is safe to retry on another connection"
    ),
    Verdict.RESOLVE: "it may have committed; check the outcome before retrying",
}
_REMEDIES = {
    Category.CONNECTION: "check the server log, proxies and firewalls for closed connections",
    Category.AUTHENTICATION: "check the role, its password and pg_hba.conf on the server",
    Category.CONFIGURATION: "check the configuration of the client and of the server",
    Category.POOL: "hold connections for a shorter time, or raise pool_size",
    Category.LOCK: "retry later, or find the blocking session with `raxol-sql deadlocks`",
    Category.TIMEOUT: "raise the timeout, or make the query faster",
    Category.CANCELLED: "raise the timeout if it was too short",
    Category.RESOURCE: "free disk space or memory before retrying",
    Category.LIMIT: "request less, or raise the limit",
    Category.AMBIGUOUS: "check the outcome before retrying",
    Category.CONSTRAINT: "change the data, or report it to the user",
    Category.DATA: "pass other values",
    Category.PRIVILEGE: "grant the privilege, or use another role",
    Category.PROGRAMMING: "fix the SQL or the code that calls it",
    Category.RAISED: "see the message that the function raised",
    Category.FOREIGN: "see the message of the foreign server",
    Category.INTERNAL: "report it with the statement and the server log",
    Category.CORRUPTION: "stop, back up the data that can be read, and check the server log",
    Category.NOTICE: "a function raised it as an error; see its message",
    Category.UNKNOWN: "see its message",
}
_ELSE = "check the server log"


def classify(error: BaseException, phase: Phase, *, lost: bool | None = None) -> Failure:
    """
    Classify an error that was raised in a phase of the work.

    Takes the errors of psycopg and psycopg_pool, those of this library, and any other exception, of
    which only the phase is known. Other exceptions, and SQLSTATEs that PostgreSQL does not define,
    are never retried. ``lost`` says whether the connection is lost, which a driver's error without
    a SQLSTATE does not tell; None means unknown. Errors of this library carry that themselves; a
    program that uses psycopg directly passes ``connection.closed``.

    A server error of severity ERROR proves in any phase that the server rolled back. A lost
    connection, and FATAL or PANIC, prove it only where no COMMIT was sent; a statement outside of a
    transaction is its own COMMIT. transaction_timeout (25P04) closes the connection too, and proves
    it in any phase.

    Raises nothing, does no I/O, and is safe to call from any thread.
    """
    kind = type(error)
    if issubclass(kind, RaxolSQLError):
        return _ours(error, kind, phase)
    if not issubclass(kind, psycopg.Error):
        return _failure(_codeless(kind), _EFFECTS[phase], Verdict.NEVER, None)
    told = _read_error(error)
    is_over = lost is True or told.is_lost or told.severity in _LAST_WORDS
    if phase is Phase.SENT and (told.is_attempt or issubclass(kind, _ATTEMPTS)):
        # A caller that still waits for a connection has sent nothing.
        phase = Phase.ACQUIRE
    if told.sqlstate:
        nature = _nature(told, is_over)
    else:
        nature = _codeless(kind)
        if nature is _UNMARKED:
            nature = _unmarked(told, phase, True if is_over else lost)
    is_proved = told.severity == "ERROR" and not is_over
    if told.severity in _LAST_WORDS and told.sqlstate == _BEFORE_COMMIT:
        is_proved = True
    effect = _effect(nature, phase, is_proved)
    return _failure(nature, effect, _verdict(nature, phase, effect, is_over), told.sqlstate)


@attrs.frozen(eq=False, repr=False)
class _ErrorFields:
    """The server's fields of a driver's error, and the marks on it."""

    sqlstate: str | None = None
    severity: str | None = None
    function: str | None = None
    is_attempt: bool = False
    is_refused: bool = False
    is_lost: bool = False


def _read_error(error: Any) -> _ErrorFields:
    try:
        state, told = error.sqlstate, error.diag
        return _ErrorFields(
            state if type(state) is str and state else None,
            # The one field for it that is not translated; poolers leave it out.
            told.severity_nonlocalized,
            told.source_function if state == "0A000" else None,
            # The driver sets it on errors of connecting only.
            error.pgconn is not None,
            is_refused(error),
            is_lost(error),
        )
    except Exception:
        # A subclass of the caller may behave differently from its base class.
        return _ErrorFields()


def _nature(told: _ErrorFields, is_over: bool) -> SQLState:
    if told.function == _STALE_PLAN:
        return _STALE
    if told.sqlstate == "08P01" and told.severity == "ERROR" and not is_over:
        return _MISUNDERSTOOD
    return SQLSTATES.get(told.sqlstate or "", _UNKNOWN_CODE)


def _codeless(kind: type[BaseException]) -> SQLState:
    return next((nature for kinds, nature in _CODELESS if issubclass(kind, kinds)), _UNKNOWN_ERROR)


def _unmarked(told: _ErrorFields, phase: Phase, lost: bool | None) -> SQLState:
    if told.is_refused:
        return _NOT_LET_IN
    if phase is Phase.ACQUIRE or told.is_attempt:
        return _NOT_MADE
    if lost is None:
        return _UNMARKED
    return _LOST if lost else _REFUSED


def _ours(error: Any, kind: type[BaseException], phase: Phase) -> Failure:
    effect = _EFFECTS[phase]
    nature = next(nature for kinds, nature in _OURS if issubclass(kind, kinds))
    if effect is Effect.UNKNOWN:
        # These errors carry their effect, which is more exact than the phase.
        if kind is CommittedResultLostError:
            effect = Effect.COMMITTED
        elif kind is DeadlineExceededError:
            effect = _ENDS.get(str(vars(error).get("effect")), effect)
        elif kind is PoolExhaustedError and phase is Phase.SENT:
            effect = Effect.NONE
    return _failure(nature, effect, Verdict.NEVER, None)


def _effect(nature: SQLState, phase: Phase, is_proved: bool) -> Effect:
    """Return the possible effect; ``is_proved`` if the server's error proves the rollback."""
    effect = _EFFECTS[phase]
    if effect is Effect.UNKNOWN:
        if nature is _REFUSED and phase is Phase.SENT:
            return Effect.NONE
        if is_proved and nature.verdict is not Verdict.RESOLVE:
            return Effect.ROLLED_BACK
    return effect


def _verdict(nature: SQLState, phase: Phase, effect: Effect, is_over: bool) -> Verdict:
    """Return the verdict, restricted by the phase and the effect."""
    if effect is Effect.COMMITTED:
        return Verdict.NEVER
    if phase is Phase.COMMIT_SENT and effect is Effect.UNKNOWN:
        # Whatever the error is: the outcome of the COMMIT must be resolved first.
        return Verdict.RESOLVE
    if nature.verdict is Verdict.NEVER:
        return Verdict.NEVER
    if phase is Phase.ACQUIRE:
        return Verdict.ACQUIRE
    if effect is Effect.UNKNOWN:
        return Verdict.RESOLVE
    if is_over or nature.verdict in (Verdict.ACQUIRE, Verdict.RESOLVE):
        return Verdict.TRANSACTION_NEW
    if nature.verdict is Verdict.STATEMENT and phase is not Phase.SENT:
        return Verdict.TRANSACTION
    return nature.verdict


def _failure(nature: SQLState, effect: Effect, verdict: Verdict, sqlstate: str | None) -> Failure:
    if effect is Effect.COMMITTED:
        way = "do not retry"
    elif verdict is not Verdict.NEVER:
        way = _WAYS_ON[verdict]
    else:
        way = _REMEDIES.get(nature.category, _ELSE)
        if effect is Effect.UNKNOWN:
            way += "; it may have committed nevertheless"
    return Failure(nature.category, effect, verdict, sqlstate, f"{nature.reason}; {way}")

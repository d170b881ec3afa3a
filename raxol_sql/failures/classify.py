"""What an error means: by its SQLSTATE, its severity and the phase, never by its text."""

from __future__ import annotations

from asyncio import CancelledError
from typing import Any

import attrs
import psycopg
import psycopg_pool
from psycopg import errors

from raxol_sql.errors import (
    CommittedResultLost,
    DeadlineExceeded,
    OutcomeUnknownError,
    PoolExhausted,
    RaxolSQLError,
)
from raxol_sql.failures.failure import Category, Effect, Failure, Phase, Verdict
from raxol_sql.failures.loss import is_lost, is_refused
from raxol_sql.failures.sqlstates import SQLSTATES, SQLState

# The function in the server (plancache.c) that says "cached plan must not change result type",
# with the SQLSTATE of everything that is not supported.
_STALE_PLAN = "RevalidateCachedQuery"
# After these severities the server ends the session.
_LAST_WORDS = ("FATAL", "PANIC")
# transaction_timeout: the server stops that clock before it commits, and answers a COMMIT before it
# looks at it again.
_BEFORE_COMMIT = "25P04"

# What is known if nothing is proved. Without a COMMIT nothing stays, however a transaction ends.
_EFFECTS = {
    Phase.ACQUIRE: Effect.NONE,
    Phase.SENT: Effect.UNKNOWN,
    Phase.IN_TRANSACTION: Effect.ROLLED_BACK,
    Phase.COMMIT_SENT: Effect.UNKNOWN,
    Phase.DONE: Effect.COMMITTED,
}

_UNKNOWN_CODE = SQLState(Category.UNKNOWN, Verdict.NEVER, "this SQLSTATE is not PostgreSQL's own")
_UNKNOWN_ERROR = SQLState(Category.UNKNOWN, Verdict.NEVER, "this is no error of the database")
_STALE = SQLState(Category.STALE, Verdict.STATEMENT, "a prepared statement is out of date")
# From a server that goes on, of a message that a client made wrong: it would be as wrong again.
_MISUNDERSTOOD = SQLState(
    Category.PROGRAMMING, Verdict.NEVER, "the server did not understand what was sent"
)
_LOST = SQLState(Category.CONNECTION, Verdict.TRANSACTION_NEW, "the connection was lost")
_NOT_MADE = SQLState(Category.CONNECTION, Verdict.ACQUIRE, "no connection could be made")
_NOT_LET_IN = SQLState(
    Category.AUTHENTICATION, Verdict.NEVER, "the two sides do not agree on TLS, or on a password"
)
# libpq refuses what it cannot send, and loses connections, in the same words and classes.
_UNMARKED = SQLState(
    Category.UNKNOWN, Verdict.NEVER, "the driver refused this, or has lost the connection"
)

_REFUSED = SQLState(Category.PROGRAMMING, Verdict.NEVER, "the driver refused to send this")
_NO_PLACE = SQLState(Category.POOL, Verdict.NEVER, "no connection of the pool became free")

Kinds = tuple[type[BaseException], ...]

# Errors of the driver that have no SQLSTATE, and others: the first line that an error is of.
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
        SQLState(Category.CANCELLED, Verdict.NEVER, "the server did not stop in time"),
    ),
    (
        (psycopg.DataError,),
        SQLState(Category.DATA, Verdict.NEVER, "the driver cannot convert a value"),
    ),
    (
        (psycopg.ProgrammingError, psycopg.InterfaceError, psycopg.NotSupportedError),
        SQLState(Category.PROGRAMMING, Verdict.NEVER, "the driver cannot do this"),
    ),
    (
        (psycopg.InternalError,),
        SQLState(Category.INTERNAL, Verdict.NEVER, "the driver, or libpq, has a bug"),
    ),
    ((psycopg.Error,), _UNMARKED),
    (
        (CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit),
        SQLState(Category.CANCELLED, Verdict.NEVER, "somebody wanted this to end"),
    ),
    (
        (TimeoutError,),
        SQLState(Category.TIMEOUT, Verdict.NEVER, "a time limit is over"),
    ),
    (
        (MemoryError,),
        SQLState(Category.RESOURCE, Verdict.NEVER, "the client is out of memory"),
    ),
    (
        (UnicodeError,),
        SQLState(Category.DATA, Verdict.NEVER, "a text cannot be converted to its encoding"),
    ),
)
_OURS: tuple[tuple[Kinds, SQLState], ...] = (
    ((PoolExhausted,), _NO_PLACE),
    (
        (DeadlineExceeded,),
        SQLState(Category.TIMEOUT, Verdict.NEVER, "the time of the call is over"),
    ),
    (
        (OutcomeUnknownError,),
        SQLState(Category.AMBIGUOUS, Verdict.NEVER, "nobody knows yet whether it has happened"),
    ),
    (
        (CommittedResultLost,),
        SQLState(Category.CONNECTION, Verdict.NEVER, "it has happened, and its result is lost"),
    ),
    (
        (RaxolSQLError,),
        SQLState(Category.PROGRAMMING, Verdict.NEVER, "something is used in a way it is not for"),
    ),
)
# What a `DeadlineExceeded` says of itself.
_ENDS = {effect.value: effect for effect in Effect}
# They come before anything is sent.
_ATTEMPTS = (
    psycopg_pool.PoolTimeout,
    psycopg_pool.TooManyRequests,
    psycopg_pool.PoolClosed,
    errors.ConnectionTimeout,
)

_WAYS_ON = {
    Verdict.ACQUIRE: "nothing was sent, and a connection may be asked for again",
    Verdict.STATEMENT: "nothing was done, and it may be prepared and sent again",
    Verdict.TRANSACTION: "all was taken back, and the whole transaction may be done again",
    Verdict.TRANSACTION_NEW: (
        "all was taken back, and the whole transaction may be done again on another connection"
    ),
    Verdict.RESOLVE: "it may have happened, so find that out before you do it again",
}
_REMEDIES = {
    Category.CONNECTION: "see what ends connections, at the server or on the way to it",
    Category.AUTHENTICATION: "see the role, its password and the server's pg_hba.conf",
    Category.CONFIGURATION: "see the configuration, here and at the server",
    Category.POOL: "hold connections for a shorter time, or allow for more of them",
    Category.LOCK: "wait for it if it is worth that, or find out who holds it",
    Category.TIMEOUT: "give it more time, or make it quicker",
    Category.CANCELLED: "let it end, or give it more time if that was too short",
    Category.RESOURCE: "make room before it is done again",
    Category.LIMIT: "ask for less, or raise the limit",
    Category.AMBIGUOUS: "find that out before you do it again",
    Category.CONSTRAINT: "change the data, or tell the user",
    Category.DATA: "give other values",
    Category.PRIVILEGE: "grant it, or use another role",
    Category.PROGRAMMING: "mend the SQL, or what uses it",
    Category.RAISED: "see what the function says in its message",
    Category.FOREIGN: "see what the other side says",
    Category.INTERNAL: "report it, with the statement and the server's log",
    Category.CORRUPTION: "stop, save what there is, and see the server's log",
    Category.NOTICE: "a function raised it as an error: see its message",
    Category.UNKNOWN: "see its message",
}
_ELSE = "see the server's log"


def classify(error: BaseException, phase: Phase, *, lost: bool | None = None) -> Failure:
    """
    What is known of an error that came in a phase of the work.

    It is for all that psycopg and psycopg_pool raise, for this library's own errors, and for
    everything else, of which nothing is known but what the phase says. That is never to be
    retried, and neither is a SQLSTATE that PostgreSQL does not ship. ``lost`` says whether the
    connection is gone: a driver's error without a SQLSTATE does not tell. Where this library
    loses a connection the error says so itself; who uses psycopg alone gives
    ``connection.closed``. None is for not knowing.

    The server's word that it is an ERROR proves that what was sent is rolled back, in any phase. A
    connection that is lost, or that the server ends with FATAL or PANIC, proves it only where no
    COMMIT was sent; and a statement outside of a transaction is its own COMMIT. transaction_timeout
    (25P04) ends the connection too, and proves it in any phase.

    Raises nothing. Asks nobody, changes nothing, and is safe for any thread.
    """
    kind = type(error)
    if issubclass(kind, RaxolSQLError):
        return _ours(error, kind, phase)
    if not issubclass(kind, psycopg.Error):
        return _failure(_codeless(kind), _EFFECTS[phase], Verdict.NEVER, None)
    told = _told(error)
    is_over = lost is True or told.is_lost or told.severity in _LAST_WORDS
    if phase is Phase.SENT and (told.is_attempt or issubclass(kind, _ATTEMPTS)):
        # Whoever still asks for a connection has sent nothing on it.
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


@attrs.frozen
class _Told:
    """What the driver's error has of the server's, and what else stands on it."""

    sqlstate: str | None = None
    severity: str | None = None
    function: str | None = None
    is_attempt: bool = False
    is_refused: bool = False
    is_lost: bool = False


def _told(error: Any) -> _Told:
    try:
        state, told = error.sqlstate, error.diag
        return _Told(
            state if type(state) is str and state else None,
            # The one field for it that is not translated; poolers leave it out.
            told.severity_nonlocalized,
            told.source_function if state == "0A000" else None,
            # The driver gives it to the errors of making a connection only.
            error.pgconn is not None,
            is_refused(error),
            is_lost(error),
        )
    except Exception:
        # Somebody's own kind of error, which is not what it should be.
        return _Told()


def _nature(told: _Told, is_over: bool) -> SQLState:
    if told.function == _STALE_PLAN:
        return _STALE
    if told.sqlstate == "08P01" and told.severity == "ERROR" and not is_over:
        return _MISUNDERSTOOD
    return SQLSTATES.get(told.sqlstate or "", _UNKNOWN_CODE)


def _codeless(kind: type[BaseException]) -> SQLState:
    return next((nature for kinds, nature in _CODELESS if issubclass(kind, kinds)), _UNKNOWN_ERROR)


def _unmarked(told: _Told, phase: Phase, lost: bool | None) -> SQLState:
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
        # They know better than the phase.
        if kind is CommittedResultLost:
            effect = Effect.COMMITTED
        elif kind is DeadlineExceeded:
            effect = _ENDS.get(str(vars(error).get("effect")), effect)
        elif kind is PoolExhausted and phase is Phase.SENT:
            effect = Effect.NONE
    return _failure(nature, effect, Verdict.NEVER, None)


def _effect(nature: SQLState, phase: Phase, is_proved: bool) -> Effect:
    """What can have happened; ``is_proved`` if the server's word proves that it was rolled back."""
    effect = _EFFECTS[phase]
    if effect is Effect.UNKNOWN:
        if nature is _REFUSED and phase is Phase.SENT:
            return Effect.NONE
        if is_proved and nature.verdict is not Verdict.RESOLVE:
            return Effect.ROLLED_BACK
    return effect


def _verdict(nature: SQLState, phase: Phase, effect: Effect, is_over: bool) -> Verdict:
    """What is left of a verdict in a phase."""
    if effect is Effect.COMMITTED:
        return Verdict.NEVER
    if phase is Phase.COMMIT_SENT and effect is Effect.UNKNOWN:
        # Whatever ended it: a COMMIT in doubt is to be settled.
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
        way = "what was done stays done"
    elif verdict is not Verdict.NEVER:
        way = _WAYS_ON[verdict]
    else:
        way = _REMEDIES.get(nature.category, _ELSE)
        if effect is Effect.UNKNOWN:
            way += "; it may have happened all the same"
    return Failure(nature.category, effect, verdict, sqlstate, f"{nature.reason}; {way}")

"""`raxol-sql explain-error`: what a SQLSTATE means, and what is retried after it."""

from __future__ import annotations

import difflib
import enum
import re

import attrs
import click
import psycopg
from psycopg.pq import DiagnosticField

from raxol_sql.cli.failure import FINDINGS
from raxol_sql.cli.output import Output, formatted
from raxol_sql.errors import did_you_mean
from raxol_sql.failures import Category, Effect, Failure, Phase, Verdict, classify
from raxol_sql.failures.sqlstates import SQLSTATES, SQLState

_SQLSTATE = re.compile(r"[0-9A-Z]{5}")
# The severity of a failed statement, and of an error with which the server ends the session.
_SESSIONS = {"stays": "ERROR", "closed": "FATAL"}
_NEAREST, _ALIKE = 3, 0.6

_PHASES = {
    Phase.ACQUIRE: "connecting",
    Phase.SENT: "single statement",
    Phase.IN_TRANSACTION: "in a transaction",
    Phase.COMMIT_SENT: "at COMMIT",
}
_VERDICTS = {
    Verdict.NEVER: "not retried, unless RetryPolicy(extra_sqlstates=...) names the code",
    Verdict.ACQUIRE: "the pool connects again",
    Verdict.STATEMENT: "the statement is prepared and sent again, outside of a transaction",
    Verdict.TRANSACTION: (
        "the whole transaction is retried, if run_transaction or a Multi began it"
    ),
    Verdict.TRANSACTION_NEW: (
        "the whole transaction is retried on another connection, if run_transaction or a Multi "
        "began it"
    ),
    Verdict.RESOLVE: "not retried before the outcome is known",
}
_EFFECTS = {
    Effect.NONE: "nothing was sent",
    Effect.ROLLED_BACK: "rolled back",
    Effect.COMMITTED: "committed",
    Effect.UNKNOWN: "unknown, may have committed",
}


@attrs.frozen
class Case:
    """
    The classification of an error in a phase of the work.

    ``phase`` is that phase in words, ``session`` whether the connection stays ("stays") or the
    server ends it ("closed"); ``effect`` and ``verdict`` are those of a `Failure`.
    """

    phase: str
    session: str
    effect: Effect
    verdict: Verdict


@attrs.frozen
class Explanation:
    """
    What a SQLSTATE means.

    ``name`` is that of psycopg's class for it, empty where there is none. ``nearest`` are similar
    codes, for a code that PostgreSQL does not define. ``verdict`` holds where the server reported
    the error and rolled back; ``cases`` have the effect and the verdict of each phase.
    """

    sqlstate: str
    is_known: bool
    name: str
    category: Category
    verdict: Verdict
    hint: str
    cases: tuple[Case, ...]
    nearest: tuple[str, ...] = ()


def explanation_of(sqlstate: str) -> Explanation:
    """
    Explain a SQLSTATE, which is five digits and capital letters. Pure.

    Raises ValueError for any other text.
    """
    if not _SQLSTATE.fullmatch(sqlstate):
        raise ValueError(
            f"{sqlstate!r} is not a SQLSTATE: give five digits and capital letters, such as 40P01"
        )
    state = SQLSTATES.get(sqlstate)
    try:
        kind: type[psycopg.Error] = psycopg.errors.lookup(sqlstate)
        name = kind.__name__
    except KeyError:
        kind, name = psycopg.Error, ""
    cases = tuple(
        _case(kind, sqlstate, phase, session) for phase in _PHASES for session in _SESSIONS
    )
    failure = _natural(kind, sqlstate, state)
    nature = state or failure
    return Explanation(
        sqlstate,
        state is not None,
        name,
        nature.category,
        nature.verdict,
        _hint(failure.hint if state is None else state.reason, failure),
        cases,
        () if state else _nearest(sqlstate),
    )


def _hint(reason: str, failure: Failure) -> str:
    """The hint of a failure, without what holds in some phases only."""
    if failure.verdict is Verdict.NEVER and failure.effect is not Effect.UNKNOWN:
        return failure.hint
    return f"{reason}; the effect, and whether a retry is safe, depend on the phase"


def _natural(kind: type[psycopg.Error], sqlstate: str, state: SQLState | None) -> Failure:
    """The failure that a code is meant for: of a statement, a connection or a session."""
    early = classify(_error(kind, sqlstate, "ERROR"), Phase.ACQUIRE)
    failed = classify(_error(kind, sqlstate, "ERROR"), Phase.SENT)
    ended = classify(_error(kind, sqlstate, "FATAL"), Phase.IN_TRANSACTION)
    if state is None:
        return failed
    if state.verdict is Verdict.ACQUIRE:
        return early
    return failed if failed.category is state.category else ended


def _case(kind: type[psycopg.Error], sqlstate: str, phase: Phase, session: str) -> Case:
    failure = classify(_error(kind, sqlstate, _SESSIONS[session]), phase)
    return Case(_PHASES[phase], session, failure.effect, failure.verdict)


def _error(kind: type[psycopg.Error], sqlstate: str, severity: str) -> psycopg.Error:
    """The error that the driver makes of what the server says."""
    told = {
        DiagnosticField.SQLSTATE: sqlstate.encode(),
        DiagnosticField.SEVERITY_NONLOCALIZED: severity.encode(),
    }
    return kind("", info={field: told.get(field) for field in DiagnosticField})


def _nearest(sqlstate: str) -> tuple[str, ...]:
    """The codes most like one that does not exist, those of its class first."""
    kin = [code for code in SQLSTATES if code.startswith(sqlstate[:2])]
    return tuple(difflib.get_close_matches(sqlstate, kin or SQLSTATES, _NEAREST, _ALIKE))


@click.command("explain-error")
@click.argument("sqlstate")
@formatted
def explain_error(sqlstate: str, output: Output) -> int:
    """
    Show what a SQLSTATE means, its effect, and whether work is retried after it.

    Needs no server. Exits with 1 for a code that PostgreSQL does not define; such a code is never
    retried.

    \b
    Examples:
      raxol-sql explain-error 40P01
      raxol-sql explain-error 23505 --format json
    """
    try:
        told = explanation_of(sqlstate)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    code = 0 if told.is_known else FINDINGS
    if output.format == "json":
        output.json(attrs.asdict(told, value_serializer=_plain))
        return code
    output.say(f"{told.sqlstate} {told.name}".rstrip())
    if not told.is_known:
        output.say(f"PostgreSQL does not define this code{did_you_mean(told.nearest)}")
    output.say(f"category: {told.category.value}")
    output.say(f"verdict: {told.verdict.value}: {_VERDICTS[told.verdict]}")
    output.say(f"hint: {told.hint}\n")
    output.table(
        ["phase", "connection", "effect", "verdict"],
        [(one.phase, one.session, _EFFECTS[one.effect], one.verdict.value) for one in told.cases],
    )
    return code


def _plain(instance: object, attribute: object, value: object) -> object:
    return value.value if isinstance(value, enum.Enum) else value

"""`raxol-sql explain-error`: what a SQLSTATE means, and whether work is done again after it."""

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
# What the server says of a failed statement, and of a session that it ends with it.
_SESSIONS = {"goes on": "ERROR", "ends": "FATAL"}
_NEAREST, _ALIKE = 3, 0.6

_PHASES = {
    Phase.ACQUIRE: "while a connection is made",
    Phase.SENT: "in a statement of its own",
    Phase.IN_TRANSACTION: "in a transaction",
    Phase.COMMIT_SENT: "at its COMMIT",
}
_VERDICTS = {
    Verdict.NEVER: "nothing is done again, unless RetryPolicy(also=...) names it",
    Verdict.ACQUIRE: "a connection is asked for again",
    Verdict.STATEMENT: "the statement is prepared and sent again, outside of a transaction",
    Verdict.TRANSACTION: "the whole transaction is done again, where transact or a Multi began it",
    Verdict.TRANSACTION_NEW: (
        "the whole transaction is done again on another connection, where transact or a Multi "
        "began it"
    ),
    Verdict.RESOLVE: "nothing is done again before it is known what happened",
}
_EFFECTS = {
    Effect.NONE: "nothing was sent",
    Effect.ROLLED_BACK: "it was taken back",
    Effect.COMMITTED: "it happened",
    Effect.UNKNOWN: "it may have happened",
}


@attrs.frozen
class Case:
    """
    What is known of an error in a phase of the work.

    ``phase`` says when in words, ``session`` whether the server goes on with the session
    ("goes on") or ends it ("ends"); ``effect`` and ``verdict`` are those of a `Failure`.
    """

    phase: str
    session: str
    effect: Effect
    verdict: Verdict


@attrs.frozen
class Explanation:
    """
    What a SQLSTATE means.

    ``name`` is that of psycopg's class for it, empty where there is none; of a code that
    PostgreSQL does not ship ``nearest`` are those that are like it. ``verdict`` is by its nature,
    where the server has taken back what was done; ``cases`` say what is left of it when.
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
    What there is to say of a SQLSTATE: five digits and capitals. Pure.

    Raises ValueError for anything else.
    """
    if not _SQLSTATE.fullmatch(sqlstate):
        raise ValueError(f"{sqlstate!r} is no SQLSTATE: five digits and capitals, as in 40P01")
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
        failure.hint,
        cases,
        () if state else _nearest(sqlstate),
    )


def _natural(kind: type[psycopg.Error], sqlstate: str, state: SQLState | None) -> Failure:
    """The failure that a code was made for: of a statement, a connection or a session."""
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
    Show what a SQLSTATE means, what may have happened, and whether work is done again after it.

    No server is asked. Ends with 1 for a code that PostgreSQL does not ship: that is never done
    again.

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
        output.say(f"PostgreSQL ships no such code{did_you_mean(told.nearest)}")
    output.say(f"category: {told.category.value}")
    output.say(f"verdict: {told.verdict.value}: {_VERDICTS[told.verdict]}")
    output.say(f"hint: {told.hint}\n")
    output.table(
        ["where it comes", "the session", "what was done", "verdict"],
        [(one.phase, one.session, _EFFECTS[one.effect], one.verdict.value) for one in told.cases],
    )
    return code


def _plain(instance: object, attribute: object, value: object) -> object:
    return value.value if isinstance(value, enum.Enum) else value

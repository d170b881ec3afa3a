"""Errors as a server says them, and what is expected of them in each phase."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.pq import DiagnosticField

from raxol_sql.failures import Effect, Phase, Verdict, classify

# What is known if nothing is proved.
EFFECTS = {
    Phase.ACQUIRE: Effect.NONE,
    Phase.SENT: Effect.UNKNOWN,
    Phase.IN_TRANSACTION: Effect.ROLLED_BACK,
    Phase.COMMIT_SENT: Effect.UNKNOWN,
    Phase.DONE: Effect.COMMITTED,
}
# What is left of a verdict for a connection that is gone.
LOST = {
    Phase.ACQUIRE: (Effect.NONE, Verdict.ACQUIRE),
    Phase.SENT: (Effect.UNKNOWN, Verdict.RESOLVE),
    Phase.IN_TRANSACTION: (Effect.ROLLED_BACK, Verdict.TRANSACTION_NEW),
    Phase.COMMIT_SENT: (Effect.UNKNOWN, Verdict.RESOLVE),
    Phase.DONE: (Effect.COMMITTED, Verdict.NEVER),
}
NEVER = dict.fromkeys(Phase, Verdict.NEVER)


def said(code: str, severity: str | None = "ERROR", **fields: str) -> psycopg.Error:
    """The driver's error for what a server says."""
    try:
        kind = psycopg.errors.lookup(code)
    except KeyError:
        kind = psycopg.DatabaseError
    info = {DiagnosticField[name]: text.encode() for name, text in fields.items()}
    info[DiagnosticField.SQLSTATE] = code.encode()
    if severity:
        info[DiagnosticField.SEVERITY_NONLOCALIZED] = severity.encode()
    return kind("what it says", info=info)


def verdicts(error: BaseException, **options: Any) -> dict[Phase, Verdict]:
    return {phase: classify(error, phase, **options).verdict for phase in Phase}


def effects(error: BaseException, **options: Any) -> dict[Phase, Effect]:
    return {phase: classify(error, phase, **options).effect for phase in Phase}


def both(error: BaseException, **options: Any) -> dict[Phase, tuple[Effect, Verdict]]:
    told = {phase: classify(error, phase, **options) for phase in Phase}
    return {phase: (failure.effect, failure.verdict) for phase, failure in told.items()}

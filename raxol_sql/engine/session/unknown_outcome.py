"""
What is said after a lost connection: what happened, why the outcome is unknown, what to do.

docs/failures.md lists the messages of `OutcomeUnknownError`, and says which have no token.
"""

from __future__ import annotations

from raxol_sql.engine.session.outcome_marker import OutcomeMarker
from raxol_sql.engine.session.staleness import may_commit
from raxol_sql.failures import Effect, Phase, ending_of

ROLLED_BACK = "the COMMIT was not answered; it was found out that the transaction was rolled back"
RESULT_LOST = (
    "the connection was lost before the results came, and it was found out that the transaction "
    "has happened: do not do it again; read what it has changed"
)

# With a token.
ASK_LATER = (
    "the connection was lost during the COMMIT, and the outcome could not be found out in time: "
    "do not retry before token.resolve(db) says what happened"
)
# Without one.
LONE_STATEMENT = (
    "the connection was lost after this statement was sent, and a statement without a transaction "
    "leaves nothing to ask for (token is None): look at the data before you retry; mark the query "
    "with -- @idempotent if it may be sent twice, as one that only reads, or use "
    "run(..., outcome='witness') or transact()"
)
WITHOUT_OUTCOME = (
    "the connection was lost during the COMMIT of a transaction with outcome='none', so the "
    "outcome could not be found out (token is None): look at the data before you retry; "
    "outcome='xid' or 'witness' leaves something to ask for"
)
WITHOUT_ID = (
    "the connection was lost during the COMMIT, before the id of the transaction had arrived, so "
    "the outcome could not be found out (token is None): look at the data before you retry; "
    "outcome='xid-first' or 'witness' always leaves something to ask for"
)
WITHOUT_HISTORY = (
    "the connection was lost during the COMMIT, and this server does not say which history it "
    "writes, so the outcome could not be found out by an id (token is None): look at the data "
    "before you retry; outcome='witness' always leaves something to ask for"
)


def problem_of(witness: OutcomeMarker | None) -> str:
    """The message for a COMMIT whose outcome is unknown."""
    if witness is None:
        return WITHOUT_OUTCOME
    if witness.token is not None:
        return ASK_LATER
    return WITHOUT_HISTORY if witness.has_id else WITHOUT_ID


def tell_ending(error: BaseException, phase: Phase, text: str) -> None:
    """Has an interruption say what the effect of a statement was that is its own transaction."""
    effect = ending_of(error)
    if effect is None or phase is not Phase.SENT:
        return
    if effect is Effect.ROLLED_BACK and may_commit(text):
        effect = Effect.UNKNOWN  # a procedure may have committed a part of it
    error.add_note(f"The statement had been sent. Its effect: {effect.value}.")

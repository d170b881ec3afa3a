"""
Messages for an unknown outcome after a lost connection.

docs/failures.md lists the messages of `OutcomeUnknownError`, and says which have no token.
"""

from __future__ import annotations

from raxol_sql.engine.session.outcome_marker import OutcomeMarker
from raxol_sql.engine.session.staleness import may_commit
from raxol_sql.failures import Effect, Phase, ending_of

ROLLED_BACK = "no reply to COMMIT; verified that the transaction was rolled back"
RESULT_LOST = (
    "connection lost before the results arrived; verified that the transaction committed: "
    "do not retry; read the data again"
)

# Of what was rolled back before any COMMIT.
ERROR_CAUGHT_INSIDE = (
    "the transaction was rolled back, because a statement failed and your code caught the error: "
    "re-raise it, or run the statement in a nested transaction()"
)
LOST_BEFORE_COMMIT = (
    "the transaction was rolled back, because its connection was lost and your code caught the "
    "error: re-raise it"
)
# With a token.
ASK_LATER = (
    "connection lost during COMMIT, and the outcome could not be determined in time: "
    "do not retry until token.resolve(db) returns"
)
# Without one.
LONE_STATEMENT = (
    "connection lost after the statement was sent; its outcome is unknown, and a statement outside "
    "of a transaction leaves nothing to resolve it by (token is None): check the data before you "
    "retry; if it is safe to run twice, mark the query -- @idempotent, otherwise use "
    "run(..., commit_check='marker') or run_transaction()"
)
WITHOUT_OUTCOME = (
    "connection lost during the COMMIT of a transaction with commit_check='none', so the "
    "outcome cannot be determined (token is None): check the data before you retry; "
    "commit_check='xid' or 'marker' makes it resolvable"
)
WITHOUT_ID = (
    "connection lost during COMMIT, before the id of the transaction had arrived, so the outcome "
    "cannot be determined (token is None): check the data before you retry; "
    "commit_check='xid-first' or 'marker' makes it resolvable in every case"
)
WITHOUT_HISTORY = (
    "connection lost during COMMIT, and this server does not tell which history it writes, so the "
    "outcome cannot be determined by an id (token is None): check the data before you retry; "
    "commit_check='marker' makes it resolvable in every case"
)


def problem_of(marker: OutcomeMarker | None) -> str:
    """Return the message for a COMMIT whose outcome is unknown."""
    if marker is None:
        return WITHOUT_OUTCOME
    if marker.token is not None:
        return ASK_LATER
    return WITHOUT_HISTORY if marker.has_id else WITHOUT_ID


def tell_ending(error: BaseException, phase: Phase, text: str) -> None:
    """Add the effect of a statement that is its own transaction to an interruption."""
    effect = ending_of(error)
    if effect is None or phase is not Phase.SENT:
        return
    if effect is Effect.ROLLED_BACK and may_commit(text):
        effect = Effect.UNKNOWN  # a procedure may have committed part of it
    error.add_note(f"The statement had been sent. Its effect: {effect.value}.")

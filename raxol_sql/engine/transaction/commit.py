"""The outcome of a COMMIT that was not answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import psycopg

from raxol_sql.engine.session.outcome_marker import OutcomeMarker
from raxol_sql.engine.session.unknown_outcome import LONE_STATEMENT, problem_of
from raxol_sql.engine.transaction.retrier import Retrier, classify_error
from raxol_sql.errors import DeadlineExceededError, OutcomeUnknownError
from raxol_sql.failures import Effect, Failure, OutcomeToken, Phase, Verdict
from raxol_sql.failures.sqlstates import SQLSTATES

Verify = Callable[[], Awaitable[bool | None]]


@attrs.frozen(eq=False, repr=False)
class CommitState:
    """
    What is left to do after a COMMIT, when its session has been returned.

    ``error`` leaves the outcome unknown, which has to be resolved; ``interruption`` arrived while
    the COMMIT was on its way, and has to be raised.
    """

    error: BaseException | None
    interruption: BaseException | None


async def resolve_outcome(
    retrier: Retrier,
    error: BaseException,
    marker: OutcomeMarker | None,
    verify: Verify | None,
    until: float | None,
) -> Effect:
    """
    Resolve the outcome of a COMMIT that ended with ``error``, by ``until`` (monotonic).

    Asks the server by the ``marker``, then the caller's ``verify``, which returns whether the work
    took effect, or None if it cannot tell. Errors of ``verify`` are raised; those of the server
    mean that the outcome is unknown.
    """
    if marker is not None and marker.is_unneeded:
        return Effect.ROLLED_BACK  # it wrote nothing, so there is nothing to commit
    effect, token = Effect.UNKNOWN, _token_of(marker)
    if token is not None:
        try:
            effect = await retrier.resolve(token, until)
        except psycopg.Error as failed:
            error.add_note(f"the outcome could not be resolved: {failed}")
    if effect is Effect.UNKNOWN and verify is not None:
        is_done = await verify()
        if is_done is not None:
            effect = Effect.COMMITTED if is_done else Effect.ROLLED_BACK
    return effect


def outcome_unknown(error: BaseException, marker: OutcomeMarker | None) -> OutcomeUnknownError:
    """Return the error for a COMMIT whose outcome is unknown after ``error``."""
    return _unknown(error, problem_of(marker), _token_of(marker))


def note_outcome(interruption: BaseException, effect: Effect, marker: OutcomeMarker | None) -> None:
    """Add the outcome of a transaction to an interruption after COMMIT was sent."""
    interruption.add_note(f"the COMMIT had been sent; the transaction: {effect.value}")
    token = _token_of(marker)
    if effect is Effect.UNKNOWN and token is not None:
        token.mark(interruption)


def raise_if_uncertain(error: psycopg.Error) -> None:
    """
    Raise `OutcomeUnknownError` if a statement outside a transaction may have taken effect.

    For statements that cannot be retried and have no marker. A deadline error states the effect
    itself.
    """
    if isinstance(error, DeadlineExceededError):
        return
    if classify_error(error, Phase.SENT).effect is Effect.UNKNOWN:
        raise _unknown(error, LONE_STATEMENT, None)


def rolled_back(failure: Failure) -> Failure:
    """
    Return the failure after the work was found to be rolled back.

    It may be retried unless the server gave a reason to end it, which would apply again.
    """
    nature = SQLSTATES.get(failure.sqlstate or "")
    is_final = nature is not None and nature.verdict is Verdict.NEVER
    verdict = Verdict.NEVER if is_final else Verdict.TRANSACTION_NEW
    return attrs.evolve(failure, effect=Effect.ROLLED_BACK, verdict=verdict)


def _token_of(marker: OutcomeMarker | None) -> OutcomeToken | None:
    return None if marker is None else marker.token


def _unknown(error: BaseException, problem: str, token: OutcomeToken | None) -> OutcomeUnknownError:
    unknown = OutcomeUnknownError(problem, token)
    for note in getattr(error, "__notes__", ()):
        unknown.add_note(note)
    unknown.__cause__ = error
    return unknown

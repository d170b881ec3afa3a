"""What errors without a SQLSTATE mean: the driver's, the pool's, ours and Python's."""

from __future__ import annotations

import asyncio

import psycopg
import psycopg_pool
import pytest

from raxol_sql import errors
from raxol_sql.failures import Category, Effect, Phase, Verdict, classify, mark_lost, mark_refused
from tests.failures.conftest import EFFECTS, LOST, NEVER, both, effects, verdicts


@pytest.mark.parametrize(
    "kind", [psycopg.OperationalError, psycopg.DatabaseError, psycopg.Error], ids=str
)
def test_a_driver_that_does_not_say_what_happened_is_not_trusted(kind: type[psycopg.Error]) -> None:
    error = kind("the connection is closed")

    assert both(error) == {
        Phase.ACQUIRE: (Effect.NONE, Verdict.ACQUIRE),
        Phase.SENT: (Effect.UNKNOWN, Verdict.NEVER),
        Phase.IN_TRANSACTION: (Effect.ROLLED_BACK, Verdict.NEVER),
        Phase.COMMIT_SENT: (Effect.UNKNOWN, Verdict.RESOLVE),
        Phase.DONE: (Effect.COMMITTED, Verdict.NEVER),
    }
    assert both(error, lost=True) == LOST
    assert both(mark_lost(error)) == LOST
    assert classify(error, Phase.SENT).category is Category.CONNECTION


def test_a_driver_whose_connection_goes_on_has_refused_and_sent_nothing() -> None:
    error = psycopg.OperationalError("number of parameters must be between 0 and 65535")

    failure = classify(error, Phase.SENT, lost=False)

    assert failure.effect is Effect.NONE
    assert verdicts(error, lost=False) == NEVER | {
        Phase.ACQUIRE: Verdict.ACQUIRE,
        Phase.COMMIT_SENT: Verdict.RESOLVE,
    }


@pytest.mark.parametrize(
    "error",
    [
        psycopg_pool.PoolTimeout("x"),
        psycopg_pool.TooManyRequests("x"),
        psycopg_pool.PoolClosed("x"),
        errors.PoolExhaustedError("x"),
    ],
    ids=repr,
)
def test_a_pool_that_gives_nothing_was_waited_for_already(error: Exception) -> None:
    failure = classify(error, Phase.ACQUIRE)

    assert (failure.category, failure.effect) == (Category.POOL, Effect.NONE)
    assert failure.verdict is Verdict.NEVER
    assert classify(error, Phase.SENT) == failure
    assert classify(error, Phase.IN_TRANSACTION).effect is Effect.ROLLED_BACK


def test_a_connection_that_took_too_long_may_be_asked_for_again() -> None:
    error = psycopg.errors.ConnectionTimeout("x")

    for phase in (Phase.ACQUIRE, Phase.SENT):
        failure = classify(error, phase)
        assert (failure.effect, failure.verdict) == (Effect.NONE, Verdict.ACQUIRE)


@pytest.mark.parametrize(
    ("code", "category", "verdict"),
    [
        ("28P01", Category.AUTHENTICATION, Verdict.NEVER),
        ("28000", Category.AUTHENTICATION, Verdict.NEVER),
        ("3D000", Category.CONFIGURATION, Verdict.NEVER),
        ("53300", Category.RESOURCE, Verdict.ACQUIRE),
        ("57P01", Category.SHUTDOWN, Verdict.ACQUIRE),
        ("57P03", Category.STARTUP, Verdict.ACQUIRE),
        ("ZZ999", Category.UNKNOWN, Verdict.NEVER),
        (None, Category.CONNECTION, Verdict.ACQUIRE),
    ],
)
def test_a_code_that_was_found_out_decides_about_another_attempt_to_connect(
    code: str | None, category: Category, verdict: Verdict
) -> None:
    error = psycopg.OperationalError("connection failed")
    error.sqlstate = code

    failure = classify(error, Phase.ACQUIRE)

    assert (failure.category, failure.effect) == (category, Effect.NONE)
    assert (failure.verdict, failure.sqlstate) == (verdict, code)


def test_a_connection_that_was_refused_for_good_is_not_asked_for_again() -> None:
    failure = classify(mark_refused(psycopg.OperationalError("no TLS")), Phase.ACQUIRE)

    assert failure.category is Category.AUTHENTICATION
    assert failure.verdict is Verdict.NEVER


@pytest.mark.parametrize(
    ("error", "category"),
    [
        (KeyboardInterrupt(), Category.CANCELLED),
        (asyncio.CancelledError(), Category.CANCELLED),
        (TimeoutError(), Category.TIMEOUT),
        (MemoryError(), Category.RESOURCE),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "x"), Category.DATA),
        (ZeroDivisionError(), Category.UNKNOWN),
        (ConnectionResetError(), Category.UNKNOWN),
        (errors.ParameterError("q", ["x"]), Category.PROGRAMMING),
        (errors.NoRowsError("q", "q.sql:1", "x"), Category.PROGRAMMING),
        (errors.OutcomeUnknownError("x"), Category.AMBIGUOUS),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_error_of_the_database_is_never_retried_and_proves_nothing(
    error: BaseException, category: Category
) -> None:
    assert verdicts(error) == NEVER
    assert effects(error) == EFFECTS
    assert classify(error, Phase.SENT).category is category


@pytest.mark.parametrize(
    ("error", "category"),
    [
        (psycopg.DataError("x"), Category.DATA),
        (psycopg.ProgrammingError("x"), Category.PROGRAMMING),
        (psycopg.InterfaceError("x"), Category.PROGRAMMING),
        (psycopg.NotSupportedError("x"), Category.PROGRAMMING),
        (psycopg.InternalError("x"), Category.INTERNAL),
        (psycopg.errors.PipelineAborted("x"), Category.PROGRAMMING),
        (psycopg.errors.CancellationTimeout("x"), Category.CANCELLED),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_driver_cannot_do_is_never_retried(error: Exception, category: Category) -> None:
    assert verdicts(error) == NEVER | {Phase.COMMIT_SENT: Verdict.RESOLVE}
    assert effects(error) == EFFECTS
    assert classify(error, Phase.IN_TRANSACTION).category is category


@pytest.mark.parametrize("effect", Effect)
def test_a_deadline_says_itself_what_became_of_what_was_sent(effect: Effect) -> None:
    error = errors.DeadlineExceededError(effect.value)

    assert effects(error) == EFFECTS | {Phase.SENT: effect, Phase.COMMIT_SENT: effect}
    assert verdicts(error) == NEVER
    assert classify(error, Phase.SENT).category is Category.TIMEOUT


def test_a_result_that_is_lost_belongs_to_work_that_has_happened() -> None:
    failure = classify(errors.CommittedResultLostError("x"), Phase.COMMIT_SENT)

    assert (failure.effect, failure.verdict) == (Effect.COMMITTED, Verdict.NEVER)

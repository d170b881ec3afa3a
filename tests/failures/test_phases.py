"""What an error with a SQLSTATE means in each phase of a call."""

from __future__ import annotations

import pytest

from raxol_sql.failures import Category, Effect, Phase, Verdict, classify, mark_lost
from tests.failures.conftest import EFFECTS, LOST, NEVER, both, effects, said, verdicts

# What is known if the server goes on after it has said ERROR.
PROVED = EFFECTS | {Phase.SENT: Effect.ROLLED_BACK, Phase.COMMIT_SENT: Effect.ROLLED_BACK}


def test_an_error_of_the_server_proves_that_nothing_stays() -> None:
    error = said("40001")

    assert effects(error) == PROVED
    assert verdicts(error) == {
        Phase.ACQUIRE: Verdict.ACQUIRE,
        Phase.SENT: Verdict.TRANSACTION,
        Phase.IN_TRANSACTION: Verdict.TRANSACTION,
        Phase.COMMIT_SENT: Verdict.TRANSACTION,
        Phase.DONE: Verdict.NEVER,
    }


def test_a_statement_that_can_be_repeated_takes_its_transaction_along() -> None:
    assert verdicts(said("26000")) == {
        Phase.ACQUIRE: Verdict.ACQUIRE,
        Phase.SENT: Verdict.STATEMENT,
        Phase.IN_TRANSACTION: Verdict.TRANSACTION,
        Phase.COMMIT_SENT: Verdict.TRANSACTION,
        Phase.DONE: Verdict.NEVER,
    }


@pytest.mark.parametrize("code", ["08000", "08006", "08P01", "53300", "57P01", "57P02", "57P05"])
@pytest.mark.parametrize("severity", ["FATAL", "PANIC", None])
def test_the_end_of_a_connection_means_what_the_phase_says(code: str, severity: str | None) -> None:
    assert both(said(code, severity)) == LOST


@pytest.mark.parametrize("code", ["40001", "40P01"])
@pytest.mark.parametrize("severity", ["FATAL", "PANIC"])
def test_a_conflict_with_which_the_server_ends_the_session_needs_another_connection(
    code: str, severity: str
) -> None:
    assert both(said(code, severity)) == LOST


def test_an_error_that_the_connection_did_not_outlive_proves_nothing_about_a_commit() -> None:
    assert both(mark_lost(said("40001"))) == LOST
    assert both(said("40001"), lost=True) == LOST
    assert effects(said("23505"), lost=True) == EFFECTS


def test_a_severity_that_is_not_told_proves_nothing_about_a_commit() -> None:
    assert effects(said("23505", None)) == EFFECTS
    assert effects(said("23505", None, SEVERITY="ERROR")) == EFFECTS


@pytest.mark.parametrize("code", ["40003", "08007"])
@pytest.mark.parametrize("severity", ["ERROR", "FATAL", None])
def test_what_says_itself_that_nobody_knows_is_to_be_resolved_if_it_was_a_commit(
    code: str, severity: str | None
) -> None:
    error = said(code, severity)

    assert both(error) == LOST
    assert {classify(error, phase).category for phase in Phase} == {Category.AMBIGUOUS}


@pytest.mark.parametrize("code", ["23505", "57014", "25P03", "42601", "55P03", "XX001", "ZZ999"])
def test_what_is_never_retried_is_so_in_every_phase(code: str) -> None:
    assert verdicts(said(code)) == NEVER
    assert verdicts(said(code, "FATAL")) == NEVER | {Phase.COMMIT_SENT: Verdict.RESOLVE}
    assert effects(said(code, "FATAL")) == EFFECTS


def test_a_stale_plan_is_told_by_the_function_that_says_so() -> None:
    stale = said("0A000", SOURCE_FUNCTION="RevalidateCachedQuery")

    assert verdicts(stale) == verdicts(said("26000"))
    assert verdicts(said("0A000", SOURCE_FUNCTION="transformSelectStmt")) == NEVER
    assert classify(said("22012", SOURCE_FUNCTION="RevalidateCachedQuery"), Phase.SENT) == classify(
        said("22012"), Phase.SENT
    )


def test_a_message_that_the_server_does_not_understand_is_the_fault_of_who_sent_it() -> None:
    assert verdicts(said("08P01")) == NEVER
    assert both(said("08P01"), lost=True) == LOST

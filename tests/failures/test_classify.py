"""Laws of `classify`: every error has a verdict, and nothing that may have happened is repeated."""

from __future__ import annotations

import pickle
import random
import string
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql import errors
from raxol_sql.failures import Category, Effect, Failure, Phase, Verdict, classify
from raxol_sql.failures.sqlstates import SQLSTATES
from tests.failures.conftest import said

ALWAYS = [*Phase]

codes = st.text(string.digits + string.ascii_uppercase, min_size=5, max_size=5)
phases = st.sampled_from(ALWAYS)
severities = st.sampled_from(["ERROR", "FATAL", "PANIC", None])


def check_soundness(failure: Failure, phase: Phase) -> None:
    """No failure says that something may be repeated which may have happened."""
    safe = (Effect.NONE, Effect.ROLLED_BACK)
    again = {
        Verdict.NEVER: (*Effect,),
        Verdict.ACQUIRE: (Effect.NONE,),
        Verdict.STATEMENT: safe,
        Verdict.TRANSACTION: safe,
        Verdict.TRANSACTION_NEW: safe,
        Verdict.RESOLVE: (Effect.UNKNOWN,),
    }
    assert failure.effect in again[failure.verdict]
    assert failure.effect is not Effect.UNKNOWN or phase in (Phase.SENT, Phase.COMMIT_SENT)
    assert failure.verdict is not Verdict.STATEMENT or phase is Phase.SENT
    assert (phase is Phase.DONE) == (failure.effect is Effect.COMMITTED)
    assert failure.hint
    assert "\n" not in failure.hint


def test_ten_thousand_codes_have_verdicts_and_those_that_nobody_knows_are_never_retried() -> None:
    alphabet = string.digits + string.ascii_uppercase
    for number in range(10_000):
        code = "".join(random.choices(alphabet, k=5))
        severity = random.choice(["ERROR", "FATAL", None])
        phase = ALWAYS[number % len(ALWAYS)]

        failure = classify(said(code, severity), phase)

        check_soundness(failure, phase)
        assert failure.sqlstate == code
        if code not in SQLSTATES:
            in_doubt = phase is Phase.COMMIT_SENT and severity != "ERROR"
            assert failure.category is Category.UNKNOWN
            assert failure.verdict is (Verdict.RESOLVE if in_doubt else Verdict.NEVER)


@given(st.sampled_from([*SQLSTATES]), severities, phases, st.booleans())
def test_whatever_may_be_repeated_has_not_happened(
    code: str, severity: str | None, phase: Phase, lost: bool
) -> None:
    check_soundness(classify(said(code, severity), phase, lost=lost), phase)


@given(
    st.sampled_from([*SQLSTATES]) | codes,
    severities,
    phases,
    st.dictionaries(
        st.sampled_from(["SEVERITY", "MESSAGE_PRIMARY", "MESSAGE_DETAIL", "CONTEXT"]),
        st.sampled_from(["FEHLER", "FATAL", "ERREUR", "server closed the connection"]) | st.text(),
    ),
)
def test_no_text_of_the_server_changes_anything(
    code: str, severity: str | None, phase: Phase, texts: dict[str, str]
) -> None:
    texts = {name: text.encode("utf-8", "replace").decode() for name, text in texts.items()}

    assert classify(said(code, severity, **texts), phase) == classify(said(code, severity), phase)


@given(st.sampled_from([*SQLSTATES]), severities, phases)
def test_an_error_that_was_pickled_means_the_same(
    code: str, severity: str | None, phase: Phase
) -> None:
    error = said(code, severity)

    assert classify(pickle.loads(pickle.dumps(error)), phase) == classify(error, phase)


class Rude(psycopg.OperationalError):
    """An error that raises whenever it is looked at."""

    def __getattribute__(self, name: str) -> Any:
        raise ValueError(name)


class RudeCode(psycopg.Error):
    @property
    def sqlstate(self) -> str:  # type: ignore[override]
        raise RuntimeError


def numbered() -> psycopg.Error:
    error = psycopg.Error("x")
    error.sqlstate = 40001  # type: ignore[assignment]
    return error


ODD = {
    "rude": lambda: Rude.__new__(Rude),
    "rude code": lambda: RudeCode.__new__(RudeCode),
    "not initialised": lambda: psycopg.OperationalError.__new__(psycopg.OperationalError),
    "a number for a code": numbered,
    "an empty code": lambda: said(""),
    "an unknown effect": lambda: errors.DeadlineExceededError("whatever"),
    "no effect": lambda: errors.DeadlineExceededError.__new__(errors.DeadlineExceededError),
    "a group": lambda: BaseExceptionGroup("x", [said("40001"), KeyboardInterrupt()]),
    "none of the known": lambda: type("Own", (BaseException,), {})(),
    "generator exit": GeneratorExit,
    "stop iteration": StopIteration,
}


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("make", ODD.values(), ids=ODD.keys())
def test_odd_errors_are_classified_without_another_error(
    make: Callable[[], BaseException], phase: Phase
) -> None:
    failure = classify(make(), phase)

    check_soundness(failure, phase)
    assert failure.sqlstate is None
    assert failure.verdict not in (Verdict.STATEMENT, Verdict.TRANSACTION)

"""`raxol-sql explain-error`: what it says of every code, and of texts that are none."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.cli.app import commands
from raxol_sql.cli.operations.explain_error import explanation_of
from raxol_sql.failures import Effect, Phase, Verdict, classify
from raxol_sql.failures.sqlstates import SQLSTATES

Run = Callable[..., Any]

CODES = st.from_regex(r"[0-9A-Z]{5}", fullmatch=True)


@pytest.mark.parametrize("code", SQLSTATES)
def test_every_code_is_explained_with_its_verdict(code: str) -> None:
    ran = CliRunner().invoke(commands, ["explain-error", code], standalone_mode=False)

    assert (ran.exception, ran.return_value) == (None, 0)
    assert ran.output.startswith(code)
    assert f"category: {SQLSTATES[code].category.value}\n" in ran.output
    assert f"verdict: {SQLSTATES[code].verdict.value}: " in ran.output
    assert SQLSTATES[code].reason in ran.output


@given(code=CODES)
def test_any_code_is_explained_and_what_postgresql_does_not_define_is_never_retried(
    code: str,
) -> None:
    told = explanation_of(code)

    assert told.is_known == (code in SQLSTATES)
    assert set(told.nearest) <= set(SQLSTATES)
    if not told.is_known:
        assert told.verdict is Verdict.NEVER
    for case in told.cases:
        # Only what was surely taken back, or never sent, may be done again.
        if case.verdict not in (Verdict.NEVER, Verdict.RESOLVE):
            assert case.effect in (Effect.NONE, Effect.ROLLED_BACK)


@given(code=CODES | st.sampled_from([*SQLSTATES]))
def test_the_headline_claims_no_rollback_that_the_table_denies(code: str) -> None:
    told = explanation_of(code)

    assert "rolled back" not in told.hint


@given(text=st.text().filter(lambda text: re.fullmatch("[0-9A-Z]{5}", text) is None))
def test_what_is_no_sqlstate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a SQLSTATE"):
        explanation_of(text)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("40P01", ["40P01 DeadlockDetected", "category: conflict", "the whole transaction"]),
        ("23505", ["UniqueViolation", "verdict: never", "RetryPolicy(extra_sqlstates=...)"]),
        ("53300", ["TooManyConnections", "the pool connects again"]),
        ("40003", ["verdict: resolve", "not retried before the outcome is known"]),
        ("72000", ["72000", "snapshot too old"]),
    ],
)
def test_what_it_says_of_a_code_is_what_helps(code: str, says: list[str], raxol_sql: Run) -> None:
    ran = raxol_sql("explain-error", code)

    assert ran.code == 0
    assert [one for one in says if one not in ran.out] == []


def test_what_it_says_of_a_real_error_is_what_the_library_does(database: str) -> None:
    with psycopg.connect(database) as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute("select 1 / 0")
    told = explanation_of(str(caught.value.sqlstate))
    failure = classify(caught.value, Phase.IN_TRANSACTION, lost=False)
    (case,) = [
        one for one in told.cases if (one.phase, one.session) == ("in a transaction", "stays")
    ]

    assert (case.effect, case.verdict) == (failure.effect, failure.verdict)
    assert (told.category, told.name) == (failure.category, type(caught.value).__name__)


@pytest.mark.parametrize(
    ("code", "nearest"), [("40P02", "40P01"), ("23506", "23505"), ("57P06", "57P05")]
)
def test_an_unknown_code_ends_with_1_and_names_the_nearest(
    code: str, nearest: str, raxol_sql: Run
) -> None:
    ran = raxol_sql("explain-error", code)

    assert ran.code == 1
    assert "PostgreSQL does not define this code" in ran.out
    assert nearest in ran.out
    assert "verdict: never" in ran.out


@pytest.mark.parametrize("text", ["40p01", "4001", "400010", "", "40 01", "٤0001"])
def test_what_is_not_five_digits_and_capitals_ends_with_2(text: str, raxol_sql: Run) -> None:
    ran = raxol_sql("explain-error", text)

    assert ran.code == 2
    assert "five digits and capital letters" in ran.err


def test_for_programs_there_is_one_document(raxol_sql: Run) -> None:
    told = json.loads(raxol_sql("explain-error", "40001", "--format", "json").out)

    assert (told["name"], told["category"]) == ("SerializationFailure", "conflict")
    assert told["verdict"] == "transaction"
    assert {"phase", "session", "effect", "verdict"} == set(told["cases"][0])
    assert len(told["cases"]) == 8

"""
No verdict of the table can be changed without a test that fails.

What is expected is written here a second time, from the rules and in another form than the table:
by classes, with their exceptions. The real table passes; each table with one verdict flipped, one
category flipped or one row gone does not.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping

import attrs
import psycopg
import pytest
from psycopg.pq import DiagnosticField

from raxol_sql.failures import Category, Phase, Verdict, classify
from raxol_sql.failures.sqlstates import SQLSTATES, SQLState

# Each class of codes, and what most of its codes are.
CLASSES = {
    Category.NOTICE: "00 01 02",
    Category.PROGRAMMING: "03 09 0A 0B 0F 0L 0P 0Z 10 20 24 25 27 2B 2D 34 38 39 3B 42 55",
    Category.CONNECTION: "08",
    Category.DATA: "21 22",
    Category.CONSTRAINT: "23 44",
    Category.STALE: "26",
    Category.AUTHENTICATION: "28",
    Category.RAISED: "2F P0",
    Category.CONFIGURATION: "3D 3F F0",
    Category.CONFLICT: "40 72",
    Category.RESOURCE: "53",
    Category.LIMIT: "54",
    Category.SHUTDOWN: "57",
    Category.SYSTEM: "58",
    Category.FOREIGN: "HV",
    Category.INTERNAL: "XX",
}
ODD_ONES = {
    "08007": Category.AMBIGUOUS,
    "25006": Category.READ_ONLY,
    "25P03": Category.TIMEOUT,
    "25P04": Category.TIMEOUT,
    "40002": Category.CONSTRAINT,
    "40003": Category.AMBIGUOUS,
    "42501": Category.PRIVILEGE,
    "42P05": Category.STALE,
    "53400": Category.LIMIT,
    "55006": Category.LOCK,
    "55P03": Category.LOCK,
    "57000": Category.CANCELLED,
    "57014": Category.CANCELLED,
    "57P03": Category.STARTUP,
    "57P04": Category.CONFIGURATION,
    "XX001": Category.CORRUPTION,
    "XX002": Category.CORRUPTION,
}
# All others are never to be done again.
RETRIED = {
    Verdict.TRANSACTION: "40000 40001 40P01 53000 53200 58000 58030 72000 HV00N",
    Verdict.TRANSACTION_NEW: "08000 08001 08003 08004 08006 08P01 25006 57P01 57P02 57P05",
    Verdict.ACQUIRE: "53300 57P03",
    Verdict.STATEMENT: "26000 42P05",
    Verdict.RESOLVE: "08007 40003",
}
COUNT = 263

Table = Mapping[str, SQLState]


def faults(table: Table) -> list[str]:
    """All in which a table is not what is expected."""
    categories = {name: category for category, names in CLASSES.items() for name in names.split()}
    verdicts = {code: verdict for verdict, codes in RETRIED.items() for code in codes.split()}
    found = [f"{code} is missing" for code in (ODD_ONES.keys() | verdicts) - table.keys()]
    if len(table) != COUNT:
        found.append(f"{len(table)} codes")
    for code, row in table.items():
        if row.category is not ODD_ONES.get(code, categories.get(code[:2])):
            found.append(f"{code} is of {row.category}")
        if row.verdict is not verdicts.get(code, Verdict.NEVER):
            found.append(f"{code} is for {row.verdict}")
    return found


def mutants() -> Iterator[tuple[str, SQLState]]:
    for code, row in SQLSTATES.items():
        for verdict in Verdict:
            if verdict is not row.verdict:
                yield code, attrs.evolve(row, verdict=verdict)


def test_the_table_is_what_the_rules_say() -> None:
    assert faults(SQLSTATES) == []


def test_a_verdict_that_is_flipped_is_noticed() -> None:
    missed = [
        f"{code} for {mutant.verdict}"
        for code, mutant in mutants()
        if not faults({**SQLSTATES, code: mutant})
    ]

    assert missed == []


def test_a_category_that_is_flipped_is_noticed() -> None:
    table = dict(SQLSTATES)
    missed = []
    for code, row in SQLSTATES.items():
        other = Category.DATA if row.category is not Category.DATA else Category.CONFLICT
        table[code] = attrs.evolve(row, category=other)
        if not faults(table):
            missed.append(code)
        table[code] = row

    assert missed == []


def test_a_row_that_is_gone_or_was_invented_is_noticed() -> None:
    for code, row in SQLSTATES.items():
        assert faults({other: row for other, row in SQLSTATES.items() if other != code})
        assert faults({**SQLSTATES, "Z" + code[1:]: row})


def verdicts_of(code: str) -> list[Verdict]:
    errors = [
        psycopg.Error(
            info={
                DiagnosticField.SQLSTATE: code.encode(),
                DiagnosticField.SEVERITY_NONLOCALIZED: severity,
            }
        )
        for severity in (b"ERROR", b"FATAL")
    ]
    return [classify(error, phase).verdict for error in errors for phase in Phase]


def may_be_alike(code: str, one: Verdict, other: Verdict) -> bool:
    # Whether a connection is gone or cannot be had, the phase says what is left of it; and after a
    # 08P01 with which the server does not end the connection nothing is, whatever the table says.
    return {one, other} == {Verdict.ACQUIRE, Verdict.TRANSACTION_NEW} or (
        code == "08P01" and Verdict.NEVER not in (one, other)
    )


def test_no_verdict_of_the_table_is_without_an_effect_on_what_classify_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = dict(SQLSTATES)
    monkeypatch.setattr(importlib.import_module("raxol_sql.failures.classify"), "SQLSTATES", table)
    missed = []
    for code, mutant in mutants():
        row, before = table[code], verdicts_of(code)
        table[code] = mutant
        if verdicts_of(code) == before and not may_be_alike(code, row.verdict, mutant.verdict):
            missed.append(f"{code} for {mutant.verdict}")
        table[code] = row

    assert missed == []

"""Which counted statements are outliers, and why none are counted, without a server."""

from __future__ import annotations

from types import SimpleNamespace as Row
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.ops.activity.naming import Names
from raxol_sql.ops.diagnosis import statements
from tests.ops.diagnosis.made_up import LIMITS, OK, SKIP, WARN, statuses, subject


def extension(**changed: bool) -> Any:
    known = {"is_recent": True, "is_loaded": True, "is_allowed": True}
    return Row(**{**known, **changed}, schema="public")


@pytest.mark.parametrize(
    ("libraries", "found", "remedy"),
    [
        ("pg_stat_statements", None, "create extension pg_stat_statements;"),
        (None, None, "create extension pg_stat_statements;"),
        (
            "auto_explain",
            None,
            "alter system set shared_preload_libraries = 'auto_explain', 'pg_stat_statements';"
            "  -- restart the server, then: create extension pg_stat_statements;",
        ),
        (
            "",
            extension(is_loaded=False),
            "alter system set shared_preload_libraries = 'pg_stat_statements';"
            "  -- then restart the server",
        ),
        ("", extension(is_recent=False), "alter extension pg_stat_statements update;"),
        ("", extension(is_allowed=False), "grant usage on schema public to app;"),
    ],
)
def test_what_keeps_statements_from_being_counted_is_skipped_with_what_helps(
    libraries: str | None, found: Any, remedy: str
) -> None:
    preloaded = Row(libraries=libraries, is_available=True)
    missing = statements.of_extension("app", preloaded, found)
    assert missing is not None
    assert (missing.status, missing.remedy) == (SKIP, remedy)


def test_nothing_is_missing_where_statements_are_counted() -> None:
    preloaded = Row(libraries=None, is_available=True)
    assert statements.of_extension("app", preloaded, extension()) is None


@given(st.lists(st.tuples(st.integers(1, 30), st.floats(0, 1e6)), min_size=1))
def test_the_shares_of_statements_are_those_of_the_whole_and_only_slow_ones_are_outliers(
    counted: list[tuple[int, float]],
) -> None:
    total = sum(ms for _, ms in counted)
    found = [statements.Cost(f"q.q{n}", calls, ms) for n, (calls, ms) in enumerate(counted)]
    told = [*statements.of_costs(found, total, LIMITS)]
    outliers = {one.message.rpartition(": ")[2] for one in told if one.status is WARN}
    assert outliers == {
        one.name
        for one in found
        if one.ms > 0.33 * total and one.ms / one.calls > 100 and one.calls >= 10
    }
    assert len(outliers) <= 3


def test_maintenance_may_take_the_time_that_it_takes() -> None:
    rows = [Row(text="create index on t (a)", calls=20, ms=9e9)]
    (found,) = statements.costs(rows, Names())
    assert not found.is_work
    assert statuses(statements.of_costs([found], found.ms, LIMITS)) == [OK, OK]


def test_a_statement_that_is_none_of_ours_is_shown_without_its_values() -> None:
    rows = [Row(text="SELECT  'secret'", calls=2, ms=3.0), Row(text="select $1", calls=1, ms=1.0)]
    assert [one.name for one in statements.costs(rows, Names())] == [
        "not one of ours: SELECT ?",
        "not one of ours: select ?",
    ]


def test_what_other_roles_ran_is_skipped_and_what_is_seen_is_told() -> None:
    rows = [
        Row(text="select $1", calls=1, ms=1.0, all_ms=3.0, is_hidden=False),
        Row(text="<insufficient privilege>", calls=1, ms=2.0, all_ms=3.0, is_hidden=True),
    ]
    found = [*statements.of_counted(rows, [], subject())]
    assert statuses(found) == [OK, OK, SKIP]
    assert found[-1].remedy == "grant pg_read_all_stats to app;"

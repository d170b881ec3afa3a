"""The checks themselves: their errors, their queries and their limits."""

from __future__ import annotations

import attrs
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.errors import ConfigError
from raxol_sql.ops.diagnosis.check import Check
from raxol_sql.ops.diagnosis.diagnosis import CHECKS, GROUPS, of_error
from raxol_sql.ops.diagnosis.limits import Limits
from raxol_sql.ops.finding import Status
from tests.ops.diagnosis.made_up import FAIL, LIMITS, SKIP


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (psycopg.errors.InsufficientPrivilege("x"), SKIP),
        (psycopg.errors.QueryCanceled("x"), SKIP),
        (psycopg.errors.LockNotAvailable("x"), SKIP),
        (psycopg.OperationalError("server closed the connection"), FAIL),
        (psycopg.errors.UndefinedTable("x"), FAIL),
        (ConfigError("x"), FAIL),
    ],
)
def test_an_error_is_a_finding_of_the_check_that_it_ended(error: Exception, status: Status) -> None:
    found = of_error(Check("load", "blocked", lambda subject: []), error, "app")
    assert (found.group, found.check, found.status) == ("load", "blocked", status)


def test_every_query_has_a_limit_of_five_seconds_and_writes_nothing() -> None:
    queries = {query for check in CHECKS if check.group != "connections" for query in check.queries}
    assert len(queries) > 20
    assert {query.definition.directives.timeout for query in queries} == {5000}
    assert [check.group for check in CHECKS if check.group not in GROUPS] == []


@given(st.sampled_from(sorted(Limits.meanings())), st.floats(0, 1e12))
def test_each_limit_can_be_given_by_its_name_and_changes_no_other(name: str, value: float) -> None:
    changed = LIMITS.with_given([f"{name}={value!r}"])
    assert getattr(changed, name) == value
    assert attrs.evolve(changed, **{name: getattr(LIMITS, name)}) == LIMITS

"""Which sessions are warned of, and who is in whose way, without a server."""

from __future__ import annotations

from types import SimpleNamespace as Row
from typing import Any

import pytest

from raxol_sql.ops.diagnosis import load
from raxol_sql.ops.finding import Status
from tests.ops.diagnosis.made_up import FAIL, SKIP, WARN, statuses, subject


def blocked(**changed: Any) -> Any:
    row = Row(
        pid=1,
        waited=1.0,
        application="a",
        statement="select 'x'",
        kind="relation",
        mode="ShareLock",
        relation="t",
        blocker_pid=2,
        blocker_application="b",
        blocker_state="active",
        blocker_age=70.0,
        blocker_statement="select 'y'",
    )
    return Row(**{**vars(row), **changed})


@pytest.mark.parametrize(("waited", "status"), [(None, WARN), (60, WARN), (60.1, FAIL)])
def test_who_waits_for_long_is_a_failure(waited: float | None, status: Status) -> None:
    found = [*load.of_blocked(subject(), [blocked(waited=waited)])]
    assert statuses(found) == [status]
    assert "b (pid 2), active, in a transaction for 1 min 10 s, with: select ?" in found[0].message


def test_one_who_waits_for_several_is_told_of_once_and_a_prepared_transaction_too() -> None:
    rows = [blocked(), blocked(blocker_pid=3), blocked(pid=4, blocker_pid=0, blocker_state=None)]
    found = [*load.of_blocked(subject(), rows)]
    assert statuses(found) == [WARN, WARN]
    assert "(pid 2)" in found[0].message
    assert "(pid 3)" in found[0].message
    assert "a prepared transaction" in found[1].message
    assert found[1].remedy == "rollback prepared 'NAME';"


def test_many_that_wait_are_told_in_few_lines() -> None:
    found = [*load.of_blocked(subject(), [blocked(pid=pid) for pid in range(30)])]
    assert len(found) == 11
    assert found[-1].message == "and 20 more"


def running(**changed: Any) -> Any:
    known = {
        "pid": 1,
        "application": "a",
        "state": "active",
        "query_age": 100.0,
        "state_age": 100.0,
        "statement": "select 1",
        "is_maintenance": False,
        "is_waiting": False,
        "is_hidden": False,
    }
    return Row(**{**known, **changed})


@pytest.mark.parametrize(
    ("row", "warned"),
    [
        (running(), ["long-running"]),
        (running(query_age=59.0), []),
        (running(state="idle"), []),
        (running(is_maintenance=True), []),
        (running(is_waiting=True), []),
        (running(state="idle in transaction"), ["idle in transaction"]),
        (running(state="idle in transaction (aborted)"), ["idle in transaction"]),
        (running(state="idle in transaction", state_age=1.0), []),
        (running(state=None, query_age=None, state_age=None, is_hidden=True), []),
    ],
)
def test_sessions_are_warned_of_by_state_and_age(row: Any, warned: list[str]) -> None:
    found = [*load.of_sessions(subject(), [row])]
    assert [one.check for one in found if one.status is WARN] == warned
    assert any(one.status is SKIP for one in found) is row.is_hidden


@pytest.mark.parametrize(
    ("ahead", "found"),
    [
        ({1: [2]}, 2),
        ({1: [2], 2: [9]}, 9),
        ({1: [2, 9], 2: [9]}, 9),
        ({1: [2], 2: [3], 3: [9]}, 9),
        ({1: [2], 2: [1]}, 1),
        ({1: []}, None),
    ],
)
def test_whoever_waits_himself_is_not_the_one_to_be_ended(
    ahead: dict[int, list[int]], found: int | None
) -> None:
    assert load.culprit(1, ahead) == found

"""A whole diagnosis on servers that stand by, break or are gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import raxol_sql as rx
from raxol_sql.ops.diagnosis.diagnosis import diagnose
from raxol_sql.ops.diagnosis.limits import Limits
from raxol_sql.ops.diagnosis.subject import Subject
from raxol_sql.ops.finding import Finding, Status
from raxol_sql.testing.servers import FaultServer

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def fault_server() -> Iterator[FaultServer]:
    with FaultServer({"max_connections": 20}) as server:
        yield server


@pytest.fixture(autouse=True)
def _no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def subject_of(database: rx.Database, conninfo: str, queries: rx.Queries) -> Subject:
    return Subject.of(database, database.config, conninfo, Limits(), lambda: queries)


def opened(conninfo: str, **configuration: object) -> rx.Database:
    return rx.Database.open(
        conninfo, **{"pool_size": 1, "pool_min_size": 1, "timeout": 2000, **configuration}
    )


def named(findings: list[Finding], *statuses: Status) -> list[tuple[str, str]]:
    return [(one.group, one.check) for one in findings if one.status in statuses]


def test_a_pool_that_is_larger_than_the_server_is_warned_of_with_a_size_that_fits(
    fault_server: FaultServer,
) -> None:
    conninfo = fault_server.conninfo()
    with opened(conninfo, pool_size=50) as database:
        found = [*diagnose(subject_of(database, conninfo, rx.Queries([])), ["connections"])]
    assert named(found, Status.WARN) == [("connections", "pool_size")]
    assert "set pool_size = 13" in found[-1].remedy


def test_a_standby_is_told_to_be_one_and_fails_nothing(fault_server: FaultServer) -> None:
    with fault_server.standby() as standby:
        conninfo = standby.conninfo()
        with opened(conninfo) as database:
            found = [*diagnose(subject_of(database, conninfo, rx.Queries([])))]
    assert named(found, Status.FAIL, Status.WARN) == []
    assert "a standby" in next(one.message for one in found if one.check == "server")


def test_a_lost_server_ends_with_findings_and_nothing_is_waited_for_in_vain() -> None:
    with FaultServer() as server:
        conninfo = server.conninfo()
        with opened(conninfo) as database:
            subject = subject_of(database, conninfo, rx.Queries([]))
            going = diagnose(subject, ["load", "security"])
            first = next(going)
            server.stop("immediate")
            rest = [*going]
    assert first.status is Status.OK
    assert named(rest, Status.FAIL) == [("load", "sessions")]
    assert {one.group for one in rest if one.status is Status.SKIP} == {"security"}
    assert all("the connection was lost" in one.message for one in rest)


def test_a_session_that_was_ended_costs_no_more_than_its_check(fault_server: FaultServer) -> None:
    conninfo = fault_server.conninfo()
    with opened(f"{conninfo} application_name=diagnosing") as database:
        going = diagnose(subject_of(database, conninfo, rx.Queries([])), ["load", "security"])
        next(going)
        assert fault_server.terminate_backends("diagnosing") == 1
        rest = [*going]
    assert len(named(rest, Status.FAIL)) <= 1
    assert ("security", "role") in named(rest, Status.OK)

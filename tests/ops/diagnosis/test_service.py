"""What is said of a server's version, clock, durability and places, without one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.ops.diagnosis import service, sizing
from raxol_sql.ops.diagnosis.subject import is_embedded
from raxol_sql.ops.finding import Finding, Status
from tests.ops.diagnosis.made_up import FAIL, LIMITS, OK, WARN

NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.mark.parametrize(
    ("major", "status"),
    [(9, WARN), (12, WARN), (13, WARN), (14, WARN), (15, OK), (18, OK), (30, OK)],
)
def test_a_major_version_that_is_mended_no_more_is_warned_of(major: int, status: Status) -> None:
    assert service.of_version(major, date(2026, 11, 25)).status is status


def test_the_last_fixes_of_a_version_come_on_a_thursday_in_november() -> None:
    assert service.end_of_life(13) == date(2025, 11, 13)
    assert service.end_of_life(14) == date(2026, 11, 12)
    assert service.end_of_life(18) == date(2030, 11, 14)
    assert service.of_version(14, date(2026, 11, 11)).status is OK


@given(st.floats(0, 100), st.floats(-1000, 1000), st.floats(0, 1))
def test_the_difference_of_two_clocks_is_never_told_too_high(
    took: float, ahead: float, when: float
) -> None:
    after = NOW + timedelta(seconds=took)
    there = NOW + timedelta(seconds=took * when + ahead)
    found = service.skew(NOW, there, after)
    assert abs(found) <= abs(ahead) + 1e-5
    assert abs(found - ahead) <= took + 1e-5


@pytest.mark.parametrize(("seconds", "status"), [(0, OK), (2, OK), (2.1, WARN), (-3, WARN)])
def test_clocks_that_differ_by_more_than_the_limit_are_warned_of(
    seconds: float, status: Status
) -> None:
    found = service.of_clock(seconds, 2)
    assert found.status is status
    assert ("behind" in found.message) is (seconds < -2)


def test_a_server_that_may_lose_what_was_committed_is_excused_only_where_it_is_embedded() -> None:
    off = {"fsync": "off", "full_page_writes": "on"}
    on = {"fsync": "on", "full_page_writes": "on"}
    assert service.of_durability(on, is_embedded=False).status is OK
    assert service.of_durability(off, is_embedded=True).status is OK
    found = service.of_durability(off, is_embedded=False)
    assert (found.status, found.remedy) == (
        WARN,
        "alter system reset fsync; select pg_reload_conf();",
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/home/me/project/.raxol/pg/data", True),
        ("/var/lib/raxol_sql-abc/pg/data", True),
        ("/var/lib/postgresql/18/main", False),
        ("/srv/pg/data", False),
        (None, False),
    ],
)
def test_an_embedded_server_is_known_by_where_its_data_are(
    path: str | None, expected: bool
) -> None:
    assert is_embedded(path) is expected


@pytest.mark.parametrize(
    ("share", "status"), [(0.0, OK), (0.8, OK), (0.81, WARN), (0.95, WARN), (0.96, FAIL)]
)
def test_the_places_that_are_taken_are_told_by_the_limits(share: float, status: Status) -> None:
    found = sizing.of_slots(Finding("connections", "slots", OK, "taken"), share, LIMITS)
    assert (found.status, bool(found.remedy)) == (status, status is not OK)

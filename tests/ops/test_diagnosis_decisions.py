"""What rows of the server mean, without a server (C2, G7)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace as Row
from typing import Any

import attrs
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.errors import ConfigError
from raxol_sql.ops.activity.naming import Names
from raxol_sql.ops.diagnosis import indexes, load, security, service, sizing, statements, storage
from raxol_sql.ops.diagnosis import tables as of_tables
from raxol_sql.ops.diagnosis.check import Check
from raxol_sql.ops.diagnosis.diagnosis import CHECKS, GROUPS, of_error
from raxol_sql.ops.diagnosis.limits import Limits
from raxol_sql.ops.diagnosis.subject import is_embedded
from raxol_sql.ops.finding import Finding, Status

MB = 1024 * 1024
LIMITS = Limits()
OK, WARN, FAIL, SKIP = Status.OK, Status.WARN, Status.FAIL, Status.SKIP
NOW = datetime(2026, 11, 25, tzinfo=UTC)


def subject(embedded: bool = False, hostname: str = "db.example", **limits: float) -> Any:
    return Row(
        limits=attrs.evolve(LIMITS, **limits),
        server_is_embedded=embedded,
        role="app",
        config=Row(hostname=hostname, username="app"),
    )


def statuses(findings: Iterable[Finding]) -> list[Status]:
    return [one.status for one in findings]


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


@pytest.mark.parametrize(
    ("days", "scans", "size", "status"),
    [
        (0.5, 0, 9 * MB, SKIP),
        (2, 0, 9 * MB, WARN),
        (2, 19, MB, WARN),
        (2, 20, 9 * MB, OK),
        (2, 0, MB - 1, OK),
    ],
)
def test_an_index_is_unused_only_after_a_day_of_counting(
    days: float, scans: int, size: int, status: Status
) -> None:
    row = Row(name="i", table_name="t", scans=scans, bytes=size)
    found = [*indexes.of_unused(subject(), Row(days=days), [row])]
    assert statuses(found) == [status]
    if status is WARN:
        assert found[0].remedy.startswith("drop index concurrently i;")


@pytest.mark.parametrize(
    ("nulls", "size", "status"), [(0.6, MB, WARN), (0.5, MB, OK), (1.0, MB - 1, OK)]
)
def test_an_index_that_is_mostly_nulls_is_warned_of(
    nulls: float, size: int, status: Status
) -> None:
    row = Row(name="i", table_name="t", column_name="c", nulls=nulls, bytes=size)
    assert statuses(indexes.of_nulls(subject(), [row])) == [status]


@pytest.mark.parametrize(
    ("size", "scans", "status"), [(10 * MB, 100, WARN), (10 * MB, 99, OK), (9 * MB, 1000, OK)]
)
def test_a_large_table_that_is_mostly_read_whole_is_warned_of(
    size: int, scans: int, status: Status
) -> None:
    row = Row(name="t", bytes=size, scans=scans, rows_each=5, index_scans=1)
    assert statuses(of_tables.of_scans(subject(), [row])) == [status]


@given(st.floats(0, 1), st.floats(0, 100), st.floats(0, 100))
def test_a_sequence_fails_from_its_own_limit_on_and_warns_from_the_other(
    used: float, warn: float, fail: float
) -> None:
    row = Row(name="s", table_name=None, column_name=None, ending=9, is_readable=True, used=used)
    measured = subject(sequence_warn_percent=warn, sequence_fail_percent=fail)
    expected = FAIL if used >= fail / 100 else WARN if used >= warn / 100 else OK
    assert statuses(of_tables.of_sequences(measured, [row])) == [expected]


@pytest.mark.parametrize(
    ("hits", "reads", "status"),
    [(0, 0, SKIP), (9_999, 0, SKIP), (9_850, 150, OK), (9_849, 151, WARN)],
)
def test_a_cache_is_judged_once_it_was_asked_often_enough(
    hits: int, reads: int, status: Status
) -> None:
    row = Row(table_hits=hits, table_reads=reads, index_hits=20_000, index_reads=0)
    assert statuses(storage.of_cache(subject(), row)) == [status, OK]


@pytest.mark.parametrize(
    ("dead", "threshold", "status"),
    [(10_000, 50, OK), (10_001, 50, WARN), (50_000, 25_000, OK), (50_001, 25_000, WARN)],
)
def test_dead_rows_are_told_where_they_are_many_and_more_than_autovacuum_leaves(
    dead: int, threshold: float, status: Status
) -> None:
    row = Row(
        name="t", dead=dead, live=1, threshold=threshold, vacuumed_at=None, is_automatic=False
    )
    found = [*storage.of_dead_rows(subject(), [row])]
    assert statuses(found) == [status]
    assert ("autovacuum is off for it" in found[0].message) is (status is WARN)


@pytest.mark.parametrize(
    ("size", "needed", "status"),
    [(31 * MB, 10 * MB, WARN), (30 * MB, 10 * MB, OK), (10 * MB, MB, OK), (100 * MB, 50 * MB, OK)],
)
def test_a_table_is_bloated_by_a_factor_and_by_a_size(
    size: int, needed: int, status: Status
) -> None:
    row = Row(name="t", bytes=size, needed=needed)
    assert statuses(storage.of_room(subject(), [row])) == [status]


@pytest.mark.parametrize(
    ("age", "begins_at", "status"),
    [
        (200_000_001, 200_000_000, OK),
        (250_000_001, 200_000_000, WARN),
        (1_500_000_001, 200_000_000, FAIL),
        (1_500_000_001, 2_000_000_000, FAIL),
    ],
)
def test_an_old_database_is_warned_of_and_fails_before_the_server_stops(
    age: int, begins_at: int, status: Status
) -> None:
    row = Row(name="d", age=age, begins_at=begins_at)
    assert statuses(storage.of_ages(subject(), [row])) == [status]


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


def line(**changed: Any) -> Any:
    known = {
        "is_encrypted": False,
        "version": "TLSv1.3",
        "is_socket": False,
        "is_loopback": False,
        "address": "10.0.0.1",
    }
    return Row(**{**known, **changed})


@pytest.mark.parametrize(
    ("row", "hostname", "status"),
    [
        (line(), "db.example", WARN),
        (line(), "127.0.0.1,db.example", WARN),
        (line(is_encrypted=True), "db.example", OK),
        (line(is_socket=True), "db.example", OK),
        (line(is_loopback=True), "db.example", OK),
        (line(), "localhost", OK),
        (line(), "127.0.0.1", OK),
        (line(), "::1", OK),
        (line(), "10.0.0.2", WARN),
        (None, "db.example", SKIP),
    ],
)
def test_a_connection_in_the_clear_is_warned_of_where_it_leaves_the_machine(
    row: Any, hostname: str, status: Status
) -> None:
    assert statuses(security.of_line(subject(hostname=hostname), row)) == [status]


def test_passwords_are_told_by_how_they_are_kept() -> None:
    rows = [
        Row(name="Odd", is_md5=True, has_none=False),
        Row(name="peer", is_md5=False, has_none=True),
        Row(name="good", is_md5=False, has_none=False),
    ]
    found = [*security.of_logins(rows)]
    assert statuses(found) == [WARN, OK]
    assert 'of "Odd" is kept as MD5' in found[0].message
    assert statuses(security.of_logins(rows[2:])) == [OK]


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

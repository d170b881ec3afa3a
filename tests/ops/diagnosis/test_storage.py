"""What figures of tables, indexes, sequences and the cache mean, without a server."""

from __future__ import annotations

from types import SimpleNamespace as Row

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.ops.diagnosis import indexes, storage
from raxol_sql.ops.diagnosis import tables as of_tables
from raxol_sql.ops.finding import Status
from tests.ops.diagnosis.made_up import FAIL, MB, OK, SKIP, WARN, statuses, subject


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
    row = Row(
        name="s",
        table_name=None,
        column_name=None,
        ending=9,
        is_readable=True,
        used=used,
        has_own_end=False,
        is_ascending=True,
    )
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

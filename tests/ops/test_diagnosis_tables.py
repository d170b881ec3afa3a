"""What is read of real tables and indexes: their room, their dead rows, their use."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.ops.diagnosis import tables
from raxol_sql.ops.diagnosis.limits import Limits
from raxol_sql.ops.diagnosis.storage import of_room
from raxol_sql.ops.diagnosis.subject import Subject
from raxol_sql.ops.finding import Finding, Status
from raxol_sql.ops.own_queries import own_queries

QUERIES = own_queries(tables.__file__, "storage")
INDEXES = own_queries(tables.__file__, "indexes")
TABLES = own_queries(tables.__file__, "tables")


@pytest.fixture
def subject(database: str) -> Iterator[Subject]:
    with rx.Database.open(database, pool_size=1, pool_min_size=1) as db:
        yield Subject.of(db, db.config, database, Limits(), lambda: rx.Queries([]))


@pytest.fixture
def change(database: str) -> Callable[..., None]:
    def change(*statements: str) -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    return change


def bloated(subject: Subject) -> list[Finding]:
    rows = subject.database.run(QUERIES.room())
    return [one for one in of_room(subject, rows) if one.status is Status.WARN]


@pytest.mark.parametrize(
    ("columns", "values", "options"),
    [
        ("a bigint, b bigint", "n, n", ""),
        ("a boolean", "true", ""),
        ("a smallint, b bigint, c boolean, d int", "1, n, true, 2", ""),
        ("a bigint, b text", "n, repeat('x', n % 200)", ""),
        ("a text, b numeric, c timestamptz, d uuid", "n::text, n / 7.0, now(), null::uuid", ""),
        ("a bigint, b text, c text", "n, null, case when n % 9 = 0 then repeat('y', 90) end", ""),
        ("a bigint, b text", "n, repeat('z', 100)", "with (fillfactor = 50)"),
        ("a text", "repeat('long', 600)", ""),
        ("a jsonb", "jsonb_build_object('k', n, 'list', array[n, n])", ""),
        (", ".join(f"c{n} int" for n in range(40)), "n" + ", null" * 39, ""),
    ],
)
def test_a_table_that_was_filled_once_takes_what_its_rows_need(
    subject: Subject, change: Callable[..., None], columns: str, values: str, options: str
) -> None:
    change(
        f"create table t ({columns}) {options}",
        f"insert into t select {values} from generate_series(1, 60000) as n",
        "analyze t",
    )
    (row,) = subject.database.run(QUERIES.room())
    assert row.name == "t"
    assert 0.6 < row.bytes / row.needed < 1.4
    assert bloated(subject) == []


def test_a_table_that_has_lost_most_of_its_rows_is_bloated_until_it_is_written_anew(
    subject: Subject, change: Callable[..., None]
) -> None:
    change(
        'create table "Odd" (a bigint, b text)',
        "insert into \"Odd\" select n, repeat('x', 400) from generate_series(1, 40000) as n",
        'delete from "Odd" where a % 20 > 0',
        'vacuum (analyze) "Odd"',
    )
    (found,) = bloated(subject)
    assert '"Odd" takes' in found.message
    assert found.remedy.startswith('vacuum full "Odd";')
    change(found.remedy, 'analyze "Odd"')
    assert bloated(subject) == []


def test_dead_rows_are_counted_beside_what_has_autovacuum_begin(
    subject: Subject, change: Callable[..., None]
) -> None:
    def counted() -> dict[str, Any]:
        return {row.name: row for row in subject.database.run(QUERIES.dead_rows())}

    off = "autovacuum_enabled = off, autovacuum_vacuum_threshold = 7"
    change(
        f"create table t (a bigint) with ({off}, autovacuum_vacuum_scale_factor = 0)",
        "create table u (a bigint)",
        "insert into t select n from generate_series(1, 3000) as n",
        "delete from t where a > 1000",
    )
    end = time.monotonic() + 10
    while counted()["t"].dead < 2000:
        assert time.monotonic() < end
        time.sleep(0.02)
    row = counted()["t"]
    assert (row.dead, row.threshold, row.is_automatic, row.vacuumed_at) == (2000, 7, False, None)
    assert (counted()["u"].threshold, counted()["u"].is_automatic) == (50, True)
    change("vacuum t")
    assert counted()["t"].dead == 0
    assert counted()["t"].vacuumed_at is not None


def test_an_index_that_has_more_to_do_than_to_find_rows_is_never_unused(
    subject: Subject, change: Callable[..., None]
) -> None:
    change(
        "create table parents (id bigint primary key, code text unique)",
        "create table t (id bigint, parent bigint references parents, a int, b int, at date)",
        "create index t_parent on t (parent, a)",
        "create unique index t_b on t (b)",
        "create index t_a on t (a)",
        "create index t_at on t (at)",
        "cluster t using t_at",
        "create table p (a int) partition by range (a)",
        "create table p_1 partition of p for values from (0) to (9)",
        "create index p_a on p (a)",
    )
    assert [row.name for row in subject.database.run(INDEXES.unused())] == ["t_a"]


def test_nulls_are_counted_where_an_index_could_leave_them_out(
    subject: Subject, change: Callable[..., None]
) -> None:
    change(
        "create table t (a int, b int unique, c int, d int)",
        "insert into t select case when n % 10 = 0 then n end from generate_series(1, 1000) as n",
        "create index t_a on t (a)",
        "create index t_c on t (c) where c is not null",
        "create index t_d on t (d, a)",
        "analyze t",
    )
    (row,) = subject.database.run(INDEXES.full_of_nulls())
    assert (row.name, row.table_name, row.column_name) == ("t_a", "t", "a")
    assert row.nulls == pytest.approx(0.9)


def test_a_table_that_is_read_whole_is_counted_with_its_rows(
    subject: Subject, change: Callable[..., None]
) -> None:
    change(
        "create table t (a int)",
        "insert into t select n from generate_series(1, 1000) as n",
        "analyze t",
        *["select count(*) from t"] * 4,
    )

    def counted() -> list[Any]:
        return [row for row in subject.database.run(TABLES.scanned()) if row.scans >= 4]

    end = time.monotonic() + 10
    while not counted():
        assert time.monotonic() < end
        time.sleep(0.02)
    (row,) = counted()
    assert (row.name, row.index_scans, row.rows_each) == ("t", 0, 1000)
    assert row.bytes > 0


def test_a_build_that_goes_on_is_no_invalid_index(
    subject: Subject, change: Callable[..., None], database: str
) -> None:
    change("create table t (a int)")
    with psycopg.connect(database) as holder, psycopg.connect(database, autocommit=True) as builder:
        # A concurrent build waits for every older transaction that has the table.
        holder.execute("insert into t values (1)")
        builder.pgconn.send_query(b"create index concurrently t_a on t (a)")
        with psycopg.connect(database, autocommit=True) as other:
            end = time.monotonic() + 10
            while not other.execute(
                "select 1 from pg_index where indexrelid = to_regclass('t_a') and not indisvalid"
            ).fetchone():
                assert time.monotonic() < end
                time.sleep(0.02)
        assert subject.database.run(INDEXES.invalid()) == []
        holder.commit()
        while builder.pgconn.get_result() is not None:
            pass
    assert subject.database.run(INDEXES.invalid()) == []

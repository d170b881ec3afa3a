"""VACUUM, ANALYZE and REINDEX against a real server: what they do, why they fail."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import raxol_sql as rx
from raxol_sql.ops.maintenance.attendant import Attendant
from raxol_sql.ops.maintenance.maintenance import (
    Maintained,
    Result,
    analyze,
    reindex,
    remedy,
    vacuum,
)
from raxol_sql.ops.maintenance.relation import Relation, indexes, tables
from tests.ops.maintenance.conftest import SLOW, Do, index, locked, one


@pytest.fixture
def rows(do: Do) -> None:
    """A table of 20,000 rows of which half were deleted, as the statistics know by now."""
    do("create table notes (id bigint primary key, body text) with (autovacuum_enabled = off)")
    do("insert into notes select n, repeat('x', 90) from generate_series(1, 20000) as n")
    do("delete from notes where id <= 10000")
    do("do $$ begin if current_setting('server_version_num')::int >= 150000 then "
       "perform pg_stat_force_next_flush(); end if; end $$")  # fmt: skip


@pytest.fixture
def other_role(database: str, do: Do) -> Iterator[str]:
    """The connection string of a role that owns nothing, and that hears of no warnings."""
    name = f"other_{do('select current_database()')[0][0]}"
    do(f"create role {name} login")
    do(f"alter role {name} set client_min_messages = 'error'")
    try:
        yield make_conninfo(database, user=name)
    finally:
        do(f"drop owned by {name}")
        do(f"drop role {name}")


@pytest.mark.usefixtures("rows")
def test_a_vacuum_leaves_no_dead_rows_and_is_booked(store: rx.Database) -> None:
    with Attendant(store) as attendant:
        done = vacuum(attendant, one(store, "notes"))
    assert done.result is Result.OK
    assert done.before.counts is not None
    assert done.after.counts is not None
    assert (done.before.counts.dead, done.after.counts.dead) == (10000, 0)
    assert (done.before.counts.vacuumed_at is None, done.after.counts.live) == (True, 10000)
    assert done.after.counts.vacuumed_at is not None


@pytest.mark.usefixtures("rows")
def test_a_full_vacuum_gives_room_back_and_says_nothing_of_rows_that_nobody_counted(
    store: rx.Database,
) -> None:
    with Attendant(store) as attendant:
        done = vacuum(attendant, one(store, "notes"), full=True)
        counted = vacuum(attendant, one(store, "notes"), full=True, analyze=True)
    assert done.before.size is not None
    assert done.after.size is not None
    assert done.after.size < done.before.size * 0.7
    assert done.after.counts is not None
    assert done.after.counts.dead is None
    assert counted.after.counts is not None
    assert (counted.after.counts.dead, counted.after.counts.live) == (0, 10000)


@pytest.mark.usefixtures("rows")
def test_an_analyze_is_booked_and_its_estimate_is_near(store: rx.Database) -> None:
    with Attendant(store) as attendant:
        done = analyze(attendant, one(store, "notes"))
    assert done.result is Result.OK
    assert done.before.counts is not None
    assert done.after.counts is not None
    assert done.before.counts.analyzed_at is None
    assert done.after.counts.analyzed_at is not None
    assert done.after.counts.estimate == pytest.approx(10000, rel=0.05)


@pytest.mark.parametrize(
    "maintain",
    [
        vacuum,
        analyze,
        lambda attendant, table: vacuum(attendant, table, full=True),
        lambda attendant, table: vacuum(attendant, table, analyze=True),
    ],
)
def test_what_the_server_skips_for_want_of_a_right_has_failed_even_for_a_role_without_warnings(
    maintain: Callable[[Attendant, Relation], Maintained], do: Do, other_role: str
) -> None:
    do("create table notes (id int)")
    with rx.Database.open(other_role, pool_size=1) as poor, Attendant(poor) as attendant:
        done = maintain(attendant, one(poor, "notes"))
    assert done.result is Result.FAILED
    assert '"notes"' in done.reason


def test_a_reindex_by_another_role_than_the_owner_has_failed(do: Do, other_role: str) -> None:
    do("create table notes (id int primary key)")
    with rx.Database.open(other_role, pool_size=1) as poor, Attendant(poor) as attendant:
        done = reindex(attendant, index(poor, "notes_pkey"))
    assert (done.result, "42501" in done.reason, done.leftovers) == (Result.FAILED, True, ())


def test_limits_that_the_role_has_for_queries_do_not_stop_maintenance(
    do: Do, other_role: str
) -> None:
    role = psycopg.conninfo.conninfo_to_dict(other_role)["user"]
    do(f"{SLOW} insert into slow select generate_series(1, 5); alter table slow owner to {role}")
    do(f"alter role {role} set statement_timeout = '20ms'")
    do(f"grant execute on function slow to {role}")
    with rx.Database.open(other_role, pool_size=1) as limited, Attendant(limited) as attendant:
        done = analyze(attendant, one(limited, "slow"))
    assert (done.result, done.reason) == (Result.OK, "")
    assert done.ms > 90


def test_a_statement_that_takes_longer_than_it_may_has_failed(store: rx.Database, do: Do) -> None:
    do(f"{SLOW} insert into slow select generate_series(1, 20)")
    with Attendant(store, timeout=60) as attendant:
        done = analyze(attendant, one(store, "slow"))
    assert (done.result, "57014" in done.reason) == (Result.FAILED, True)


def test_a_table_that_somebody_holds_has_failed_and_the_holder_is_named(
    store: rx.Database, database: str, do: Do
) -> None:
    do("create table held (id int); create table free (id int)")
    with locked(database, "held") as holder, Attendant(store, lock_timeout=1_000) as attendant:
        done = vacuum(attendant, one(store, "held"))
        other = vacuum(attendant, one(store, "free"))
    assert (done.result, done.blockers) == (Result.FAILED, (holder,))
    assert done.reason.startswith("gave up after 1000 ms")
    assert f"pid {holder} (holder, user postgres, idle in transaction)" in done.reason
    assert done.after.size is None
    assert other.result is Result.OK


def test_a_table_that_was_dropped_meanwhile_is_skipped(store: rx.Database, do: Do) -> None:
    do("create table notes (id int primary key)")
    table, key = one(store, "notes"), index(store, "notes_pkey")
    do("drop table notes")
    with Attendant(store) as attendant:
        done = [vacuum(attendant, table), analyze(attendant, table), reindex(attendant, key)]
    assert [each.result for each in done] == [Result.SKIPPED] * 3
    assert {each.reason for each in done} == {"it was dropped during that"}


@pytest.mark.parametrize("concurrently", [True, False])
@pytest.mark.usefixtures("rows")
def test_a_reindex_makes_an_index_smaller(store: rx.Database, do: Do, concurrently: bool) -> None:
    do("vacuum notes")
    key = index(store, "notes_pkey")
    with Attendant(store) as attendant:
        done = reindex(attendant, key, concurrently=concurrently)
    assert (done.result, done.reason) == (Result.OK, "")
    assert done.before.size is not None
    assert done.after.size is not None
    assert done.after.size < done.before.size
    ((node,),) = do("select pg_relation_filenode('notes_pkey')")
    assert node != key.oid


def test_a_concurrent_reindex_that_fails_names_what_it_left_and_the_remedy_works(
    store: rx.Database, database: str, do: Do
) -> None:
    do(
        'create schema "Odd";'
        'create table "Odd".notes (id int, constraint "a ""Key" primary key (id))'
    )
    (key,) = indexes(store, tables=tables(store))
    # Whoever has written keeps a concurrent reindex waiting until the transaction ends.
    with locked(database, '"Odd".notes', "row exclusive") as holder:
        with Attendant(store, lock_timeout=1_000) as attendant:
            done = reindex(attendant, key)
        assert (done.result, done.blockers) == (Result.FAILED, (holder,))
        (left,) = done.leftovers
        assert left == '"Odd"."a ""Key_ccnew"'
    with Attendant(store) as attendant:
        (again, skipped) = (reindex(attendant, each) for each in indexes(store))
    assert (again.result, again.leftovers) == (Result.OK, ())
    assert (skipped.result, remedy(left) in skipped.reason) == (Result.SKIPPED, True)
    do(remedy(left))
    assert [each.name for each in indexes(store)] == ['a "Key']


def test_an_exclusion_constraint_s_index_is_built_anew_in_one_go_only(
    store: rx.Database, do: Do
) -> None:
    do("create table bookings (at int4range, exclude using gist (at with &&))")
    held = index(store, "bookings_at_excl")
    with Attendant(store) as attendant:
        concurrently = reindex(attendant, held)
        plainly = reindex(attendant, held, concurrently=False)
    assert (concurrently.result, plainly.result) == (Result.SKIPPED, Result.OK)
    assert "--no-concurrently" in concurrently.reason


def test_the_packages_statements_that_are_no_queries_are_these(repository: Path) -> None:
    text = "".join(
        (repository / "raxol_sql" / "ops" / "maintenance" / f"{name}.py").read_text()
        for name in ("maintenance", "attendant")
    )
    assert re.findall(r'sql\.SQL\(\s*f?"(\w+)', text) == ["vacuum", "analyze", "reindex"]

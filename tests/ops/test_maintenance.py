"""VACUUM, ANALYZE and REINDEX against a real server (N1, N2, N4)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

import raxol_sql as rx
from raxol_sql.ops.maintenance.attendant import APPLICATION_NAME, Attendant, Look
from raxol_sql.ops.maintenance.maintenance import (
    Maintained,
    Result,
    analyze,
    reindex,
    remedy,
    vacuum,
)
from raxol_sql.ops.maintenance.progress import progress
from raxol_sql.ops.maintenance.relation import Index, Relation, indexes, named, tables

Do = Callable[[str], list[Any]]

# Each entry takes 20 ms, so that an index on it is built for as long as a test needs.
SLOW = """
    create function slow(a int) returns int immutable language plpgsql as
    'begin perform pg_catalog.pg_sleep(0.02); return a; end';
    create table slow (a int);
    create index slow_index on slow (slow(a));
    alter table slow set (autovacuum_enabled = off);
"""


@pytest.fixture
def do(database: str) -> Iterator[Do]:
    """Runs a statement as the superuser, in autocommit; gives its rows."""
    with psycopg.connect(database, autocommit=True) as connection:

        def do(statement: str) -> list[Any]:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

        yield do


@pytest.fixture
def store(database: str) -> Iterator[rx.Database]:
    """The test's own database, empty."""
    with rx.Database.open(database, pool_size=1, pool_min_size=1) as opened:
        yield opened


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


@contextmanager
def locked(database: str, name: str, mode: str = "access exclusive") -> Iterator[int]:
    """The pid of a session that holds a lock."""
    with psycopg.connect(database, application_name="holder") as holder:
        holder.execute(f"lock table {name} in {mode} mode")  # type: ignore[arg-type]
        yield holder.info.backend_pid


def one(store: rx.Database, name: str) -> Relation:
    (found,) = tables(store, [name])
    return found


def index(store: rx.Database, name: str) -> Index:
    (found,) = indexes(store, [name])
    return found


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
    with locked(database, "held") as holder, Attendant(store, lock_timeout=250) as attendant:
        done = vacuum(attendant, one(store, "held"))
        other = vacuum(attendant, one(store, "free"))
    assert (done.result, done.blockers) == (Result.FAILED, (holder,))
    assert done.reason.startswith("gave up after 250 ms")
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
    assert {each.reason for each in done} == {"it was dropped meanwhile"}


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
        with Attendant(store, lock_timeout=250) as attendant:
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


def test_an_index_that_another_builds_anew_now_is_left_alone_and_is_no_leftover(
    store: rx.Database, database: str, do: Do
) -> None:
    do("create table notes (id int primary key)")
    with locked(database, "notes", "row exclusive"), Attendant(store, lock_timeout=0) as attendant:
        beside: list[Index] = []

        def watch(look: Look) -> None:
            found = indexes(store)
            if len(found) == 2 and all(one.is_being_built for one in found):
                beside.extend(found)
                raise Seen

        with pytest.raises(Seen):
            reindex(attendant, index(store, "notes_pkey"), watch=watch)
        done = [reindex(attendant, each) for each in beside]
    assert [each.is_leftover for each in beside] == [False, False]
    assert [each.result for each in done] == [Result.SKIPPED, Result.SKIPPED]
    assert {each.reason for each in done} == {"somebody builds it anew now"}
    assert [each.is_leftover for each in indexes(store)] == [False, True]


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


class Seen(BaseException):
    """As an interruption would come, while somebody looks."""


def running(do: Do) -> list[Any]:
    return do(
        "select pid, state, query from pg_stat_activity where datname = current_database() "
        f"and application_name = '{APPLICATION_NAME}' and state = 'active'"
    )


def test_a_build_of_an_index_is_seen_and_what_interrupts_it_leaves_nothing_running(
    store: rx.Database, do: Do
) -> None:
    do(f"{SLOW} insert into slow select generate_series(1, 40)")
    seen: list[Look] = []

    def watch(look: Look) -> None:
        seen.append(look)
        if look.progress is not None:
            assert progress(store) == (look.progress,)
            assert [row[0] for row in running(do)] == [look.progress.pid]
            raise Seen

    with Attendant(store) as attendant:
        with pytest.raises(Seen):
            reindex(attendant, index(store, "slow_index"), watch=watch)
        assert running(do) == []
        assert analyze(attendant, one(store, "slow")).result is Result.OK
    last = seen[-1].progress
    assert last is not None
    assert (last.command, last.relation) == ("reindex concurrently", "slow")
    assert last.phase != ""
    assert progress(store) == ()


@pytest.mark.parametrize(
    ("full", "command"), [(False, "vacuum"), (True, "vacuum full")], ids=["plain", "full"]
)
def test_a_vacuum_is_seen_while_it_runs(
    store: rx.Database, do: Do, full: bool, command: str
) -> None:
    do(f"{SLOW} insert into slow select generate_series(1, 60)")
    do("create table notes as select n as id, repeat('x', 900) as x from generate_series(1, 200) n")
    do("delete from notes")
    ((name,),) = do("select current_database()")
    do(f"alter database {name} set vacuum_cost_delay = '50ms'")
    do(f"alter database {name} set vacuum_cost_limit = 1")

    def watch(look: Look) -> None:
        if look.progress is not None and (full or look.progress.total):
            raise Seen(look.progress)

    with Attendant(store) as attendant, pytest.raises(Seen) as caught:
        vacuum(attendant, one(store, "slow" if full else "notes"), full=full, watch=watch)
    (seen,) = caught.value.args
    assert (seen.command, seen.relation) == (command, "slow" if full else "notes")
    assert seen.total is None or 0 <= seen.done <= seen.total
    assert running(do) == []


def test_a_session_that_was_ended_has_failed_and_the_next_table_has_a_new_one(
    store: rx.Database, do: Do
) -> None:
    do(f"{SLOW} insert into slow select generate_series(1, 60)")

    def watch(look: Look) -> None:
        for pid, *_ in running(do):
            do(f"select pg_terminate_backend({pid})")

    with Attendant(store) as attendant:
        done = analyze(attendant, one(store, "slow"), watch=watch)
        assert (done.result, "57P01" in done.reason) == (Result.FAILED, True)
        assert vacuum(attendant, one(store, "slow")).result is Result.OK


PARTS = """
    create table parts (a int primary key) partition by range (a);
    create table parts_1 partition of parts for values from (0) to (9);
    create table parts_2 partition of parts for values from (9) to (99);
    create table plain (a int); create materialized view seen as select 1 as one;
    create schema other; create table other.plain (a int); create table other.far (a int);
    create view looked as select 1; create temp table gone (a int);
"""


def test_all_tables_are_the_partitions_or_the_partitioned_ones_and_never_both(
    store: rx.Database, do: Do
) -> None:
    do(PARTS)
    rest = {"other.far", "other.plain", "plain", "seen"}
    assert {one.quoted for one in tables(store)} == {"parts", *rest}
    assert {one.quoted for one in tables(store, leaves=True)} == {"parts_1", "parts_2", *rest}
    chosen = tables(store, ["parts", "parts_2"], leaves=True)
    assert {one.quoted for one in chosen} == {"parts_1", "parts_2"}
    assert {one.quoted for one in indexes(store)} == {"parts_1_pkey", "parts_2_pkey"}
    assert indexes(store, ["parts_pkey"]) == indexes(store)
    with Attendant(store) as attendant:
        assert {analyze(attendant, one).result for one in tables(store)} == {Result.OK}


def test_a_name_without_a_table_is_told_with_those_most_like_it(store: rx.Database, do: Do) -> None:
    do(PARTS)
    wrong = ["plian", "far", "looked", "gone", "pg_class", "other.plane", 'a"b', "", "a.b.c"]
    with pytest.raises(LookupError) as caught:
        tables(store, ["plain", *wrong])
    lines = str(caught.value).splitlines()
    assert [line.partition("; ")[0] for line in lines] == [
        f"there is no table {name!r}" for name in wrong
    ]
    assert [line.partition("; ")[2] for line in lines if "; " in line] == [
        "did you mean 'plain'?",
        "did you mean 'other.far'?",
        "did you mean 'other.plain' or 'other.far'?",
    ]


NAMES = st.text(st.sampled_from('aB."\u00e9 '), min_size=1, max_size=4)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@given(st.lists(st.tuples(NAMES, NAMES, st.booleans()), min_size=1, unique_by=lambda one: one[:2]))
def test_every_table_is_found_by_its_name_in_quotes(found: list[tuple[str, str, bool]]) -> None:
    # A name of the search path is there once.
    seen: set[str] = set()
    known = []
    for number, (schema, name, is_visible) in enumerate(found):
        is_visible = is_visible and name not in seen
        seen |= {name} if is_visible else set()
        text = f"{quoted(schema)}.{quoted(name)}"
        known.append(Relation(number, schema, name, text, is_visible, False, False))
    for relation in known:
        assert named([relation.quoted, relation.quoted], known, "table") == [relation]
        if relation.is_visible:
            assert named([quoted(relation.name)], known, "table") == [relation]


def test_the_packages_statements_that_are_no_queries_are_these(repository: Path) -> None:
    text = "".join(
        (repository / "raxol_sql" / "ops" / "maintenance" / f"{name}.py").read_text()
        for name in ("maintenance", "attendant")
    )
    assert re.findall(r'sql\.SQL\(\s*f?"(\w+)', text) == ["vacuum", "analyze", "reindex"]

"""Maintenance that somebody watches, interrupts or ends while it runs."""

from __future__ import annotations

from typing import Any

import pytest

import raxol_sql as rx
from raxol_sql.ops.maintenance.attendant import APPLICATION_NAME, Attendant, Look
from raxol_sql.ops.maintenance.maintenance import Result, analyze, reindex, vacuum
from raxol_sql.ops.maintenance.progress import progress
from raxol_sql.ops.maintenance.relation import Index, indexes
from tests.ops.maintenance.conftest import SLOW, Do, index, locked, one


class Seen(BaseException):
    """As an interruption would come, while somebody looks."""


def running(do: Do) -> list[Any]:
    return do(
        "select pid, state, query from pg_stat_activity where datname = current_database() "
        f"and application_name = '{APPLICATION_NAME}' and state = 'active'"
    )


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
    assert {each.reason for each in done} == {"another session rebuilds it now"}
    assert [each.is_leftover for each in indexes(store)] == [False, True]


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

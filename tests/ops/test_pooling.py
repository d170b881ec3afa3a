"""The places of a server and pools that want them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import raxol_sql as rx
from raxol_sql.config import Config
from raxol_sql.ops.connections.pooling import APPLICATION, Slots, View, judge, look, processes_of
from raxol_sql.ops.connections.probing import probe
from raxol_sql.ops.finding import Status

TIMEOUT = 10_000


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no project says anything of a server."""
    monkeypatch.chdir(tmp_path)


@contextmanager
def _connected(conninfo: str, count: int, name: str) -> Iterator[list[psycopg.Connection[Any]]]:
    with ExitStack() as held:
        named = make_conninfo(conninfo, application_name=name)
        yield [held.enter_context(psycopg.connect(named, autocommit=True)) for _ in range(count)]


def _until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, f"never seen: {what}"
        time.sleep(0.01)


def _count(conninfo: str, name: str) -> int:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(
            "select count(*) from pg_stat_activity where application_name = %s", [name]
        ).fetchone()
        assert row is not None
        return int(row[0])


def test_the_sessions_of_a_program_are_counted_as_the_server_counts_them(database: str) -> None:
    with _connected(database, 3, "counted") as held:
        held[0].execute("begin")
        view = look(database, pool_size=10, timeout=TIMEOUT)
        counted = _count(database, "counted")

    mine = [one for one in view.sessions if one.application == "counted"]
    assert {one.state: one.count for one in mine} == {"idle": 2, "idle in transaction": 1}
    assert sum(one.count for one in mine) == counted == 3
    assert {one.database for one in mine} == {conninfo_to_dict(database)["dbname"]}
    assert all(0 <= one.oldest < 60 for one in mine)
    assert view.slots.used == sum(one.count for one in view.sessions)


def test_who_looks_is_not_counted(database: str) -> None:
    view = look(database, pool_size=10, timeout=TIMEOUT)

    assert APPLICATION not in {one.application for one in view.sessions}


def test_the_places_are_those_of_max_connections_without_the_reserved(database: str) -> None:
    slots = look(database, pool_size=10, timeout=TIMEOUT).slots

    assert (slots.most, slots.reserved, slots.usable) == (100, 3, 97)
    assert (slots.most_of_database, slots.most_of_role) == (None, None)


def test_a_database_of_this_library_is_seen_as_one_process_of_the_project(
    accounts_database: str, queries: rx.Queries
) -> None:
    with (
        rx.Database.open(accounts_database, pool_size=3) as db,
        db.transaction(),
        db.transaction() as tx,
    ):
        tx.run(queries.users.count())
        view = look(accounts_database, pool_size=3, timeout=TIMEOUT)

    assert view.application == "raxol_sql"
    assert view.processes == 1


def test_more_sessions_than_a_pool_holds_are_of_several_processes(database: str) -> None:
    named = make_conninfo(database, application_name="my service")
    with _connected(database, 5, "my service"):
        view = look(named, pool_size=2, timeout=TIMEOUT)

    assert (view.application, view.processes) == ("my service", 3)


@given(st.lists(st.integers(1, 300), max_size=6), st.integers(1, 50))
def test_as_many_processes_could_have_made_the_sessions_and_no_fewer(
    sessions: list[int], pool_size: int
) -> None:
    processes = processes_of(sessions, pool_size)

    assert processes * pool_size >= sum(sessions)
    assert processes >= len(sessions)
    assert sum(max(0, -(-count // pool_size) - 1) for count in sessions) + len(sessions) == (
        processes
    )


@pytest.fixture
def limited(database: str) -> Iterator[str]:
    """The connection string of a role that is no superuser, and may be in twice."""
    name = f"limited_{conninfo_to_dict(database)['dbname']}"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"create role {name} login connection limit 2")
        try:
            yield make_conninfo(database, user=name)
        finally:
            connection.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = %s",
                [name],
            )
            connection.execute(f"drop role {name}")


def test_a_role_without_rights_is_told_that_others_are_there_and_not_what_they_do(
    limited: str, database: str
) -> None:
    with _connected(database, 2, "hidden from it"):
        view = look(limited, pool_size=2, timeout=TIMEOUT)

    (seen,) = [one for one in view.sessions if one.application == "hidden from it"]
    assert (seen.state, seen.count, seen.oldest) == (None, 2, None)
    assert view.hidden >= 2
    assert view.slots.used >= 2


def test_the_limit_of_a_role_is_the_room_that_its_pool_has(limited: str) -> None:
    view = look(limited, pool_size=5, timeout=TIMEOUT)

    size = judge(view, 5)[1]
    assert (view.slots.most_of_role, view.slots.room) == (2, 2)
    assert size.status is Status.WARN
    assert "connection limit of the role" in size.remedy


def _view(*, most: int = 20, reserved: int = 3, used: int = 0, processes: int = 0) -> View:
    return View(Slots(most, reserved, used), (), "raxol_sql", processes)


def test_a_pool_that_is_larger_than_the_server_is_warned_of_with_a_size_that_fits() -> None:
    slots, size = judge(_view(), 50)

    assert slots.status is Status.OK
    assert size.status is Status.WARN
    assert "up to 50 sessions of the 17" in size.message
    assert "pool_size = 13" in size.remedy
    assert "max_connections to 53 or more" in size.remedy


def test_pools_of_several_processes_are_added_up() -> None:
    fits, not_any_more = judge(_view(processes=1), 10)[1], judge(_view(processes=2), 10)[1]

    assert fits.status is Status.OK
    assert not_any_more.status is Status.WARN
    assert "2 seen" in not_any_more.message
    assert "pool_size = 6" in not_any_more.remedy


@pytest.mark.parametrize(
    ("used", "status"), [(13, Status.OK), (14, Status.WARN), (17, Status.FAIL), (20, Status.FAIL)]
)
def test_a_server_is_warned_of_from_80_percent_on_and_fails_when_it_is_full(
    used: int, status: Status
) -> None:
    slots = judge(_view(used=used), 1)[0]

    assert slots.status is status
    assert "max_connections is 20" in slots.message
    assert bool(slots.remedy) is (status is not Status.OK)


@given(
    most=st.integers(1, 500),
    used=st.integers(0, 500),
    processes=st.integers(0, 20),
    pool_size=st.integers(1, 200),
)
def test_a_size_that_is_proposed_is_not_warned_of(
    most: int, used: int, processes: int, pool_size: int
) -> None:
    view = _view(most=most + 3, used=used, processes=processes)
    size = judge(view, pool_size)[1]

    if size.status is Status.OK:
        assert pool_size * max(1, processes) <= most
        return
    proposed = int(size.remedy.split("pool_size = ")[1].split(" ")[0])
    assert 1 <= proposed <= pool_size
    if processes <= most:
        assert judge(view, proposed)[1].status is Status.OK


def test_a_probe_holds_the_whole_pool_at_once_and_gives_all_of_it_back(database: str) -> None:
    done = probe(Config.find(database, pool_size=4, pool_min_size=1), database)

    assert (done.size, done.held, done.backends, done.error) == (4, 4, 4, None)
    assert done.first_ms is not None
    assert done.full_ms is not None
    assert 0 < done.first_ms <= done.full_ms
    assert done.status is not None
    assert (done.status.max, done.status.size, done.status.in_use) == (4, 4, 4)
    _until(lambda: _count(database, APPLICATION) == 0, "the probe's sessions have ended")


def test_a_probe_that_cannot_have_all_says_how_many_it_had_and_why(
    limited: str, watch: Any
) -> None:
    config = Config.find(limited, pool_size=4, pool_min_size=1, timeout=1500)
    with watch.at_most(5):
        done = probe(config, limited)

    assert (done.held, done.full_ms, done.status) == (2, None, None)
    assert isinstance(done.error, psycopg.Error)

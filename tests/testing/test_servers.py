"""A server of a test's own is killed, stopped, frozen, and followed by a standby, as it says."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from raxol_sql.embedded.deadline import Timer
from raxol_sql.embedded.processes import Data, look_up
from raxol_sql.errors import EmbeddedError
from raxol_sql.testing import FaultProxy, FaultServer, Standby


@pytest.fixture(scope="module")
def shared_server() -> Iterator[FaultServer]:
    """One server for all tests here, which each leaves running, and without standbys."""
    with FaultServer({"max_connections": 30}) as server:
        server.ask("create table notes (n int primary key)")
        yield server


@pytest.fixture
def primary(shared_server: FaultServer) -> Iterator[FaultServer]:
    """That server, running, with an empty table ``notes``."""
    # Not even those to whom somebody holds on who has given up connecting.
    shared_server.terminate_backends()
    shared_server.ask("truncate notes")
    yield shared_server
    shared_server.thaw()
    shared_server.start()
    shared_server.set(synchronous_standby_names="")


def notes(server: FaultServer) -> list[int]:
    return [n for (n,) in server.ask("select n from notes order by n")]


def living(server: FaultServer) -> frozenset[object]:
    data = Data.at(server.project / ".raxol" / "pg" / "data")
    assert data is not None
    return data.living()


@pytest.fixture
def session(primary: FaultServer) -> Iterator[psycopg.Connection[Any]]:
    """A session in autocommit."""
    connection = psycopg.connect(primary.conninfo(), autocommit=True, application_name="mine")
    yield connection
    connection.close()


def test_the_settings_are_in_force(primary: FaultServer) -> None:
    assert primary.ask("select current_setting('max_connections')") == [("30",)]

    primary.set(work_mem="7MB")
    assert primary.ask("select current_setting('work_mem')") == [("7MB",)]


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_server_keeps_what_was_committed_and_nothing_else(
    primary: FaultServer, session: psycopg.Connection[Any], seed: int
) -> None:
    with psycopg.connect(primary.conninfo()) as open_transaction:
        session.execute("insert into notes values (%s)", [seed])
        open_transaction.execute("insert into notes values (1000)")

        primary.kill()

        assert living(primary) == frozenset()
        assert not primary.is_running
        with pytest.raises(psycopg.OperationalError):
            session.execute("select 1")
        open_transaction.close()

    primary.start()
    assert notes(primary) == [seed]


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_stopped_server_ends_its_sessions_and_leaves_no_process(
    primary: FaultServer, session: psycopg.Connection[Any], mode: Any
) -> None:
    session.execute("insert into notes values (1)")
    primary.stop(mode)

    assert living(primary) == frozenset()
    with pytest.raises(psycopg.OperationalError):
        session.execute("select 1")
    with pytest.raises(EmbeddedError, match="start it first"):
        primary.stop()
    primary.start()
    assert notes(primary) == [1]


def test_a_smart_stop_waits_for_its_clients(
    primary: FaultServer, session: psycopg.Connection[Any]
) -> None:
    with pytest.raises(EmbeddedError, match="has not stopped"):
        primary.stop("smart", wait=0.2)
    assert session.execute("select 1").fetchone() == (1,)

    session.close()
    deadline = Timer.after(5)
    assert deadline.wait_until(lambda: not living(primary))
    primary.start()


def test_a_crashed_session_takes_the_others_with_it_and_the_server_recovers(
    primary: FaultServer, session: psycopg.Connection[Any]
) -> None:
    postmaster = primary.pid
    with psycopg.connect(primary.conninfo(), autocommit=True) as other:
        other.execute("insert into notes values (1)")
        primary.crash_backend(session.info.backend_pid)

        with pytest.raises(psycopg.OperationalError):
            other.execute("select 1")
        other.close()
    assert primary.pid == postmaster
    assert notes(primary) == [1]


def test_only_processes_of_the_server_are_signalled(primary: FaultServer) -> None:
    with pytest.raises(EmbeddedError, match="no process of the server"):
        primary.freeze(1)
    with pytest.raises(EmbeddedError, match="postmaster"):
        primary.crash_backend(primary.pid)


def test_a_frozen_session_does_nothing_until_it_is_thawed(
    primary: FaultServer, session: psycopg.Connection[Any]
) -> None:
    done = threading.Event()

    def insert() -> None:
        session.execute("insert into notes values (1)")
        done.set()

    thread = threading.Thread(target=insert)
    with primary.frozen(session.info.backend_pid):
        thread.start()
        assert not done.wait(0.3)
        assert notes(primary) == []
    thread.join(5)

    assert notes(primary) == [1]


def test_a_frozen_postmaster_lets_nobody_in_and_its_sessions_go_on(
    primary: FaultServer, session: psycopg.Connection[Any]
) -> None:
    with primary.frozen():
        assert session.execute("select 1").fetchone() == (1,)
        with pytest.raises(psycopg.errors.ConnectionTimeout):
            psycopg.connect(primary.conninfo(), connect_timeout=2)

    primary.wait_until_ready()


def test_sessions_are_terminated_by_name(
    primary: FaultServer, session: psycopg.Connection[Any]
) -> None:
    with psycopg.connect(primary.conninfo(), application_name="other") as other:
        assert primary.backends("mine") == [session.info.backend_pid]

        assert primary.terminate_backends("mine") == 1

        with pytest.raises(psycopg.errors.AdminShutdown):
            session.execute("select 1")
        assert other.execute("select 1").fetchone() == (1,)
        assert primary.terminate_backends() == 1
        other.close()


def test_a_standby_catches_up_and_becomes_a_primary_on_a_new_timeline(primary: FaultServer) -> None:
    with primary.standby() as standby:
        primary.ask("insert into notes values (1)")
        standby.catch_up()

        assert notes(standby) == [1]
        assert standby.lag() == 0
        assert standby.replication_state() == "async"
        assert standby.timeline() == primary.timeline()
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            standby.ask("insert into notes values (2)")

        primary.kill()
        standby.promote()

        standby.ask("insert into notes values (2)")
        assert notes(standby) == [1, 2]
        primary.start()
        assert standby.timeline() == primary.timeline() + 1


def test_a_commit_is_lost_in_a_failover_for_certain(primary: FaultServer) -> None:
    with primary.standby() as standby:
        primary.ask("insert into notes values (1)")
        standby.catch_up()
        standby.line.black_hole()
        primary.ask("insert into notes values (2)")

        primary.kill()
        standby.promote()

        assert notes(standby) == [1]
        primary.start()
        assert notes(primary) == [1, 2]


def test_a_standby_finds_the_wal_that_it_missed_after_checkpoints(primary: FaultServer) -> None:
    with primary.standby() as standby:
        standby.line.refuse()
        standby.line.cut()
        for n in (1, 2, 3):
            primary.ask("insert into notes values (%s)", n)
            primary.ask("select pg_switch_wal()")
            primary.ask("checkpoint")

        standby.line.heal()
        standby.catch_up()
        assert notes(standby) == [1, 2, 3]

    slots = primary.ask("select slot_name from pg_replication_slots")
    assert (standby.name,) not in slots


def test_a_standby_whose_line_was_cut_catches_up_when_it_is_healed(primary: FaultServer) -> None:
    with primary.standby() as standby:
        standby.line.refuse()
        standby.line.cut()
        primary.ask("insert into notes values (1)")
        assert Timer.after(5).wait_until(lambda: not standby.is_streaming())
        assert notes(standby) == []
        assert standby.lag() > 0

        standby.line.heal()
        standby.wait_until_streaming()
        standby.catch_up()
        assert notes(standby) == [1]


def test_a_standby_may_receive_and_show_nothing_new(primary: FaultServer) -> None:
    with primary.standby() as standby:
        standby.pause_replay()
        primary.ask("insert into notes values (1)")
        with pytest.raises(EmbeddedError, match="has not caught up"):
            standby.catch_up(0.2)
        assert notes(standby) == []

        standby.resume_replay()
        standby.catch_up()
        assert notes(standby) == [1]


def test_a_commit_waits_for_a_synchronous_standby(primary: FaultServer) -> None:
    with primary.standby(synchronous=True) as standby:
        primary.ask("insert into notes values (1)")
        assert standby.replication_state() == "sync"

        standby.line.black_hole()
        done = threading.Event()

        def insert() -> None:
            primary.ask("insert into notes values (2)")
            done.set()

        thread = threading.Thread(target=insert)
        thread.start()
        assert not done.wait(0.3)

        standby.line.heal()
        thread.join(10)
        assert notes(primary) == [1, 2]


def test_an_address_moves_to_the_promoted_standby(primary: FaultServer) -> None:
    with primary.standby() as standby, FaultProxy(primary.conninfo()) as address:
        primary.kill()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(address.conninfo)

        standby.promote()
        address.redirect(standby.conninfo())
        with psycopg.connect(address.conninfo, autocommit=True) as connection:
            connection.execute("insert into notes values (1)")
        assert notes(standby) == [1]


def test_the_answer_of_a_commit_is_lost_while_it_waits_for_a_standby(primary: FaultServer) -> None:
    with primary.standby(synchronous=True) as standby, FaultProxy(primary.conninfo()) as proxy:
        standby.line.black_hole()
        fired = proxy.commit_answer_lost()
        with psycopg.connect(proxy.conninfo) as connection:
            connection.execute("insert into notes values (1)")
            threading.Timer(0.3, standby.line.heal).start()
            with pytest.raises(psycopg.OperationalError):
                connection.commit()

        assert fired.is_settled
        assert notes(primary) == [1]


def test_a_project_keeps_its_data_from_one_server_to_the_next(
    own_project: Path, watch: Any
) -> None:
    with FaultServer(project=own_project) as server:
        server.ask("create table kept (n int)")
    with FaultServer(project=own_project) as server:
        assert server.ask("select * from kept") == []
        with watch.at_most(10):
            server.restart("immediate")
    assert own_project.is_dir()


def test_after_a_failure_nothing_is_left_not_even_what_was_frozen() -> None:
    def fail() -> None:
        with FaultServer() as server:
            seen.append(server.project)
            session = psycopg.connect(server.conninfo())
            server.freeze(session.info.backend_pid)
            server.freeze()
            session.close()
            data = Data.at(server.project / ".raxol" / "pg" / "data")
            assert data is not None
            pids.extend(process.pid for process in data.living())
            raise NotImplementedError

    seen: list[Path] = []
    pids: list[int] = []
    with pytest.raises(NotImplementedError):
        fail()

    assert [pid for pid in pids if look_up(pid) is not None] == []
    assert [project for project in seen if project.exists()] == []


def test_a_killed_server_leaves_no_shared_memory_behind() -> None:
    with FaultServer() as server:
        mapped = Path(f"/proc/{server.pid}/maps").read_text()
        segments = {Path(name) for name in re.findall(r"/dev/shm/PostgreSQL\.\d+", mapped)}
        server.kill()
        assert {segment for segment in segments if segment.exists()} == segments != set()

    assert {segment for segment in segments if segment.exists()} == set()


def test_a_server_that_was_not_started_says_so() -> None:
    with pytest.raises(EmbeddedError, match="with block"):
        FaultServer().conninfo()


def test_a_standby_ends_with_its_primary() -> None:
    standby: Standby | None = None
    with FaultServer() as server:
        standby = server.standby()
        project = standby.project

    assert not project.exists()

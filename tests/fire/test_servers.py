"""Servers that stop, crash, wait for a standby or follow a primary, and what callers see of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.testing import FaultServer, Standby


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    """A server for all of these tests."""
    with FaultServer({"autovacuum": "off", "wal_writer_delay": "10s"}) as server:
        yield server


@pytest.fixture
def bank(server: FaultServer, opened_bank: Any) -> Any:
    """A bank on it, with nothing in its ledger."""
    server.ask("drop table if exists accounts, ledger")
    return opened_bank(server, server.conninfo())


@pytest.fixture
def in_background() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Runs something in a thread that has ended when the test does."""
    threads: list[threading.Thread] = []

    def run(work: Callable[[], object]) -> None:
        threads.append(threading.Thread(target=work))
        threads[-1].start()

    yield run
    for thread in threads:
        thread.join(60)


def entry(q: Any, name: str) -> Any:
    return q.enter(id=name, source=1, target=2, amount=1)


def names(server: FaultServer) -> list[str]:
    return [name for (name,) in server.ask("select id from ledger order by id")]


def waiting(server: FaultServer) -> list[int]:
    """The sessions that have committed, and wait for the standby."""
    return [
        pid
        for (pid,) in server.ask("select pid from pg_stat_activity where wait_event = 'SyncRep'")
    ]


@pytest.mark.parametrize("mode", ["immediate", "fast", "kill"])
def test_a_server_that_stops_in_the_middle_of_a_transaction_costs_an_attempt(
    server: FaultServer, bank: Any, mode: Any
) -> None:
    calls: list[int] = []

    def work(tx: Any) -> None:
        calls.append(1)
        tx.run(entry(bank.queries, "first"))
        if len(calls) == 1:
            server.kill() if mode == "kill" else server.stop(mode)
            server.start()
        tx.run(entry(bank.queries, "second"))

    with rx.Database.open(server.conninfo(), retry_interval=0, timeout=30_000) as db:
        db.run_transaction(work)

    assert (names(server), len(calls)) == (["first", "second"], 2)


def test_a_crash_of_another_session_costs_an_attempt(server: FaultServer, bank: Any) -> None:
    calls: list[int] = []

    def work(tx: Any) -> None:
        calls.append(1)
        tx.run(entry(bank.queries, "first"))
        if len(calls) == 1:
            with psycopg.connect(server.conninfo()) as other:
                server.crash_backend(other.info.backend_pid)
        tx.run(entry(bank.queries, "second"))

    with rx.Database.open(server.conninfo(), retry_interval=0, timeout=30_000) as db:
        db.run_transaction(work)

    assert (names(server), len(calls)) == (["first", "second"], 2)


def test_a_server_that_is_away_for_a_moment_is_waited_for(
    server: FaultServer, bank: Any, in_background: Any
) -> None:
    with rx.Database.open(server.conninfo(), timeout=30_000) as db:
        server.stop()
        in_background(server.start)
        db.run_transaction(lambda tx: tx.run(entry(bank.queries, "later")))
        db.run_many(bank.queries.enter, [{"id": "most", "source": 1, "target": 2, "amount": 1}])

    assert names(server) == ["later", "most"]


def test_an_id_that_is_given_again_after_a_crash_is_not_taken_for_ours(
    server: FaultServer, bank: Any
) -> None:
    # A transaction of which nothing was flushed, and after the crash another one with its id.
    lost = psycopg.connect(server.conninfo())
    with rx.Database.open(server.conninfo(), timeout=30_000) as db:
        lost.execute("insert into ledger values ('lost', 1, 2, 1)")
        (xid,) = lost.execute("select pg_current_xact_id()::text::bigint").fetchone() or (0,)
        with db.transaction() as tx:
            incarnation = tx._block._checked_out().incarnation
        server.crash_backend(lost.info.backend_pid)
        lost.close()
        db.run(entry(bank.queries, "another"))
        ((given,),) = server.ask("select xmin::text::bigint from ledger")
        assert given == xid, "the id was not given again"
        assert server.ask("select pg_xact_status(%s::text::xid8)", str(xid)) == [("committed",)]
        assert db.resolve(rx.OutcomeToken(incarnation, xid)) is rx.failures.Effect.ROLLED_BACK

    assert names(server) == ["another"]


def test_writing_in_a_transaction_that_only_reads_is_a_mistake_and_not_repeated(
    server: FaultServer, bank: Any
) -> None:
    calls: list[int] = []

    def work(tx: Any) -> None:
        calls.append(1)
        tx.run(entry(bank.queries, "never"))

    with (
        rx.Database.open(server.conninfo()) as db,
        pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
    ):
        db.run_transaction(work, read_only=True)

    assert (names(server), len(calls)) == ([], 1)


@pytest.fixture
def synchronous(server: FaultServer) -> Iterator[Standby]:
    """A standby for which each COMMIT waits."""
    with server.standby(synchronous=True) as standby:
        yield standby
        standby.line.heal()
        server.ask("alter system reset synchronous_standby_names")
        server.ask("select pg_reload_conf()")


@pytest.mark.parametrize("outcome", ["xid", "marker"])
@pytest.mark.parametrize("how", ["terminated", "cancelled"])
def test_a_commit_that_stops_waiting_for_its_standby_has_happened_and_says_so(
    server: FaultServer,
    bank: Any,
    synchronous: Standby,
    in_background: Any,
    caplog: pytest.LogCaptureFixture,
    how: str,
    outcome: str,
) -> None:
    def stop_waiting() -> None:
        end = time.monotonic() + 20
        while not (pids := waiting(server)):
            assert time.monotonic() < end, "nobody waited for the standby"
        function = "pg_terminate_backend" if how == "terminated" else "pg_cancel_backend"
        server.ask(f"select {function}(%s)", pids[0])

    with rx.Database.open(server.conninfo(), timeout=30_000) as db:
        synchronous.line.black_hole()
        in_background(stop_waiting)
        db.run_transaction(lambda tx: tx.run(entry(bank.queries, "local")), commit_check=outcome)

    assert names(server) == ["local"]
    assert "committed, but possibly not replicated to a standby" in caplog.text


def test_a_conflict_with_the_replay_on_a_standby_is_repeated(
    server: FaultServer, bank: Any, queries_on_standby: Any
) -> None:
    calls: list[int] = []
    with server.standby() as standby:
        standby.set(max_standby_streaming_delay=0)
        standby.catch_up()

        def work(tx: Any) -> int:
            calls.append(1)
            count: int = tx.run(queries_on_standby.count())
            if len(calls) == 1:
                # The lock of this is not waited for on the standby.
                server.ask("alter table accounts add column note text")
                standby.catch_up()
            return count + int(tx.run(queries_on_standby.count()))

        with rx.Database.open(standby.conninfo(), retry_interval=0, timeout=30_000) as db:
            assert db.run_transaction(work, isolation="repeatable read", read_only=True) == 40

    assert len(calls) == 2


@pytest.fixture
def queries_on_standby(tmp_path: Any) -> Any:
    """A query that only reads."""
    folder = tmp_path / "standby"
    folder.mkdir()
    (folder / "q.sql").write_text(
        "-- name: count :one -> scalar\nselect count(*)::int from accounts;"
    )
    return rx.load(folder).q

"""Failover to an asynchronous standby: nobody is told of something that is not there."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.testing import FaultProxy, FaultServer, Standby


@attrs.frozen
class Pair:
    """A primary, its standby, and the address by which the primary is reached."""

    primary: FaultServer
    standby: Standby
    address: FaultProxy

    def fail_over(self) -> None:
        """The primary dies, the standby takes over, and the address leads there."""
        self.primary.kill()
        self.standby.promote()
        self.address.redirect(self.standby.conninfo())
        self.address.heal()


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A pair of servers; the standby is asynchronous."""
    with FaultServer() as primary, FaultProxy(primary.conninfo()) as address:
        yield Pair(primary, primary.standby(), address)


def add(q: Any, tx: Any, name: str) -> None:
    tx.run(q.enter(id=name, source=1, target=2, amount=1))


def names(conninfo: str) -> list[str]:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        return [name for (name,) in connection.execute("select id from ledger order by id")]


def lose_a_commit(pair: Pair, opened_bank: Any, outcome: str, others: int) -> Any:
    """
    A COMMIT that the old primary has done, the standby has not, and the client knows nothing of.

    After the failover ``others`` transactions happen there, one of which gets the same id.
    """
    bank = opened_bank(pair.primary, pair.address.conninfo)
    pair.standby.catch_up()
    with rx.Database.open(bank.conninfo, pool_size=1, timeout=20_000) as db:
        pair.standby.line.black_hole()
        fired = pair.address.commit_answer_lost()
        pair.address.refuse()
        told: list[Any] = []

        def move() -> None:
            try:
                told.append(
                    db.run_transaction(
                        lambda tx: add(bank.queries, tx, "lost"), commit_check=outcome
                    )
                )
            except Exception as error:
                told.append(error)

        mover = threading.Thread(target=move)
        mover.start()
        fired.wait(20)
        assert names(pair.primary.conninfo()) == ["lost"]
        pair.primary.kill()
        pair.standby.promote()
        with psycopg.connect(pair.standby.conninfo(), autocommit=True) as connection:
            for _ in range(others):
                connection.execute("update accounts set balance = balance where id = 1")
        pair.address.redirect(pair.standby.conninfo())
        pair.address.heal()
        mover.join(30)
        assert not mover.is_alive()
        (result,) = told
        if isinstance(result, rx.OutcomeUnknownError):
            assert result.token is not None
            assert db.resolve(result.token) is rx.failures.Effect.UNKNOWN
        return result


@pytest.mark.parametrize("others", [0, 50])
def test_a_commit_that_was_lost_with_its_primary_is_not_taken_for_anothers(
    pair: Pair, opened_bank: Any, others: int
) -> None:
    told = lose_a_commit(pair, opened_bank, "xid", others)

    assert isinstance(told, rx.OutcomeUnknownError)
    assert names(pair.standby.conninfo()) == []


def test_with_a_marker_row_it_is_done_again_on_the_new_primary(
    pair: Pair, opened_bank: Any
) -> None:
    told = lose_a_commit(pair, opened_bank, "marker", 50)

    assert told is None
    assert names(pair.standby.conninfo()) == ["lost"]


@pytest.mark.parametrize("outcome", ["xid", "marker"])
def test_in_mid_load_nobody_is_told_more_than_is_there(
    pair: Pair, opened_bank: Any, audit: Callable[..., Any], outcome: str
) -> None:
    bank = opened_bank(pair.primary, pair.address.conninfo, commit_check=outcome)
    workers = bank.work(blocking=4, tasks=4)
    try:
        _until(lambda: len(bank.book.done) > 100)
        # Whoever was answered until now is safe on the standby, and nobody is answered after it.
        pair.address.black_hole("to_client")
        pair.standby.catch_up()
        pair.fail_over()
        before = len(bank.book.done)
        _until(lambda: len(bank.book.done) > before + 100)
    finally:
        bank.stop.set()
        for worker in workers:
            worker.join(90)
    found = audit(pair.standby.conninfo(), bank.book)

    assert not any(worker.is_alive() for worker in workers)
    assert found["lost"] == []
    assert found["done though refused"] == []
    assert found["unaccounted"] == []
    assert found["out of balance"] == []
    if outcome == "marker":
        assert bank.book.unknown == []
    with rx.Database.open(pair.standby.conninfo()) as db:
        assert {db.resolve(token) for _, token in bank.book.unknown} <= {rx.failures.Effect.UNKNOWN}


def test_sessions_on_a_server_that_became_a_standby_are_replaced_by_ones_to_the_primary(
    pair: Pair, opened_bank: Any
) -> None:
    # The address leads to the standby first, as one that was not told of a switch does.
    bank = opened_bank(pair.primary, pair.address.conninfo)
    pair.standby.catch_up()
    pair.address.redirect(pair.standby.conninfo())

    def move(tx: Any) -> int:
        if not seen:
            # What the first attempt found was a standby; the others find the primary.
            pair.address.redirect(pair.primary.conninfo())
        seen.append(1)
        add(bank.queries, tx, "moved")
        return len(seen)

    seen: list[int] = []
    with rx.Database.open(bank.conninfo, pool_size=2, retry_interval=0) as db:
        assert db.run_transaction(move) == 2
    assert names(pair.primary.conninfo()) == ["moved"]


def test_several_hosts_lead_to_whichever_takes_writes(pair: Pair, opened_bank: Any) -> None:
    bank = opened_bank(pair.primary, pair.address.conninfo)
    pair.standby.catch_up()
    servers = [
        psycopg.conninfo.conninfo_to_dict(s.conninfo()) for s in (pair.standby, pair.primary)
    ]
    both = psycopg.conninfo.make_conninfo(
        "",
        host=",".join(str(server["host"]) for server in servers),
        port=",".join(str(server["port"]) for server in servers),
        user="postgres",
        dbname="postgres",
        target_session_attrs="read-write",
    )

    async def story() -> None:
        async with rx.AsyncDatabase.open(both, timeout=20_000) as db:
            await db.run_transaction(lambda tx: tx.run(_entry(bank.queries, "before")))
            await asyncio.to_thread(pair.standby.catch_up)
            await asyncio.to_thread(pair.fail_over)
            await db.run_transaction(lambda tx: tx.run(_entry(bank.queries, "after")))

    asyncio.run(story())
    assert names(pair.standby.conninfo()) == ["after", "before"]


def _entry(q: Any, name: str) -> Any:
    return q.enter(id=name, source=1, target=2, amount=1)


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "what was waited for did not happen"
        time.sleep(0.01)

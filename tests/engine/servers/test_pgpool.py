"""Behind a real pgpool-II, which sends what only reads to a standby."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.testing import FaultProxy

if TYPE_CHECKING:
    from tests.engine.conftest import Play


def test_pgpool_itself_sends_reads_to_the_standby(pgpool: str, primary: Any) -> None:
    """Else these tests would prove nothing."""
    with psycopg.connect(pgpool, autocommit=True) as client:
        client.execute("begin")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            client.execute("select pg_current_xact_id()")


@pytest.mark.parametrize("outcome", ["xid", "marker", "none"])
def test_what_writes_works_with_each_way_of_telling_outcomes(
    play: Play, q: Any, pgpool: str, primary: Any, notes: Any, outcome: str
) -> None:
    async def write(tx: Any) -> int:
        before = await tx.run(q.count())
        await tx.run(q.put(n=before))
        count: int = await tx.run(q.count())
        return count

    async def story(db: Any) -> None:
        for round_ in range(2):
            assert await db.run_transaction(write) == 6 * round_ + 1
            multi = rx.Multi(commit_check=outcome).add("a", q.put(n=10)).add("b", q.count())
            assert (await db.run(multi))["b"] == 6 * round_ + 2
            assert await db.run_many(q.put, [{"n": 20}, {"n": 21}]) == [1, 1]
            assert await db.run(q.put(n=30), commit_check=outcome) == 1
            assert await db.run(q.put(n=40)) == 1

    play(story, pgpool, commit_check=outcome, pool_size=2, pool_min_size=2)
    assert len(notes()) == 12


def test_a_transaction_that_can_be_found_again_reads_what_it_writes(
    play: Play, q: Any, pgpool: str, primary: Any, standby: Any
) -> None:
    """Its mark keeps it with the primary, however far the standby is behind."""

    async def read(tx: Any) -> list[int]:
        rows: list[int] = await tx.run(q.all())
        return rows

    async def story(db: Any) -> None:
        standby.catch_up()
        standby.pause_replay()
        try:
            primary.ask("insert into server_notes values (2)")
            assert await db.run_transaction(read) == [2]
            assert await db.run(q.all(), commit_check="xid") == [2]
        finally:
            standby.resume_replay()

    play(story, pgpool, pool_size=1)


@pytest.mark.parametrize("lost", ["commit_lost", "commit_answer_lost"])
@pytest.mark.parametrize("outcome", ["xid", "marker"])
def test_a_lost_commit_is_settled_through_pgpool(
    play: Play, q: Any, pgpool: str, notes: Any, outcome: str, lost: str
) -> None:
    async def write(tx: Any) -> None:
        await tx.run(q.put(n=1))

    async def story(db: Any) -> None:
        fired = getattr(line, lost)()
        await db.run_transaction(write, commit_check=outcome)
        assert fired.is_set()

    with FaultProxy(pgpool) as line:
        play(story, line.conninfo, retry_interval=0)
    assert notes() == [1]


def test_the_other_verbs_work(play: Play, q: Any, pgpool: str, primary: Any, notes: Any) -> None:
    async def story(db: Any) -> None:
        assert await db.copy(q.load, [(1,), (2,)]) == 2
        async with db.transaction() as tx:
            await tx.run(q.put(n=3))
            assert await tx.run(q.all()) == [1, 2, 3]
        async with db.transaction(commit_check="xid") as tx:
            assert await tx.run(q.all()) == [1, 2, 3]
            assert [row async for row in tx.stream(q.all())] == [1, 2, 3]
        assert len(await db.run_all([q.count(), q.all()])) == 2
        assert (await db.health()).lost_promises == ()

    play(story, pgpool)
    assert notes() == [1, 2, 3]

"""A COMMIT that is not answered: what became of the transaction is found out, and then done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.testing import COMMIT, to_client, to_server

if TYPE_CHECKING:
    from tests.engine.conftest import Play


def transacting(q: Any, calls: list[int]) -> Any:
    async def work(tx: Any) -> Any:
        calls.append(len(calls))
        return await tx.run(q.add_one(n=7))

    return work


@pytest.mark.parametrize("how", ["cut", "reset"])
@pytest.mark.parametrize("outcome", ["xid", "marker"])
@pytest.mark.parametrize("isolation", ["read committed", "serializable"])
def test_a_commit_whose_answer_is_lost_is_a_success_and_is_not_done_again(
    play: Play, q: Any, proxy: Any, marks: Any, how: Any, outcome: str, isolation: str
) -> None:
    calls: list[int] = []

    async def story(db: Any) -> None:
        fired = proxy.commit_answer_lost(how=how)
        given = await db.run_transaction(
            transacting(q, calls), isolation=isolation, commit_check=outcome
        )
        assert given == 7
        assert fired.is_set()

    play(story, proxy.conninfo)
    assert marks() == [7]
    assert len(calls) == 1


@pytest.mark.parametrize("how", ["cut", "reset"])
@pytest.mark.parametrize("outcome", ["xid", "marker"])
def test_a_commit_that_never_arrived_is_rolled_back_and_done_again_once(
    play: Play, q: Any, proxy: Any, marks: Any, how: Any, outcome: str
) -> None:
    calls: list[int] = []

    async def story(db: Any) -> None:
        fired = proxy.commit_lost(how=how)
        assert await db.run_transaction(transacting(q, calls), commit_check=outcome) == 7
        assert fired.is_set()

    play(story, proxy.conninfo)
    assert marks() == [7]
    assert len(calls) == 2


def test_a_commit_on_a_line_that_is_silent_is_settled_on_another_one(
    play: Play, q: Any, proxy: Any, marks: Any
) -> None:
    async def story(db: Any) -> None:
        proxy.cut_at(COMMIT, when="after", how="freeze")
        try:
            found = await db.run_transaction(transacting(q, []), timeout=400)
        except rx.OutcomeUnknownError as error:  # it took longer than there was time
            found = await db.resolve(error.token)
        assert found in (7, rx.failures.Effect.COMMITTED)

    play(story, proxy.conninfo)
    assert marks() == [7]


def test_a_session_that_waits_for_a_commit_on_a_silent_line_is_ended(
    play: Play, q: Any, proxy: Any, marks: Any, sessions: Any, until: Any
) -> None:
    async def story(db: Any) -> None:
        proxy.cut_at(COMMIT, when="before", how="freeze")
        with pytest.raises(psycopg.OperationalError) as caught:
            await db.run_transaction(transacting(q, []), timeout=400)
        if isinstance(caught.value, rx.OutcomeUnknownError):  # it took longer than there was time
            assert await db.resolve(caught.value.token) is rx.failures.Effect.ROLLED_BACK
        else:
            assert "the transaction was rolled back" in caught.value.__notes__[0]
        until(lambda: sessions() == 0)

    play(story, proxy.conninfo)
    assert marks() == []


@pytest.mark.parametrize("arrives", [True, False])
@pytest.mark.parametrize("outcome", ["xid", "marker"])
def test_what_cannot_be_found_out_in_time_can_be_later_by_the_token(
    play: Play, q: Any, proxy: Any, marks: Any, arrives: bool, outcome: str
) -> None:
    async def story(db: Any) -> None:
        (proxy.commit_answer_lost if arrives else proxy.commit_lost)()
        proxy.refuse()
        with pytest.raises(rx.OutcomeUnknownError) as caught:
            await db.run_transaction(transacting(q, []), timeout=400, commit_check=outcome)
        assert isinstance(caught.value.__cause__, psycopg.OperationalError)
        assert any("could not be resolved" in note for note in caught.value.__notes__)
        proxy.heal()
        token = rx.OutcomeToken.from_json(caught.value.token.to_json())
        expected = rx.failures.Effect.COMMITTED if arrives else rx.failures.Effect.ROLLED_BACK
        for _ in range(2):
            assert await db.resolve(token) is expected
        async with play.opened() as other:  # from any process that has the token
            assert await other.resolve(token) is expected

    play(story, proxy.conninfo, pool_size=1)
    assert marks() == ([7] if arrives else [])


@pytest.mark.parametrize("outcome", ["xid", "marker", "none"])
def test_a_block_is_never_repeated_and_says_what_became_of_it(
    play: Play, q: Any, proxy: Any, marks: Any, outcome: str
) -> None:
    async def block(db: Any, n: int) -> None:
        async with db.transaction(commit_check=outcome) as tx:
            await tx.run(q.add(n=n))

    async def story(db: Any) -> None:
        proxy.commit_answer_lost()
        if outcome == "none":
            with pytest.raises(rx.OutcomeUnknownError, match="cannot be determined") as unknown:
                await block(db, 1)
            assert unknown.value.token is None
        else:
            await block(db, 1)
        proxy.commit_lost()
        kind = rx.OutcomeUnknownError if outcome == "none" else psycopg.OperationalError
        with pytest.raises(kind) as caught:
            await block(db, 2)
        if outcome != "none":
            assert "the transaction was rolled back" in caught.value.__notes__[-1]

    play(story, proxy.conninfo)
    assert marks() == [1]


@pytest.mark.parametrize("told", [True, False, None])
def test_where_nothing_else_can_tell_the_caller_is_asked(
    play: Play, q: Any, proxy: Any, marks: Any, told: bool | None
) -> None:
    asked: list[int] = []

    async def verify() -> bool | None:
        asked.append(1)
        return told

    async def story(db: Any) -> Any:
        (proxy.commit_answer_lost if told else proxy.commit_lost)()
        return await db.run_transaction(transacting(q, []), commit_check="none", verify=verify)

    if told is None:
        with pytest.raises(rx.OutcomeUnknownError):
            play(story, proxy.conninfo)
    else:
        assert play(story, proxy.conninfo) == 7
    assert marks() == ([] if told is None else [7])
    assert len(asked) == 1


def test_a_transaction_that_only_reads_is_done_again(play: Play, q: Any, proxy: Any) -> None:
    async def work(tx: Any) -> Any:
        return await tx.run(q.total())

    async def story(db: Any) -> None:
        for lose in (proxy.commit_lost, proxy.commit_answer_lost):
            fired = lose()
            assert await db.run_transaction(work, read_only=True) == 0
            assert fired.is_set()

    play(story, proxy.conninfo)


def test_a_transaction_that_has_written_nothing_is_retried(play: Play, q: Any, proxy: Any) -> None:
    calls: list[int] = []

    async def work(tx: Any) -> str:
        calls.append(1)
        await tx.run(q.lock())
        return "done"

    async def story(db: Any) -> None:
        proxy.commit_answer_lost()
        assert await db.run_transaction(work) == "done"

    play(story, proxy.conninfo)
    assert len(calls) == 2


@pytest.mark.parametrize("nth", range(1, 9))
@pytest.mark.parametrize("direction", ["to the server", "to the client"])
def test_wherever_the_line_is_cut_the_transaction_happens_once(
    play: Play, q: Any, proxy: Any, marks: Any, nth: int, direction: str
) -> None:
    async def work(tx: Any) -> None:
        await tx.run(q.add(n=1))
        assert await tx.run(q.add_one(n=2)) == 2

    any_message = {
        "to the server": [to_server(kind) for kind in (b"Q", b"P", b"B", b"E", b"S")],
        "to the client": [to_client(kind) for kind in (b"C", b"Z", b"D", b"1", b"2")],
    }[direction]

    async def story(db: Any) -> None:
        await db.run(q.total())
        for pattern in any_message:
            proxy.cut_at(pattern, nth=nth)
            await db.run_transaction(work)
            proxy.heal()
            assert marks() == [1, 2]
            assert await db.run_transaction(lambda tx: tx.run(q.clear())) == 2

    play(story, proxy.conninfo, retry_interval=0)

"""Work whose COMMIT travels with its statements: `Multi`, `run_many`, and a query of its own."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.engine.session import unknown_outcome as unknown
from raxol_sql.testing import to_client, to_server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.conftest import Play

ROWS = [{"n": n} for n in range(1, 6)]
MARKS = [1, 2, 3, 4, 5]


def as_multi(db: Any, q: Any, **options: Any) -> Any:
    multi = rx.Multi(**options)
    for row in ROWS:
        multi = multi.add(str(row["n"]), q.add(**row))
    return db.run(multi)


def as_many(db: Any, q: Any, **options: Any) -> Any:
    return db.run_many(q.add, ROWS, **options)


WORK = {"Multi": as_multi, "run_many": as_many}
works = pytest.mark.parametrize("work", WORK.values(), ids=WORK.keys())


@works
@pytest.mark.parametrize("how", ["cut", "reset"])
def test_where_the_commit_never_arrived_it_is_done_again(
    play: Play, q: Any, proxy: Any, marks: Any, work: Any, how: Any
) -> None:
    async def story(db: Any) -> None:
        await db.run(q.total())
        fired = proxy.commit_lost(how=how)
        await work(db, q)
        assert fired.is_set()

    play(story, proxy.conninfo, retry_interval=0)
    assert marks() == MARKS


@works
def test_where_the_results_are_lost_it_is_said_that_it_has_happened(
    play: Play, q: Any, proxy: Any, marks: Any, work: Any
) -> None:
    async def story(db: Any) -> None:
        # The id of the transaction comes before anything can be in doubt.
        proxy.cut_at(to_client(b"C", contains=b"commit"), when="before")
        with pytest.raises(
            rx.errors.CommittedResultLostError, match="verified that the transaction committed"
        ):
            await work(db, q)

    play(story, proxy.conninfo)
    assert marks() == MARKS


@works
def test_where_even_the_id_is_lost_nobody_can_say_it(
    play: Play, q: Any, proxy: Any, marks: Any, work: Any
) -> None:
    async def story(db: Any) -> None:
        await work(db, q)
        await db.run(q.clear())
        proxy.cut_at(to_client(b"C", contains=b"begin"), when="before")
        with pytest.raises(rx.OutcomeUnknownError) as caught:
            await work(db, q)
        assert caught.value.token is None
        assert rx.OutcomeToken.of(caught.value) is None
        assert "token is None" in str(caught.value)
        assert "xid-first" in str(caught.value)

    play(story, proxy.conninfo)


FIRST = {
    "Multi": lambda db, q: as_multi(db, q, commit_check="xid-first"),
    "run_many": lambda db, q: as_many(db, q, commit_check="xid-first"),
    "run": lambda db, q: db.run(q.add_many(most=5), commit_check="xid-first"),
}


@pytest.mark.parametrize("work", FIRST.values(), ids=FIRST.keys())
def test_where_the_id_comes_first_every_unknown_outcome_has_a_token(
    play: Play, q: Any, proxy: Any, marks: Any, work: Any
) -> None:
    before_commit = (to_server(b"S"), to_client(b"D"), to_client(b"Z"))

    async def story(db: Any) -> None:
        await work(db, q)
        for cut in (*map(partial(partial, proxy.cut_at), before_commit), proxy.commit_answer_lost):
            await db.run(q.clear())
            cut()
            proxy.refuse()
            with pytest.raises(psycopg.OperationalError) as caught:
                await work(db, q)
            proxy.heal()
            assert isinstance(caught.value, rx.OutcomeUnknownError) == (marks() == MARKS)
        token = rx.OutcomeToken.from_json(caught.value.token.to_json())
        assert await db.resolve(token) is rx.failures.Effect.COMMITTED

    options = {"retry_interval": 0, "max_retries": 0, "timeout": 500}
    play(story, proxy.conninfo, pool_size=1, **options)
    assert marks() == MARKS


def test_results_that_came_before_a_commit_that_waits_are_not_lost(
    play: Play, q: Any, proxy: Any, marks: Any
) -> None:
    async def story(db: Any) -> None:
        await as_multi(db, q)
        await db.run(q.clear())
        proxy.commit_answer_lost()
        await as_multi(db, q, commit_check="xid-first")

    play(story, proxy.conninfo)
    assert marks() == MARKS


@works
def test_where_the_answer_to_the_commit_has_come_the_results_are_not_lost(
    play: Play, q: Any, proxy: Any, marks: Any, work: Any
) -> None:
    async def story(db: Any) -> None:
        await work(db, q)
        await db.run(q.clear())
        proxy.cut_at(to_client(b"Z"), when="before")
        assert await work(db, q) is not None

    play(story, proxy.conninfo, commit_check="none")
    assert marks() == MARKS


@pytest.mark.parametrize("outcome", ["xid", "marker"])
def test_results_that_came_before_the_commit_are_not_lost_with_its_answer(
    play: Play, q: Any, proxy: Any, marks: Any, outcome: str
) -> None:
    # A step that may be refused has its result before the COMMIT is sent.
    multi = rx.Multi(commit_check=outcome).add("one", q.add_one(n=1)).add("two", q.add_one(n=2))

    async def story(db: Any) -> None:
        proxy.commit_answer_lost()
        assert await db.run(multi) == {"one": 1, "two": 2}

    play(story, proxy.conninfo)
    assert marks() == [1, 2]


@pytest.mark.parametrize("outcome", ["xid", "marker"])
def test_one_query_happens_exactly_once_if_it_is_asked_to(
    play: Play, q: Any, proxy: Any, marks: Any, outcome: str
) -> None:
    async def story(db: Any) -> None:
        for n, lose in enumerate([proxy.commit_answer_lost, proxy.commit_lost]):
            lose()
            assert await db.run(q.add_one(n=n), commit_check=outcome) == n

    play(story, proxy.conninfo)
    assert marks() == [0, 1]


@pytest.mark.parametrize("nth", range(1, 7))
def test_wherever_the_line_is_cut_with_a_marker_it_is_known_what_became_of_it(
    play: Play, q: Any, proxy: Any, marks: Any, nth: int
) -> None:
    patterns = [to_server(kind) for kind in (b"P", b"B", b"E", b"S", b"H")]
    patterns += [to_client(kind) for kind in (b"C", b"Z", b"2")]

    async def story(db: Any) -> None:
        for pattern in patterns:
            proxy.cut_at(pattern, nth=nth)
            with suppress(rx.errors.CommittedResultLostError):
                await as_multi(db, q, commit_check="marker")
            proxy.heal()
            assert marks() == MARKS
            await db.run(q.clear())

    play(story, proxy.conninfo, retry_interval=0)


def test_a_part_of_a_transaction_is_not_repeated_alone(
    play: Play, q: Any, proxy: Any, marks: Any
) -> None:
    async def block(db: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(q.add(n=9))
            proxy.cut_at(to_server(b"S"))
            await as_many(tx, q)

    async def story(db: Any) -> None:
        with pytest.raises(psycopg.OperationalError) as caught:
            await block(db)
        assert not isinstance(caught.value, rx.OutcomeUnknownError)

    play(story, proxy.conninfo)
    assert marks() == []


def test_it_takes_no_round_trip_to_have_a_marker(play: Play, q: Any, relay: Any) -> None:
    async def trips(db: Any, work: Any) -> int:
        before = relay.round_trips
        await work(db)
        return int(relay.round_trips - before)

    async def one(tx: Any) -> None:
        await tx.run(q.increase())

    async def story(db: Any) -> None:
        await as_multi(db, q)
        await db.run(q.clear())
        await db.run_transaction(one)
        for outcome in ("none", "xid", "marker"):
            assert await trips(db, lambda db, o=outcome: as_multi(db, q, commit_check=o)) == 1
            await db.run(q.clear())
            assert (
                await trips(db, lambda db, o=outcome: db.run_transaction(one, commit_check=o)) == 2
            )
        # Who asks for the id before the COMMIT pays for it where they would travel together.
        assert await trips(db, lambda db: as_multi(db, q, commit_check="xid-first")) == 2
        await db.run(q.clear())
        assert await trips(db, lambda db: db.run_transaction(one, commit_check="xid-first")) == 2

    play(story, relay.conninfo, pool_size=1)


def test_a_copy_that_is_lost_at_its_end_may_have_happened(
    play: Play, q: Any, proxy: Any, marks: Any
) -> None:
    async def story(db: Any) -> None:
        proxy.cut_at(to_server(b"c"), when="after")
        with pytest.raises(rx.OutcomeUnknownError):
            await db.copy(q.load, [(1,), (2,)])
        assert marks() == [1, 2]

    play(story, proxy.conninfo)


@pytest.mark.parametrize(
    "message",
    [
        unknown.LONE_STATEMENT,
        unknown.WITHOUT_OUTCOME,
        unknown.WITHOUT_ID,
        unknown.WITHOUT_HISTORY,
    ],
)
def test_the_docs_name_every_kind_of_unknown_outcome_that_has_no_token(
    repository: Path, message: str
) -> None:
    page = (repository / "docs" / "failures.md").read_text(encoding="utf-8")
    section = page.split("### Without a token")[1].split("\n#")[0]
    rows = [row.split(" | ") for row in section.splitlines() if row.startswith("| ")]

    assert sum(row[1].strip("`") in message for row in rows) == 1
    assert "token is None" in message
    assert "check the data before you retry" in message

"""The BEGIN of run_transaction travels with the first statement, whatever that is."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.testing import to_client, to_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.engine.conftest import Play

CHECKS = ("none", "xid", "marker")


class UndoneError(Exception):
    """What ends a transaction that is to be rolled back."""


async def by_run(tx: Any, q: Any) -> None:
    await tx.run(q.add(n=1))


async def by_run_in_time(tx: Any, q: Any) -> None:
    await tx.run(q.add_in_time(n=1))


async def by_run_many(tx: Any, q: Any) -> None:
    await tx.run_many(q.add, [{"n": 1}, {"n": 2}])


async def by_run_all(tx: Any, q: Any) -> None:
    assert await tx.run_all([q.count(), q.count()]) == [0, 0]
    await tx.run(q.add(n=1))


async def by_multi(tx: Any, q: Any) -> None:
    await tx.run(rx.Multi().add("first", q.add(n=1)).add("second", lambda _: q.add(n=2)))


async def by_savepoint(tx: Any, q: Any) -> None:
    async with tx.transaction() as inner:
        await inner.run(q.add(n=1))


async def by_savepoint_rolled_back(tx: Any, q: Any) -> None:
    with suppress(UndoneError):
        async with tx.transaction() as inner:
            await inner.run(q.add(n=2))
            raise UndoneError
    await tx.run(q.add(n=1))


async def by_stream(tx: Any, q: Any) -> None:
    assert [n async for n in tx.stream(q.numbers())] == [1, 2, 3]
    await tx.run(q.add(n=1))


async def by_copy(tx: Any, q: Any) -> None:
    assert await tx.copy(q.load, [(1,), (2,)]) == 2


async def by_lock(tx: Any, q: Any) -> None:
    await tx.run(q.lock())
    await tx.run(q.add(n=1))


FIRST = [
    *(by_run, by_run_in_time, by_run_many, by_run_all, by_multi, by_savepoint),
    *(by_savepoint_rolled_back, by_stream, by_copy, by_lock),
]


@pytest.fixture
def first(write: Callable[[str], Any], q: Any) -> Any:
    """The queries of `q`, and one for a stream."""
    own = write("-- name: numbers :many -> scalar\nselect n from generate_series(1, 3) as n")

    class Queries:
        numbers = own.numbers

        def __getattr__(self, name: str) -> Any:
            return getattr(q, name)

    return Queries()


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("verb", FIRST, ids=lambda verb: verb.__name__)
def test_whatever_comes_first_is_in_the_transaction(
    play: Play, first: Any, marks: Any, verb: Callable[[Any, Any], Awaitable[None]], check: str
) -> None:
    async def undone(tx: Any) -> None:
        await verb(tx, first)
        raise UndoneError

    async def done(tx: Any) -> str:
        await verb(tx, first)
        assert await tx.run(first.isolation()) == "repeatable read"
        return "done"

    async def story(db: Any) -> None:
        for _ in range(2):  # with statements that are prepared, too
            with pytest.raises(UndoneError):
                await db.run_transaction(undone, commit_check=check)
            assert marks() == []
        options = {"commit_check": check, "isolation": "repeatable read"}
        assert await db.run_transaction(done, **options) == "done"
        assert 1 in marks()
        status = db.pool_status()
        assert (status.in_use, status.lost) == (0, 0)

    play(story)


def test_a_transaction_in_which_nothing_runs_sends_nothing(play: Play, q: Any, relay: Any) -> None:
    async def nothing(tx: Any) -> str:
        return "nothing"

    async def fails(tx: Any) -> None:
        raise UndoneError

    async def story(db: Any) -> None:
        await db.run(q.count())
        before = relay.round_trips
        assert await db.run_transaction(nothing) == "nothing"
        with pytest.raises(UndoneError):
            await db.run_transaction(fails)
        assert relay.round_trips == before
        assert await db.run(q.count()) == 0
        assert relay.round_trips == before + 1

    play(story, relay.conninfo, pool_size=1)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("when", ["before the server has them", "after"])
def test_a_line_that_is_cut_with_the_first_statement_is_a_retry(
    play: Play, q: Any, proxy: Any, marks: Any, when: str, check: str
) -> None:
    calls: list[int] = []

    async def work(tx: Any) -> None:
        calls.append(1)
        await tx.run(q.add(n=len(calls)))

    async def story(db: Any) -> None:
        await db.run(q.count())
        proxy.cut_at(to_server(b"P") if when.startswith("before") else to_client(b"C"))
        await db.run_transaction(work, commit_check=check)

    play(story, proxy.conninfo)
    assert (calls, marks()) == ([1, 1], [2])


def test_an_error_of_the_first_statement_is_its_own(play: Play, q: Any, marks: Any) -> None:
    async def work(tx: Any) -> None:
        with pytest.raises(psycopg.errors.DivisionByZero):
            await tx.run(q.fail())
        await tx.run(q.add(n=1))

    async def caught_in_savepoint(tx: Any) -> None:
        with pytest.raises(psycopg.errors.DivisionByZero):
            async with tx.transaction() as inner:
                await inner.run(q.fail())
        await tx.run(q.add(n=1))

    async def story(db: Any) -> None:
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            await db.run_transaction(work)
        assert marks() == []
        await db.run_transaction(caught_in_savepoint)
        assert marks() == [1]

    play(story)

"""A connection that the server ends: the driver's error comes out, and the pool goes on."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import raxol_sql as rx
    from tests.engine.conftest import Play

SQL = """\
    -- name: numbers :many -> scalar
    select n from generate_series(1, 1000) as n;
    -- name: lines :copy
    copy (select repeat('x', 1000) from generate_series(1, 20000)) to stdout;
"""
END_ALL = """\
    select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where application_name = 'raxol_sql' and datname = current_database()
"""


@pytest.fixture
def end_all(side: psycopg.Connection[Any]) -> Callable[[], None]:
    """Ends every connection of the pool, and waits until the server has."""

    def end() -> None:
        assert side.execute(END_ALL).rowcount > 0

    return end


def new_users(count: int, then: Callable[[], None]) -> Iterator[dict[str, Any]]:
    for number in range(count):
        yield {"email": f"{number}@b.de", "name": "x" * 200, "age": 1}
        if number == count // 2:
            then()


class Ending:
    """A file in which the first write ends the connections."""

    def __init__(self, then: Callable[[], None]) -> None:
        self.then: Callable[[], None] | None = then

    def write(self, data: bytes) -> None:
        if self.then:
            self.then()
            self.then = None


async def in_stream(db: Any, queries: rx.Queries, q: Any, end_all: Any) -> None:
    async for number in db.stream(q.numbers(), batch=10):
        if number == 10:
            end_all()


WORK = {
    "run_many": lambda db, queries, q, end: db.run_many(queries.users.create, new_users(9000, end)),
    "copy in": lambda db, queries, q, end: db.copy(queries.users.load, new_users(20_000, end)),
    "copy out": lambda db, queries, q, end: db.copy(q.lines, Ending(end)),
    "stream": in_stream,
}


@pytest.mark.parametrize("work", WORK.values(), ids=WORK.keys())
def test_work_whose_connection_is_lost_fails_whole_and_the_next_call_is_served(
    play: Play, queries: rx.Queries, write: Any, end_all: Any, work: Any
) -> None:
    q = write(SQL)

    async def story(db: Any) -> None:
        with pytest.raises(psycopg.OperationalError) as caught:
            await work(db, queries, q, end_all)
        assert len(caught.value.__notes__) == 1
        assert await db.run(queries.users.count()) == 0

    play(story, pool_size=1)


async def in_transaction(db: Any, queries: rx.Queries, q: Any) -> None:
    async with db.transaction() as tx:
        await tx.run(queries.users.count())


async def in_first_row(db: Any, queries: rx.Queries, q: Any) -> None:
    async with aclosing(db.stream(q.numbers())) as numbers:
        assert await anext(numbers) == 1


CALLS = {
    "run": lambda db, queries, q: db.run(queries.users.count()),
    "run_many": lambda db, queries, q: db.run_many(queries.users.get, [{"id": 1}]),
    "copy": lambda db, queries, q: db.copy(queries.users.load, []),
    "stream": in_first_row,
    "transaction": in_transaction,
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_an_idle_connection_that_was_lost_fails_no_call(
    play: Play, queries: rx.Queries, write: Any, end_all: Any, call: Any
) -> None:
    q = write(SQL)

    async def story(db: Any) -> None:
        await db.run(queries.users.count())
        end_all()
        await call(db, queries, q)
        assert await db.run(queries.users.count()) == 0

    play(story, pool_size=1, timeout=5000)

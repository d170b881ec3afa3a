"""Many clients behind a PgBouncer in transaction mode, with fewer connections than clients."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import attrs
import psycopg
import pytest

import raxol_sql as rx

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.engine.conftest import Play

SQL = """\
    -- name: echo :one -> scalar
    select :n::int;
    -- name: echoes :many -> scalar
    select :n + m from generate_series(0, 4) as m;
    -- name: shout :one -> scalar
    select upper(:word);
    -- name: quick :one -> scalar
    -- @timeout 4321ms
    select :n::int;
    -- name: limited :one -> scalar
    -- @timeout 4321ms
    select current_setting('statement_timeout') where :n::int >= 0;
    -- name: limit_now :one -> scalar
    show statement_timeout;
    -- name: counted :copy
    copy (select n from generate_series(1, 5) as n) to stdout;
    -- name: named :many -> User
    select id, email, name, age, active, inserted_at, updated_at
    from users where name = :name order by id;
    -- name: rename :affected
    update users set name = :new where name = :name;
"""
CLIENTS = 6
TURNS = 12


def user(mark: str, number: int = 0) -> dict[str, Any]:
    return {"email": f"{mark}.{number}@b.de", "name": mark, "age": number + 1}


@attrs.frozen
class Client:
    """One of the crowd: whatever it does, it gets its own results, which it knows by its mark."""

    db: Any
    queries: rx.Queries
    q: Any
    collect: Any

    async def run(self, mark: str, n: int) -> None:
        assert await self.db.run(self.q.echo(n=n)) == n
        assert await self.db.run(self.q.shout(word=mark + "x")) == mark + "X"
        assert await self.db.run(self.q.echoes(n=n)) == [n, n + 1, n + 2, n + 3, n + 4]
        assert await self.db.run(self.q.quick(n=n)) == n

    async def run_many(self, mark: str, n: int) -> None:
        made = await self.db.run_many(self.queries.users.create, [user(mark, i) for i in range(3)])
        assert [one.age for one in made] == [1, 2, 3]
        assert await self.db.run(self.q.named(name=mark)) == made

    async def stream(self, mark: str, n: int) -> None:
        found = await self.collect(self.db.stream(self.q.echoes(n=n), batch=2))
        assert found == [n, n + 1, n + 2, n + 3, n + 4]

    async def copy(self, mark: str, n: int) -> None:
        rows = [(f"{mark}.{number}@b.de", mark, number) for number in range(1, 4)]
        assert await self.db.copy(self.queries.users.load, rows) == 3
        assert [one.age for one in await self.db.run(self.q.named(name=mark))] == [1, 2, 3]
        assert await self.db.copy(self.q.counted) == [("1",), ("2",), ("3",), ("4",), ("5",)]

    async def transaction(self, mark: str, n: int) -> None:
        async with self.db.transaction() as tx:
            made = await tx.run(self.queries.users.create(**user(mark)))
            assert await tx.run(self.queries.users.get(id=made.id)) == made
            with pytest.raises(ZeroDivisionError):
                await self.undone(tx, mark)
            assert await tx.run(self.q.named(name=mark)) == [made]
        assert await self.db.run(self.q.named(name=mark)) == [made]

    async def undone(self, db: Any, mark: str) -> None:
        async with db.transaction() as inner:
            assert await inner.run(self.q.rename(name=mark, new="nobody")) == 1
            raise ZeroDivisionError

    async def multi(self, mark: str, n: int) -> None:
        create, get = self.queries.users.create, self.queries.users.get
        steps = rx.Multi().add("user", create(**user(mark))).add("echo", self.q.echo(n=n))
        done = await self.db.run(steps.add("again", lambda done: get(id=done["user"].id)))
        assert (done["user"].name, done["echo"], done["again"]) == (mark, n, done["user"])

    async def run_all(self, mark: str, n: int) -> None:
        bounds = [self.q.echo(n=n), self.q.shout(word=mark), self.q.echoes(n=n), self.q.echo(n=-n)]
        assert await self.db.run_all(bounds) == [n, mark, [n, n + 1, n + 2, n + 3, n + 4], -n]


VERBS = ["run", "run_many", "stream", "copy", "transaction", "multi", "run_all"]


@pytest.fixture
def client(queries: rx.Queries, write: Any, collect: Any) -> Callable[[Any], Client]:
    q = write(SQL)
    return lambda db: Client(db, queries, q, collect)


@pytest.mark.parametrize(
    ("keeps_statements", "prepare"), [(False, False), (True, False), (True, True)]
)
def test_everybody_gets_their_own_results_whatever_they_do(
    play: Play, pooler: Any, client: Any, together: Any, keeps_statements: bool, prepare: bool
) -> None:
    url = pooler(keeps_statements=keeps_statements, connections=2)

    async def one(db: Any, number: int) -> None:
        luck = random.Random(number)
        for turn in range(TURNS):
            verb = VERBS[turn] if turn < len(VERBS) else luck.choice(VERBS)
            await getattr(client(db), verb)(f"{number}.{turn}.", 1000 * number + turn)

    async def story(db: Any) -> None:
        await together(one(db, number) for number in range(1, CLIENTS + 1))

    play(story, url, pool_size=CLIENTS, prepare=prepare)


def test_without_their_support_statements_prepared_heal_in_every_single_call(
    play: Play, pooler: Any, client: Any, together: Any
) -> None:
    url = pooler(keeps_statements=False, connections=2)

    async def one(db: Any, number: int) -> None:
        for turn in range(TURNS):
            await client(db).run(f"{number}.{turn}.", 1000 * number + turn)

    async def story(db: Any) -> None:
        await together(one(db, number) for number in range(1, CLIENTS + 1))

    play(story, url, pool_size=CLIENTS)


def test_without_their_support_a_transaction_happens_whole_or_fails_whole(
    play: Play, pooler: Any, client: Any, together: Any
) -> None:
    url = pooler(keeps_statements=False, connections=2)
    gone_or_there = (
        psycopg.errors.InvalidSqlStatementName,
        psycopg.errors.DuplicatePreparedStatement,
    )
    failed = []

    async def attempt(verb: Callable[[str, int], Awaitable[None]], mark: str, n: int) -> None:
        try:
            await verb(mark, n)
        except gone_or_there:
            failed.append(mark)

    async def one(db: Any, number: int) -> None:
        for turn in range(TURNS):
            await attempt(client(db).transaction, f"{number}.{turn}.", turn)

    async def story(db: Any) -> list[str]:
        await together(one(db, number) for number in range(1, CLIENTS + 1))
        return [user.name for user in await db.run(client(db).queries.users.all())]

    made = play(story, url, pool_size=CLIENTS)
    marks = [f"{number}.{turn}." for number in range(1, CLIENTS + 1) for turn in range(TURNS)]
    assert sorted(made + failed) == sorted(marks)


def test_limits_hold_for_their_own_clients_and_stay_on_no_connection(
    play: Play, pooler: Any, client: Any, together: Any
) -> None:
    url = pooler(keeps_statements=False, connections=2)

    async def one(db: Any, limit: str) -> None:
        q = client(db).q
        for turn in range(TURNS):
            assert await db.run(q.limit_now()) == limit
            assert await db.run(q.limited(n=turn)) == "4321ms"
            assert await db.run_many(q.limit_now, [{}, {}]) == [limit] * 2
            assert await db.run_all([q.limited(n=1), q.limit_now()]) == ["4321ms", limit]
            async with db.transaction() as tx:
                assert await tx.run(q.limit_now()) == limit
                assert await tx.run(q.limited(n=turn)) == "4321ms"
                assert await tx.run(q.limit_now()) == limit

    async def story(db: Any) -> None:
        async with play.opened(url, pool_size=2, prepare=False, timeout=2222) as other:
            await together([one(db, "1111ms"), one(other, "2222ms"), one(db, "1111ms")])

    play(story, url, pool_size=2, prepare=False, timeout=1111)
    with psycopg.connect(url) as first, psycopg.connect(url) as second:
        for left in (first, second):
            assert left.execute("show statement_timeout").fetchone() == ("0",)

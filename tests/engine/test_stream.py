"""The rows of a query one by one: in batches, in bounded memory, and closed in every case."""

from __future__ import annotations

import gc
import subprocess
import sys
import textwrap
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx

if TYPE_CHECKING:
    from tests.engine.conftest import Play, Relay

NUMBERS = """\
    -- name: numbers :many -> scalar
    select n from generate_series(1, :n) as n;
    -- name: fraction :many -> scalar
    select 100 / (:bad - n) from generate_series(1, :bad) as n;
    -- name: wrong :many -> User
    select 1 as id where false;
    -- name: cursors :one -> scalar
    select count(*) from pg_cursors where name <> '';  -- the query itself has one without
    -- name: one :one -> scalar
    select 1;
    -- name: limited :many -> scalar
    -- @timeout 123ms
    select 1 from generate_series(1, 9);
    -- name: limit_now :one -> scalar
    show statement_timeout;
"""


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 10, 1000])
def test_all_rows_come_in_order_whatever_the_batch(
    play: Play, write: Any, collect: Any, batch: int
) -> None:
    q = write(NUMBERS)

    async def story(db: Any) -> None:
        for count in (0, 1, 9, 10, 11):
            found = await collect(db.stream(q.numbers(n=count), batch=batch))
            assert found == list(range(1, count + 1))

    play(story, pool_size=1)


def test_records_are_those_of_the_query(play: Play, queries: rx.Queries, collect: Any) -> None:
    async def story(db: Any) -> None:
        rows = [{"email": f"{n}@b.de", "name": "x", "age": 1} for n in range(7)]
        users = await db.run_many(queries.users.create, rows)
        assert await collect(db.stream(queries.users.search(limit=5), batch=2)) == users[:5]

    play(story)


def test_rows_are_fetched_a_batch_at_a_time(
    play: Play, write: Any, collect: Any, relay: Relay
) -> None:
    q = write(NUMBERS)

    async def story(db: Any) -> None:
        await db.run(q.one())
        trips = relay.round_trips
        assert len(await collect(db.stream(q.numbers(n=10_000), batch=1000))) == 10_000
        # BEGIN, DECLARE and its description, eleven FETCHes, CLOSE, COMMIT.
        assert 12 <= relay.round_trips - trips <= 20
        trips = relay.round_trips
        await collect(db.stream(q.numbers(n=10_000), batch=10), upto=15)
        assert relay.round_trips - trips <= 10

    play(story, relay.conninfo, pool_size=1)


def test_stopping_early_closes_the_cursor_and_gives_the_connection_back(
    play: Play, write: Any, collect: Any
) -> None:
    q = write(NUMBERS)

    async def story(db: Any) -> None:
        for _ in range(3):
            assert await collect(db.stream(q.numbers(n=10_000), batch=10), upto=15) == [
                *range(1, 16)
            ]
            assert await db.run(q.cursors()) == 0

    play(story, pool_size=1)


def test_a_break_is_enough_in_the_blocking_colour(db: rx.Database, write: Any) -> None:
    q = write(NUMBERS)
    with rx.Database.open(db.config.conninfo(), pool_size=1) as small:
        for number in small.stream(q.numbers(n=10_000)):
            if number == 700:
                break
        assert small.run(q.cursors()) == 0


def test_an_error_of_the_server_in_the_middle_comes_out_with_a_note(play: Play, write: Any) -> None:
    q = write(NUMBERS)

    async def story(db: Any) -> None:
        found = []

        async def consume() -> None:
            async for row in db.stream(q.fraction(bad=7), batch=2):
                found.append(row)

        with pytest.raises(psycopg.errors.DivisionByZero) as caught:
            await consume()
        assert found == [16, 20, 25, 33, 50, 100]
        assert caught.value.__notes__ == [f"in query q.fraction ({q.fraction.location})"]
        assert await db.run(q.cursors()) == 0

    play(story, pool_size=1)


def test_an_error_of_the_consumer_gives_the_connection_back(
    play: Play, write: Any, collect: Any
) -> None:
    q = write(NUMBERS)

    async def story(db: Any) -> None:
        async def consume() -> None:
            async with aclosing(db.stream(q.numbers(n=10_000))) as stream:
                async for _ in stream:
                    raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await consume()
        assert await db.run(q.cursors()) == 0

    play(story, pool_size=1)


def test_wrong_columns_are_an_error_even_without_rows(play: Play, write: Any, collect: Any) -> None:
    q = write(NUMBERS)

    async def story(db: Any) -> None:
        with pytest.raises(rx.errors.RecordError, match="fields of User without a column: 'email'"):
            await collect(db.stream(q.wrong()))
        assert await db.run(q.one()) == 1

    play(story, pool_size=1)


def test_other_kinds_and_objects_are_refused(
    play: Play, queries: rx.Queries, write: Any, collect: Any
) -> None:
    q = write(NUMBERS)

    async def story(db: Any) -> None:
        users = queries.users
        for bound in (users.count(), users.get(id=1), users.clear(), users.dump()):
            with pytest.raises(
                rx.errors.QueryKindError,
                match=rf"stream\(\) takes a :many query, " rf"not a " rf":{bound.query.kind.value}",
            ):
                await collect(db.stream(bound))
        with pytest.raises(
            rx.errors.QueryKindError,
            match=r"stream\(\) expects a bound query: call it first, as in all\(\)",
        ):
            await collect(db.stream(users.all))
        with pytest.raises(TypeError, match="not str"):
            await collect(db.stream("select 1"))
        for batch in (0, -1):
            with pytest.raises(ValueError, match=f"1 or more, not {batch}"):
                await collect(db.stream(q.numbers(n=1), batch=batch))

    play(story)


def test_inside_of_a_transaction_it_sees_its_writes_and_leaves_it_open(
    play: Play, queries: rx.Queries, collect: Any
) -> None:
    rows = [{"email": f"{n}@b.de", "name": f"n{n}", "age": 1} for n in range(9)]

    async def story(db: Any) -> None:
        async with db.transaction() as tx:
            made = await tx.run_many(queries.users.create, rows)
            assert await collect(tx.stream(queries.users.all(), batch=4)) == made
            await tx.run(queries.users.delete(id=made[0].id))
        assert await db.run(queries.users.count()) == 8

    play(story, pool_size=1)


def test_what_is_done_between_the_rows_stays_when_the_rest_is_not_taken(
    play: Play, queries: rx.Queries, collect: Any
) -> None:
    rows = [{"email": f"{n}@b.de", "name": "x", "age": 1} for n in range(9)]

    async def story(db: Any) -> None:
        await db.run_many(queries.users.create, rows)
        async with db.transaction() as tx:
            stream = tx.stream(queries.users.all(), batch=2)
            async for user in stream:
                await tx.run(queries.users.update(id=user.id, name="y"))
                if user.id == 3:
                    break
            await stream.aclose()
        names = [user.name for user in await db.run(queries.users.all())]
        assert names == ["y"] * 3 + ["x"] * 6

    play(story, pool_size=1)


def test_two_streams_of_one_transaction_do_not_meet(play: Play, write: Any, collect: Any) -> None:
    q = write(NUMBERS)

    async def story(db: Any) -> None:
        async with db.transaction() as tx:
            outer = []
            async for number in tx.stream(q.numbers(n=5), batch=2):
                outer.append((number, await collect(tx.stream(q.numbers(n=number), batch=2))))
            assert outer == [(n, [*range(1, n + 1)]) for n in range(1, 6)]

    play(story, pool_size=1)


def test_a_stream_that_outlives_its_transaction_touches_the_connection_no_more(
    play: Play, write: Any
) -> None:
    q = write(NUMBERS)

    async def story(db: Any) -> None:
        async with db.transaction() as tx:
            kept, closed = tx.stream(q.numbers(n=9), batch=2), tx.stream(q.limited(), batch=2)
            assert await anext(kept) == 1
            assert await anext(closed) == 1
        async with db.transaction() as other:  # on the same connection
            assert await anext(kept) == 2  # of the batch that was there already
            with pytest.raises(rx.errors.TransactionError, match="is over"):
                await anext(kept)
            await closed.aclose()
            assert await other.run(q.one()) == 1
            assert await other.run(q.limit_now()) == "15s"

    play(story, pool_size=1)


def test_the_connection_is_not_lost_where_the_iterator_is(db: rx.Database, write: Any) -> None:
    q = write(NUMBERS)
    with rx.Database.open(db.config.conninfo(), pool_size=1) as small:
        iterator = small.stream(q.numbers(n=10_000))
        assert next(iter(iterator)) == 1
        del iterator
        gc.collect()
        assert small.run(q.cursors()) == 0


CHILD = """\
    import sys
    import raxol_sql as rx

    def peak():
        text = open("/proc/self/status").read()
        return int(text.split("VmHWM:")[1].split()[0])

    conninfo, root, few, many = *sys.argv[1:3], *map(int, sys.argv[3:5])
    q = rx.load(root).q
    with rx.Database.open(conninfo) as db:
        assert sum(1 for _ in db.stream(q.numbers(n=few))) == few
        before = peak()
        total = sum(db.stream(q.numbers(n=many)))
        assert total == many * (many + 1) // 2
        print(peak() - before)
        if len(sys.argv) > 5:
            assert len(db.run(q.numbers(n=many))) == many
            print(peak() - before)
"""


def growth(conninfo: str, root: Path, *arguments: object) -> list[int]:
    """By how many kilobytes the peak of a process of its own grew."""
    root.mkdir()
    (root / "q.sql").write_text(
        "-- name: numbers :many -> scalar\nselect n from generate_series(1, :n) as n"
    )
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHILD), conninfo, root, *map(str, arguments)],
        capture_output=True,
        check=False,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the peak is read from /proc"
)


@needs_proc
def test_memory_does_not_grow_with_the_count_of_rows(
    accounts_database: str, tmp_path: Path
) -> None:
    streamed, listed = growth(accounts_database, tmp_path / "sql", 3_000, 300_000, "listed")

    assert streamed < 2_000
    assert listed > 10_000  # what the same rows take as a list, so the measure sees them


@needs_proc
@pytest.mark.deep
def test_ten_million_rows_take_no_more_memory_than_a_few(
    accounts_database: str, tmp_path: Path
) -> None:
    (streamed,) = growth(accounts_database, tmp_path / "sql", 3_000, 10_000_000)

    assert streamed < 2_000

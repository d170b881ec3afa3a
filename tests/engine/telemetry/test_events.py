"""One event for each operation, in either colour."""

from __future__ import annotations

import io
import time
from typing import Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.telemetry import QueryEvent
from tests.engine.conftest import Play

TEXT = """
    -- name: one :one -> scalar
    select :n::int;

    -- name: sleep :exec
    select pg_sleep(:seconds);

    -- name: rows :many
    select n from generate_series(1, :n::int) as n;

    -- name: change :affected
    update users set age = 1 where id = any(:ids);

    -- name: nothing :maybe
    select 1 as one where false;

    -- name: odd :exec
    select 1 / :n::int;

    -- name: conflict :exec
    select pg_temp.conflict(:n);

    -- name: dump :copy
    copy (select n from generate_series(1, 3) as n) to stdout;

    -- name: load :copy
    copy users (email, name) from stdin;
"""


def _told(db: Any) -> list[QueryEvent]:
    events: list[QueryEvent] = []
    db.subscribe(events.append)
    return events


def test_each_kind_of_operation_is_told_once_with_its_rows(play: Play, write: Any) -> None:
    q = write(TEXT)

    async def story(db: Any) -> list[QueryEvent]:
        events = _told(db)
        await db.run(q.one(n=1))
        await db.run(q.rows(n=5))
        await db.run(q.nothing())
        await db.run(q.change(ids=[]))
        await db.run_many(q.one, [{"n": n} for n in range(7)])
        await db.run_all([q.one(n=1), q.rows(n=2)])
        await db.run(rx.Multi().add("a", q.one(n=1)).add("b", lambda done: q.rows(n=done["a"])))
        await db.copy(q.dump)
        await db.copy(q.dump, io.BytesIO())
        await db.copy(q.load, [("a@b.cd", "A"), ("b@b.cd", "B")])
        return events

    told = [(one.name, one.operation, one.size, one.rows) for one in play(story)]

    assert told == [
        ("q.one", "run", 1, 1),
        ("q.rows", "run", 1, 5),
        ("q.nothing", "run", 1, 0),
        ("q.change", "run", 1, 0),
        ("q.one", "run_many", 7, 7),
        ("q.one, q.rows", "run_all", 2, 3),
        ("q.one, q.rows", "multi", 2, 2),
        ("q.dump", "copy", 1, 3),
        ("q.dump", "copy", 1, None),
        ("q.load", "copy", 1, 2),
    ]


def test_total_is_the_sum_of_its_parts_and_the_time_is_where_it_was_spent(
    play: Play, write: Any
) -> None:
    q = write(TEXT)

    async def story(db: Any) -> QueryEvent:
        await db.run(q.one(n=1))
        events = _told(db)
        before = time.time()
        await db.run(q.sleep(seconds=0.1))
        assert before <= events[0].began + 0.001 <= events[0].ended <= time.time()
        return events[0]

    event = play(story)

    assert event.total_ms == pytest.approx(
        event.queue_ms + event.query_ms + event.decode_ms + event.paused_ms
    )
    assert event.query_ms >= 100
    # Who waits is the server's client, and no wait for a connection or work of records is in that.
    assert event.total_ms - event.query_ms == pytest.approx(event.queue_ms + event.decode_ms)
    assert event.paused_ms == 0
    assert event.idle_ms >= 0


def test_idle_is_how_long_the_connection_had_lain_there(play: Play, write: Any) -> None:
    q = write(TEXT)

    async def story(db: Any) -> QueryEvent:
        await db.run(q.one(n=1))
        events = _told(db)
        time.sleep(0.1)
        await db.run(q.one(n=1))
        return events[0]

    assert 100 <= play(story, pool_size=1, pool_min_size=1).idle_ms < 60_000


def test_waiting_for_a_connection_is_queue(write: Any, accounts_database: str, until: Any) -> None:
    import threading

    q = write(TEXT)
    with rx.Database.open(accounts_database, pool_size=1, pool_min_size=1) as db:
        events = _told(db)
        holds = threading.Event()

        def hold() -> None:
            with db.transaction():
                holds.set()
                until(lambda: db.pool_status().waiting)
                time.sleep(0.15)

        thread = threading.Thread(target=hold)
        thread.start()
        assert holds.wait(10)
        db.run(q.one(n=1))
        thread.join()

    (event,) = [one for one in events if one.name == "q.one"]
    assert event.queue_ms >= 100


def test_an_error_is_told_with_its_state_and_category_and_without_a_value(
    play: Play, write: Any
) -> None:
    q = write(TEXT)

    async def story(db: Any) -> list[QueryEvent]:
        events = _told(db)
        with pytest.raises(psycopg.errors.DivisionByZero):
            await db.run(q.odd(n=0))
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            await db.run(q.one(n="SECRET42"))
        with pytest.raises(psycopg.errors.DivisionByZero):
            await db.run_many(q.odd, [{"n": 1}, {"n": 0}])
        return events

    first, second, third = play(story)

    assert (first.outcome, first.error, first.category, first.rows) == (
        *("error", "22012", "data"),
        None,
    )
    assert (second.error, second.outcome) == ("22P02", "error")
    assert (third.operation, third.error) == ("run_many", "22012")
    assert "SECRET42" not in repr((first, second, third))


def test_an_operation_with_retries_is_one_event_that_counts_them(
    play: Play, write: Any, side: psycopg.Connection[Any]
) -> None:
    side.execute("drop sequence if exists watched_tries; create sequence watched_tries")
    q = write("""
        -- name: third_time :one -> scalar
        -- @idempotent
        select case when nextval('watched_tries') < 3
            then watched_conflict() else 42 end;
    """)
    side.execute("""
        create or replace function watched_conflict() returns int language plpgsql as
        $$ begin raise exception 'again' using errcode = '40001'; end $$
    """)

    async def story(db: Any) -> list[QueryEvent]:
        events = _told(db)
        assert await db.run(q.third_time()) == 42
        return events

    (event,) = play(story, retry_interval=10_000)

    assert (event.attempts, event.outcome, event.rows) == (3, "ok", 1)
    # Two waits of 0.1 and 0.2 s at most, and never one of ten seconds.
    assert 0 < event.paused_ms < 5_000


def test_the_ends_of_a_transaction_are_told_by_their_names(play: Play, write: Any) -> None:
    q = write(TEXT)

    async def story(db: Any) -> list[QueryEvent]:
        events = _told(db)
        async with db.transaction(isolation="serializable") as tx:
            await tx.run(q.one(n=1))
            async with tx.transaction() as inner:
                await inner.run(q.one(n=2))
        with pytest.raises(psycopg.errors.DivisionByZero):
            async with db.transaction() as tx, tx.transaction() as inner:
                await inner.run(q.odd(n=0))
        return events

    events = play(story)

    assert [one.name for one in events] == [
        *("begin", "q.one", "savepoint", "q.one", "release savepoint", "commit"),
        *("begin", "savepoint", "q.odd", "rollback to savepoint", "rollback"),
    ]
    assert events[0].text == "begin isolation level serializable"
    assert {one.operation for one in events if not one.name.startswith("q.")} == {"transaction"}
    # The connection is taken by the first, and has not lain idle for those after it.
    assert all(one.idle_ms == 0 for one in events[1:6])


def test_a_stream_is_told_at_its_end_without_the_time_of_its_reader(
    play: Play, write: Any, collect: Any
) -> None:
    q = write(TEXT)

    async def story(db: Any) -> list[QueryEvent]:
        events = _told(db)
        began = time.monotonic()
        async for _ in db.stream(q.rows(n=30), batch=10):
            since = time.monotonic()
            time.sleep(0.01)
            reading.append(time.monotonic() - since)
        taken.append(time.monotonic() - began)
        assert len(await collect(db.stream(q.rows(n=30), batch=10), upto=15)) == 15
        return events

    reading: list[float] = []
    taken: list[float] = []
    whole, cut = (one for one in play(story) if one.operation == "stream")

    assert (whole.name, whole.rows, whole.outcome) == ("q.rows", 30, "ok")
    assert (cut.rows, cut.outcome) == (20, "ok")
    assert whole.total_ms <= (taken[0] - sum(reading)) * 1000
    assert whole.query_ms > 0
    assert whole.decode_ms > 0


def test_a_subscriber_that_fails_is_told_nothing_any_more_and_the_call_notices_nothing(
    play: Play, write: Any, caplog: pytest.LogCaptureFixture
) -> None:
    q = write(TEXT)
    calls = []

    def fails(event: QueryEvent) -> None:
        calls.append(event)
        raise ZeroDivisionError

    async def story(db: Any) -> list[QueryEvent]:
        db.subscribe(fails)
        events = _told(db)
        assert [await db.run(q.one(n=n)) for n in range(3)] == [0, 1, 2]
        return events

    assert len(play(story)) == 3
    assert len(calls) == 1
    assert [(one.name, one.exc_info is not None) for one in caplog.records] == [
        ("raxol_sql.telemetry", True)
    ]


def test_a_subscription_ends_when_it_is_told_to(play: Play, write: Any) -> None:
    q = write(TEXT)

    async def story(db: Any) -> int:
        events: list[QueryEvent] = []
        ends = [db.subscribe(events.append) for _ in range(2)]
        await db.run(q.one(n=1))
        ends[0]()
        ends[0]()
        await db.run(q.one(n=1))
        ends[1]()
        await db.run(q.one(n=1))
        return len(events)

    assert play(story, metrics=False) == 3


def test_an_event_cannot_be_changed(play: Play, write: Any) -> None:
    q = write(TEXT)

    async def story(db: Any) -> QueryEvent:
        events = _told(db)
        await db.run(q.one(n=1))
        return events[0]

    with pytest.raises(AttributeError):
        play(story).name = "other"


def test_no_part_of_the_time_is_negative_however_often_a_batch_is_repeated(
    play: Play, write: Any, side: psycopg.Connection[Any]
) -> None:
    side.execute("drop sequence if exists watched_batches; create sequence watched_batches")
    side.execute("""
        create or replace function watched_twice() returns int language plpgsql as $$ begin
            if nextval('watched_batches') < 3 then
                raise exception 'again' using errcode = '40001';
            end if;
            return 1;
        end $$
    """)
    q = write("""
        -- name: many :many
        select n, n::text as word from generate_series(1, 15000) as n;

        -- name: late :one -> scalar
        select watched_twice() + :n;
    """)

    async def story(db: Any) -> tuple[QueryEvent, float]:
        events = _told(db)
        multi = rx.Multi().add("a", q.many()).add("b", lambda done: q.late(n=len(done["a"])))
        began = time.monotonic()
        assert (await db.run(multi))["b"] == 15_001
        return events[0], (time.monotonic() - began) * 1000

    event, took = play(story)

    assert event.attempts == 3
    assert min(event.queue_ms, event.query_ms, event.decode_ms, event.paused_ms) > 0
    assert event.total_ms <= took


def test_a_subscriber_that_ends_the_program_at_a_begin_leaves_no_connection_behind(
    play: Play, write: Any
) -> None:
    def ends(event: QueryEvent) -> None:
        if event.name == "begin":
            raise SystemExit

    async def story(db: Any) -> None:
        unsubscribe = db.subscribe(ends)
        with pytest.raises(SystemExit):
            async with db.transaction():
                pass
        unsubscribe()
        assert db.pool_status().in_use == 0

    play(story, pool_size=1, pool_min_size=1)


def test_what_fails_has_the_name_and_the_size_of_what_ends_well(play: Play, write: Any) -> None:
    q = write(TEXT)

    async def story(db: Any) -> list[QueryEvent]:
        events = _told(db)
        rows = [{"n": n} for n in (1, 2, 0, 4)]
        multi = rx.Multi().add("a", q.one(n=0)).add("b", lambda done: q.odd(n=done["a"]))
        for wrong in (db.run_many(q.odd, rows), db.run(multi.add("c", q.one(n=2)))):
            with pytest.raises(psycopg.errors.DivisionByZero):
                await wrong
        await db.run_many(q.odd, [{"n": 1}] * 4)
        return events

    found = [(one.name, one.size, one.outcome) for one in play(story)]

    assert found == [
        ("q.odd", 4, "error"),
        ("q.one, q.odd", 3, "error"),
        ("q.odd", 4, "ok"),
    ]


def test_every_event_has_a_name_and_nothing_is_told_of_nothing(play: Play, write: Any) -> None:
    q = write(TEXT)

    def fails(done: Any) -> Any:
        raise ZeroDivisionError

    async def story(db: Any) -> list[QueryEvent]:
        events = _told(db)
        assert await db.run_all([]) == []
        assert await db.run(rx.Multi()) == {}
        with pytest.raises(TypeError):
            await db.run_all([3])
        with pytest.raises(ZeroDivisionError):
            await db.run(rx.Multi().add("a", fails))
        assert await db.run(q.one(n=1), commit_check="xid") == 1
        return events

    found = [(one.name, one.operation, one.rows) for one in play(story)]

    assert found == [("multi", "multi", None), ("q.one", "run", 1)]

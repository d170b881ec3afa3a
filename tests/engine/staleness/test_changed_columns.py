"""What is stored after a column changed is what a new connection would store, or nothing."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs
import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.engine.types import type_trust as trust

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.engine.conftest import Play, Relay

SQL = """\
    -- name: put :affected
    insert into ev (at) values (:at);
    -- name: change :affected
    update ev set at = :at where ctid = (select min(ctid) from ev);
    -- name: put_back :one -> scalar
    insert into ev (at) values (:at) returning at::text;
    -- name: since :many -> scalar
    select at::text from ev where at >= :at;
    -- name: widen :exec
    alter table ev alter at type timestamptz;
"""


@attrs.frozen
class Note:
    id: int
    at: Any


NOON = datetime(2026, 5, 5, 15, 30, tzinfo=UTC)


@pytest.fixture
def q(write: Any) -> Any:
    return write(SQL)


@pytest.fixture(autouse=True)
def _table(side: psycopg.Connection[Any]) -> Iterator[None]:
    side.execute("drop table if exists ev; create table ev (at date)")
    yield
    side.execute("drop table if exists ev")


def retype(side: psycopg.Connection[Any], to: str) -> None:
    side.execute(f"drop table ev; create table ev (at {to}); insert into ev values (null)")


def alter(side: psycopg.Connection[Any], to: str) -> None:
    side.execute(f"alter table ev alter at type {to} using null::{to}")


def stored(side: psycopg.Connection[Any]) -> list[Any]:
    return [at for (at,) in side.execute("select at::text from ev where at is not null")]


async def by_run(db: Any, q: Any, value: Any) -> None:
    await db.run(q.put(at=value))


async def by_run_with_an_outcome(db: Any, q: Any, value: Any) -> None:
    await db.run(q.put(at=value), commit_check="xid")


async def by_run_many(db: Any, q: Any, value: Any) -> None:
    await db.run_many(q.put, [{"at": value}])


async def by_run_transaction(db: Any, q: Any, value: Any) -> None:
    await db.run_transaction(lambda tx: tx.run(q.put(at=value)))


async def by_transaction(db: Any, q: Any, value: Any) -> None:
    async with db.transaction() as tx:
        await tx.run(q.put(at=value))


async def by_update(db: Any, q: Any, value: Any) -> None:
    assert await db.run(q.change(at=value)) > 0


async def by_multi(db: Any, q: Any, value: Any) -> None:
    await db.run(rx.Multi().add("put", q.put(at=value)))


async def by_multi_with_a_function(db: Any, q: Any, value: Any) -> None:
    await db.run(rx.Multi().put("value", value).add("put", lambda done: q.put(at=done["value"])))


WAYS = {
    way.__name__[3:]: way
    for way in (
        *(
            by_run,
            by_update,
            by_run_with_an_outcome,
            by_run_many,
            by_run_transaction,
            by_transaction,
        ),
        *(by_multi, by_multi_with_a_function),
    )
}
# A column before and after, what is stored before, what after, and how that is stored then.
WIDER = {
    "a datetime": ("date", "timestamptz", date(2026, 1, 1), NOON, "timestamptz"),
    "an offset": ("timestamp", "timestamptz", "2026-01-01", "2026-01-01 15:30+05", "timestamptz"),
    "a float": ("real", "float8", 0.1, 0.1, "float8"),
    "digits": ("float8", "numeric", Decimal("0.1"), Decimal("0.12345678901234567890"), "numeric"),
    "an aware datetime": ("timestamp", "timestamptz", datetime(2026, 1, 1), NOON, "timestamptz"),
    "datetimes": ("date[]", "timestamptz[]", [date(2026, 1, 1)], [NOON], "timestamptz[]"),
}


@pytest.mark.parametrize("case", WIDER.values(), ids=WIDER.keys())
@pytest.mark.parametrize("prepare", [True, False])
def test_a_value_that_only_the_new_type_holds_is_stored_whole_at_once(
    play: Play, q: Any, side: psycopg.Connection[Any], case: tuple[Any, ...], prepare: bool
) -> None:
    before, after, first, value, kind = case
    (expected,) = side.execute(f"select %s::{kind}::text", [value]).fetchone() or ()

    async def story(db: Any) -> None:
        for name, way in WAYS.items():
            retype(side, before)
            for _ in range(2):
                await way(db, q, first)
            alter(side, after)
            await way(db, q, value)
            assert stored(side) == [expected], name

    play(story, pool_size=1, prepare=prepare)


# Which the server assigns to the narrower type without a word.
NARROWER = {
    "a date of a datetime": ("timestamptz", "date", NOON),
    "a timestamp of a datetime": ("timestamptz", "timestamp", NOON),
    "a whole number of a Decimal": ("numeric", "int", Decimal("1.5")),
    "a whole number of a float": ("float8", "int", 1.5),
    "a time of a timedelta": ("interval", "time", timedelta(days=1, hours=2)),
}


@pytest.mark.parametrize("case", NARROWER.values(), ids=NARROWER.keys())
def test_a_value_that_the_new_type_would_cut_is_refused_when_the_types_are_due(
    play: Play,
    q: Any,
    side: psycopg.Connection[Any],
    case: tuple[Any, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, after, value = case
    monkeypatch.setattr(trust, "USUAL", 0.0)  # as if the second were over

    async def story(db: Any) -> None:
        for name, way in WAYS.items():
            retype(side, before)
            await way(db, q, value)
            alter(side, after)
            with pytest.raises(
                rx.errors.ParameterError, match=r"at: the server expects .* here, and a"
            ):
                await way(db, q, value)
            assert stored(side) == [], name

    play(story, pool_size=1)


@pytest.mark.parametrize("prepare", [True, False])
def test_a_stream_compares_with_the_type_of_today(
    play: Play, q: Any, side: psycopg.Connection[Any], collect: Any, prepare: bool
) -> None:
    async def story(db: Any) -> None:
        await db.run(q.put(at=date(2026, 5, 5)))
        assert await collect(db.stream(q.since(at=date(2026, 5, 5)))) == ["2026-05-05"]
        side.execute("alter table ev alter at type timestamptz")
        assert await collect(db.stream(q.since(at=NOON))) == []
        assert await db.run(q.since(at=NOON)) == []

    play(story, pool_size=1, prepare=prepare)


def test_an_update_of_a_repo_stores_what_the_column_holds_now(
    play: Play, tmp_path: Path, side: psycopg.Connection[Any]
) -> None:
    side.execute(
        "drop table if exists notes; create table notes (id int primary key, at date);"
        "insert into notes values (1)"
    )
    (tmp_path / "notes.sql").write_text(
        "-- name: get :maybe -> Note\nselect id, at from notes where id = :id;\n"
        "-- name: update :maybe -> Note\n"
        "update notes set /*? at */ at = :at, /*?*/ id = id where id = :id returning id, at;"
    )
    queries = rx.load(tmp_path, records=[Note])

    async def story(db: Any) -> None:
        assert (await db.run(queries.notes.update(id=1, at=date(2026, 5, 5)))).id == 1
        side.execute("alter table notes alter at type timestamptz")
        if play.colour == "asyncio":
            changed = await rx.AsyncRepo(db, queries).update(Note(1, None), {"at": NOON})
        else:
            changed = rx.Repo(db.verbs, queries).update(Note(1, None), {"at": NOON})
        assert changed.at == NOON

    try:
        play(story, pool_size=1)
    finally:
        side.execute("drop table notes")


def test_types_are_relied_on_for_a_second_and_no_longer(
    play: Play, q: Any, side: psycopg.Connection[Any]
) -> None:
    retype(side, "numeric")

    async def story(db: Any) -> None:
        await db.run(q.put(at=Decimal(1)))
        alter(side, "int")
        time.sleep(trust.USUAL)
        with pytest.raises(rx.errors.ParameterError, match="round it"):
            await db.run(q.put(at=Decimal("1.5")))

    play(story, pool_size=1)


def test_a_change_that_this_process_makes_is_noticed_by_all_its_connections(
    play: Play, q: Any, side: psycopg.Connection[Any], write: Any
) -> None:
    own = write("-- name: narrow :exec\nalter table ev alter at type int;")
    retype(side, "numeric")

    async def story(db: Any) -> None:
        async with play.opened(pool_size=1) as other:
            for one in (db, other):
                await one.run(q.put(at=Decimal(1)))
            await db.run(own.narrow())
            for one in (db, other):
                with pytest.raises(rx.errors.ParameterError):
                    await one.run(q.put(at=Decimal("1.5")))

    play(story, pool_size=1)


CHANGES = {
    "int to text": ("int", "text", 1, "x"),
    "int to uuid": ("int", "uuid", 1, "00000000-0000-0000-0000-000000000001"),
    "text to int": ("text", "int", "x", 1),
    "text to uuid": ("text", "uuid", "x", "00000000-0000-0000-0000-000000000001"),
    "int to bigint": ("int", "bigint", 1, 2**40),
}


@pytest.mark.parametrize("case", CHANGES.values(), ids=CHANGES.keys())
def test_transact_is_done_again_on_whichever_connection_it_fails(
    play: Play, q: Any, side: psycopg.Connection[Any], case: tuple[Any, ...]
) -> None:
    before, after, first, value = case
    retype(side, before)

    async def story(db: Any) -> None:
        async def warmed(depth: int) -> None:
            if depth:
                async with db.transaction() as tx:
                    await tx.run(q.put(at=first))
                    await warmed(depth - 1)

        await warmed(4)
        alter(side, after)
        for _ in range(12):
            await db.run_transaction(lambda tx: tx.run(q.put(at=value)))

    play(story, pool_size=4, pool_min_size=4)

    assert stored(side) == [str(value)] * 12


def test_transact_is_done_again_once_and_its_own_mistake_comes_out(
    play: Play, q: Any, side: psycopg.Connection[Any]
) -> None:
    retype(side, "int")
    begun: list[None] = []

    async def story(db: Any) -> None:
        await db.run(q.put(at=1))

        async def work(tx: Any) -> None:
            begun.append(None)
            await tx.run(q.put(at=2**40))

        with pytest.raises(psycopg.errors.NumericValueOutOfRange):
            await db.run_transaction(work)
        assert len(begun) == 1

    play(story, pool_size=1)


def test_a_step_of_a_multi_may_change_the_table_of_those_around_it(
    play: Play, q: Any, side: psycopg.Connection[Any]
) -> None:
    steps = rx.Multi().add("day", q.put(at=date(2026, 5, 5))).add("widen", q.widen())

    async def story(db: Any) -> None:
        for _ in range(2):
            await db.run(steps.add("noon", q.put(at=NOON)))
            side.execute("drop table ev; create table ev (at date)")

    play(story, pool_size=1)


def test_a_plain_transaction_goes_on_where_the_client_refused_a_value(
    play: Play, q: Any, side: psycopg.Connection[Any]
) -> None:
    async def story(db: Any) -> None:
        await db.run(q.put(at=date(2026, 1, 1)))
        alter(side, "timestamptz")
        async with db.transaction() as tx:
            await tx.run(q.put(at=NOON))
            await tx.run(q.put(at=NOON))

    play(story, pool_size=1)

    assert len(stored(side)) == 2


def test_a_comparison_with_a_real_that_became_wider_finds_the_value(
    play: Play, q: Any, side: psycopg.Connection[Any]
) -> None:
    retype(side, "real")

    async def story(db: Any) -> None:
        await db.run(q.put(at=0.1))
        assert await db.run(q.since(at=0.1)) == ["0.1"]
        side.execute("alter table ev alter at type float8 using (at * 0)::numeric + 0.1")
        assert await db.run(q.since(at=0.1)) == ["0.1"]

    play(story, pool_size=1)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [("timestamptz", NOON, 2), ("int", 1, 1), ("text", "x", 1), ("int", "1", 2), ("real", 0.5, 1)],
)
def test_asking_again_is_one_round_trip_and_none_where_no_conversion_cuts(
    play: Play,
    relay: Relay,
    q: Any,
    side: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    value: Any,
    expected: int,
) -> None:
    retype(side, kind)

    async def counted(db: Any) -> list[int]:
        trips = []
        for way in (by_run, by_run_many, by_multi):
            before = relay.round_trips
            await way(db, q, value)
            trips.append(relay.round_trips - before)
        return trips

    async def story(db: Any) -> None:
        for way in (by_run, by_run_many, by_multi):
            await way(db, q, value)
        assert await counted(db) == [1, 1, 1]
        monkeypatch.setattr(trust, "USUAL", 0.0)  # as if the second were over
        async with play.opened(relay.conninfo, pool_size=1) as other:
            await by_run(other, q, value)
            assert await counted(other) == [expected] * 3

    play(story, relay.conninfo, pool_size=1, pool_min_size=1)

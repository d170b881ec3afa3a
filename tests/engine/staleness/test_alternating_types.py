"""Callers contend for connections while a column changes to and fro: each value is whole."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.conftest import Play

SQL = """\
    -- name: put :one
    insert into ev (at) values (:at) returning at::text as at, pg_typeof(at)::text as kind;
    -- name: change :affected
    update ev set at = :at where id = :id;
"""
NOON = datetime(2026, 5, 5, 15, 30, tzinfo=UTC)
CALLERS = 5
CHANGES = 16
# A pair of types, the values, and what a new connection stores of each; None where it refuses.
PAIRS: dict[str, tuple[list[str], Callable[[int], Any], dict[str, Callable[[Any], Any]]]] = {
    "a date and a moment": (
        ["date", "timestamptz"],
        lambda n: NOON + timedelta(minutes=n),
        {"date": lambda at: at.date(), "timestamp with time zone": lambda at: at},
    ),
    "a real and a float8": (
        ["real", "float8"],
        lambda n: n / 10,
        {"real": lambda at: at, "double precision": lambda at: at},
    ),
    "an int and a bigint": (
        ["int", "bigint"],
        lambda n: 2**33 + n if n % 2 else n,
        {"integer": lambda at: at, "bigint": lambda at: at},
    ),
    "a text and an int": (
        ["text", "int"],
        lambda n: n,
        {"text": str, "integer": lambda at: at},
    ),
}


async def by_run(db: Any, q: Any, value: Any) -> Any:
    return await db.run(q.put(at=value))


async def by_run_many(db: Any, q: Any, value: Any) -> Any:
    return (await db.run_many(q.put, [{"at": value}] * 2))[1]


async def by_run_transaction(db: Any, q: Any, value: Any) -> Any:
    return await db.run_transaction(lambda tx: tx.run(q.put(at=value)))


async def by_transaction(db: Any, q: Any, value: Any) -> Any:
    async with db.transaction() as tx:
        return await tx.run(q.put(at=value))


async def by_multi(db: Any, q: Any, value: Any) -> Any:
    steps = rx.Multi().add("one", q.put(at=value)).add("two", lambda done: q.put(at=value))
    return (await db.run(steps))["two"]


WAYS = [by_run, by_run_many, by_run_transaction, by_transaction, by_multi]


@pytest.mark.parametrize("prepare", [True, False])
@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS.keys())
def test_what_is_stored_is_whole_whatever_the_column_is_at_the_moment(
    play: Play, write: Any, side: psycopg.Connection[Any], pair: Any, prepare: bool
) -> None:
    types, make, stored_as = pair
    q = write(SQL)
    side.execute("drop table if exists ev")
    side.execute(f"create table ev (id bigint generated always as identity, at {types[0]})")
    is_over = threading.Event()
    stored: Counter[str] = Counter()
    wrong: list[Any] = []

    async def call(db: Any, caller: int) -> None:
        number = caller
        while not is_over.is_set():
            number += CALLERS
            value = make(number)
            try:
                row = await WAYS[number % len(WAYS)](db, q, value)
            except (psycopg.Error, rx.errors.ParameterError, rx.errors.TransactionError):
                await asyncio.sleep(0)
                continue
            expected = stored_as[row.kind](value)
            found = type(expected)(row.at) if not isinstance(expected, date) else row.at
            if isinstance(expected, datetime):
                found = datetime.fromisoformat(row.at)
            elif isinstance(expected, date):
                found = date.fromisoformat(row.at)
            stored[row.kind] += 1
            if found != expected:
                wrong.append((row, value))

    def alter() -> None:
        try:
            for turn in range(CHANGES):
                side.execute(
                    f"alter table ev alter at type {types[(turn + 1) % 2]} "
                    f"using null::{types[(turn + 1) % 2]}"
                )
                before = stored.total()
                # Each change is met by some calls, or by refusals of all.
                for _ in range(100):
                    if stored.total() >= before + 3:
                        break
                    is_over.wait(0.005)
        finally:
            is_over.set()

    async def story(db: Any) -> None:
        if play.colour == "asyncio":
            calls = [call(db, caller) for caller in range(CALLERS)]
        else:
            calls = [asyncio.to_thread(asyncio.run, call(db, caller)) for caller in range(CALLERS)]
        await asyncio.gather(asyncio.to_thread(alter), *calls)

    try:
        play(story, pool_size=3, pool_min_size=3, prepare=prepare)
    finally:
        is_over.set()
        side.execute("drop table ev")

    assert not wrong
    assert stored.total() > 0

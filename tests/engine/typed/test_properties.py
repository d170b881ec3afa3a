"""Random values of types that users made, in either colour and by every verb."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import raxol_sql as rx
from tests.engine.typed.conftest import Addr, Load, Mood
from tests.engine.typed.test_matrix import Visit


@attrs.frozen
class Row:
    """A row with one of each."""

    n: int
    mood: Mood | None
    moods: list[Mood | None] | None
    addr: Addr | None
    visits: list[Visit | None]
    kept: list[Addr]


texts = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
moods = st.none() | st.sampled_from(Mood)
addrs = st.builds(Addr, texts, texts, st.none() | st.integers(-(2**31), 2**31 - 1))
moments = st.datetimes(dt.datetime(1, 1, 3), dt.datetime(9999, 12, 29), timezones=st.just(dt.UTC))
visits = st.builds(
    Visit,
    st.none() | moments,
    moods,
    st.none() | addrs,
    st.none() | st.lists(texts, max_size=2),
    st.none() | st.integers(0, 5),
)
values = st.tuples(
    moods,
    st.none() | st.lists(moods, max_size=3),
    st.none() | addrs,
    st.lists(st.none() | visits, max_size=2),
    st.lists(addrs, max_size=2),
)
SQL = """
-- name: wipe :exec
truncate kept_rows;
-- name: make :exec
create table if not exists kept_rows (
    n int, mood mood, moods mood[], addr addr, visits visit[], kept jsonb
);
-- name: put :exec
insert into kept_rows values (:n, :mood, :moods, :addr, :visits, :kept);
-- name: get :many -> Row
select n, mood, moods, addr, visits, kept from kept_rows order by n;
-- name: into :copy
copy kept_rows (n, mood, moods, addr, visits, kept) from stdin (format binary);
-- name: out :copy -> Row
copy (select * from kept_rows order by n) to stdout (format binary);
"""


@pytest.fixture(scope="module")
def crossing(typed_database: str) -> Any:
    with rx.Database.open(typed_database, pool_size=1) as db:
        yield db


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_values=st.lists(values, min_size=1, max_size=3))
def test_random_values_are_read_as_they_were_written(
    crossing: rx.Database, load: Load, given_values: list[Any]
) -> None:
    queries = load(SQL, Row)
    rows = [Row(n, *one) for n, one in enumerate(given_values)]
    crossing.run(queries.make())

    crossing.run(queries.wipe())
    crossing.run_many(queries.put, rows)
    assert crossing.run(queries.get()) == rows
    crossing.run(queries.wipe())
    crossing.copy(queries.into, rows)
    assert crossing.copy(queries.out) == rows


def test_every_verb_takes_and_gives_them_in_either_colour(
    opened: Callable[..., Any], typed_database: str, load: Load
) -> None:
    queries = load(SQL, Row)
    visit = Visit(None, Mood.SO, Addr("a", 'b"', 1), ["x"], 2)
    row = Row(0, Mood.SAD, [Mood.FINE, None], Addr("", None, None), [visit, None], [Addr("a", "b")])
    arguments = attrs.asdict(row, recurse=False)

    async def story() -> None:
        async with opened(typed_database) as db:
            await db.run(queries.make())
            await db.run(queries.wipe())
            await db.run(queries.put(**arguments))
            await db.run_many(queries.put, [row])
            await db.run(rx.Multi().add("put", queries.put(**arguments)))
            await db.copy(queries.into, [row])
            async with db.transaction() as tx:
                await tx.run(queries.put(**arguments))
            await db.run(queries.put(**arguments), commit_check="xid")

            assert await db.run(queries.get()) == [row] * 6
            assert await db.copy(queries.out) == [row] * 6
            assert [one async for one in db.stream(queries.get(), batch=2)] == [row] * 6
            assert await db.run_all([queries.get()]) == [[row] * 6]
            multi = await db.run(rx.Multi().add("get", queries.get()))
            assert multi["get"] == [row] * 6

    asyncio.run(story())

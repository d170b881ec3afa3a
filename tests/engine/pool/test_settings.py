"""Settings of the server that change how values look, and what it says unasked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.engine.conftest import Play

SQL = """\
    -- name: values :one
    select
        timestamptz '2024-02-03 04:05:06+00' as at,
        interval '1 day 2 hours -3 minutes' as span,
        1.5::float8 / 3 as half,
        12.50::numeric as amount,
        '\\x00ff'::bytea as bytes,
        'größe'::text as text,
        array['a,b', null] as list;
    -- name: notices :one -> scalar
    select pg_temp.noisy(:n);
    -- name: make_noisy :exec
    create function pg_temp.noisy(n int) returns int language plpgsql as $$
    begin
        for i in 1..n loop
            raise notice '%', repeat('x', 200);
        end loop;
        return n;
    end $$;
    -- name: shout :exec
    select pg_temp.shout(:n);
    -- name: make_shout :exec
    create function pg_temp.shout(n int) returns int language plpgsql as $$
    begin
        raise exception '%', repeat('ü', n) using errcode = 'RX001', detail = repeat('d', n);
    end $$;
    -- name: one :one -> scalar
    select 1;
"""
ODD = {
    "datestyle": "SQL, DMY",
    "intervalstyle": "postgres_verbose",
    "timezone": "Pacific/Kiritimati",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "search_path": "",
    "client_encoding": "latin1",
    "default_transaction_isolation": "serializable",
    "quote_all_identifiers": "on",
    "xmlbinary": "hex",
}


@pytest.fixture
def q(write: Callable[..., Any]) -> Any:
    return write(SQL)


@pytest.fixture
def odd_role(side: psycopg.Connection[Any]) -> Iterator[str]:
    """A role for which the server has other settings than anybody would expect."""
    side.execute("drop role if exists odd; create role odd login superuser")
    for name, value in ODD.items():
        side.execute(f"alter role odd set {name} = '{value}'")
    yield "odd"
    side.execute(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = 'odd'"
    )
    side.execute("drop role odd")


def test_values_are_the_same_whatever_the_server_is_set_to(
    play: Play, q: Any, odd_role: str
) -> None:
    async def values(db: Any) -> Any:
        return await db.run(q.values())

    usual = play(values)
    odd = play(values, make_conninfo(play.conninfo, user=odd_role))
    assert vars_of(odd) == vars_of(usual)
    assert odd.at == datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert odd.span == timedelta(days=1, hours=1, minutes=57)
    assert (odd.half, odd.amount, odd.bytes) == (0.5, Decimal("12.50"), b"\x00\xff")
    assert (odd.text, odd.list) == ("größe", ["a,b", None])


def vars_of(row: Any) -> list[Any]:
    return [getattr(row, name) for name in ("at", "span", "half", "amount", "text", "list")]


def test_a_flood_of_notices_is_taken_in(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(q.make_noisy())
            assert await tx.run(q.notices(n=20_000)) == 20_000
            assert await tx.run(q.one()) == 1
        assert await db.run(q.one()) == 1

    play(story, pool_size=1)


def test_an_error_of_a_megabyte_comes_out_whole_and_the_connection_goes_on(
    play: Play, q: Any
) -> None:
    async def story(db: Any) -> None:
        await db.run(q.one())
        block = db.transaction()
        tx = await block.__aenter__()
        await tx.run(q.make_shout())
        with pytest.raises(psycopg.Error) as caught:
            await tx.run(q.shout(n=500_000))
        await block.__aexit__(psycopg.Error, caught.value, None)
        assert caught.value.sqlstate == "RX001"
        assert caught.value.diag.message_primary == "ü" * 500_000
        assert await db.run(q.one()) == 1

    play(story, pool_size=1, pool_min_size=1)

"""What is far too large, and what is far too much: an error that says so, and soon."""

from __future__ import annotations

import gc
import resource
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import raxol_sql as rx

if TYPE_CHECKING:
    from tests.engine.conftest import Play

GIB = 1 << 30
SQL = """\
    -- name: size :one -> scalar
    select length(:data::bytea);
    -- name: sizes :one -> scalar
    select length(:one::bytea) + length(:two::bytea) + length(:three::bytea);
    -- name: huge :one -> scalar
    select repeat('x', 1073741824);
    -- name: large :one -> scalar
    select repeat('x', :count::int);
    -- name: wide_rows :many -> scalar
    select repeat('x', 50000) || n from generate_series(1, 2000) as n;
    -- name: pid :one -> scalar
    select pg_backend_pid();
    -- name: flood :exec
    do $$ begin
        for n in 1..5000 loop
            raise notice 'notice % %', n, repeat('x', 200);
        end loop;
    end $$;
    -- name: shout :exec
    do $$ begin raise exception '%', repeat('é', 1000000); end $$;
    -- name: fail_in_bytes :exec
    select fail_in_bytes();
    -- name: rows_and_notices :many -> scalar
    select n from generate_series(1, 300) as n where notify_of(n);
"""


@pytest.fixture
def sizes(write: Any) -> Any:
    return write(SQL)


@pytest.fixture
def nothing() -> Any:
    """A GiB of zeros, of which no memory is used as long as nobody reads it."""
    return bytes(GIB)


def test_a_parameter_of_a_gib_is_refused_before_it_is_sent_and_names_itself(
    play: Play, sizes: Any, watch: Any, nothing: bytes
) -> None:
    async def story(db: Any) -> None:
        before = await db.run(sizes.pid())
        assert await db.run(sizes.size(data=b"abc")) == 3
        with (
            watch.at_most(1),
            pytest.raises(rx.errors.ParameterError, match=r"data: .* 1 GiB") as caught,
        ):
            await db.run(sizes.size(data=nothing))
        assert "\\x00" not in str(caught.value)
        assert await db.run(sizes.pid()) == before
        with watch.at_most(1), pytest.raises(rx.errors.ParameterError, match="row 1"):
            await db.run_many(sizes.size, [{"data": b""}, {"data": nothing}])
        assert await db.run(sizes.pid()) == before
        with pytest.raises(rx.errors.ParameterError):
            async with db.transaction() as tx:
                await tx.run(sizes.size(data=nothing))
        assert await db.run(sizes.pid()) == before

    play(story, pool_size=1)


def test_parameters_that_are_together_a_gib_are_refused_as_well(
    play: Play, sizes: Any, watch: Any
) -> None:
    part = bytes(GIB * 2 // 5)

    async def story(db: Any) -> None:
        before = await db.run(sizes.pid())
        assert await db.run(sizes.sizes(one=b"a", two=b"b", three=b"c")) == 3
        with watch.at_most(1), pytest.raises(rx.errors.ParameterError, match="1 GiB"):
            await db.run(sizes.sizes(one=part, two=part, three=part))
        assert await db.run(sizes.pid()) == before

    play(story, pool_size=1)


def test_a_result_that_the_server_cannot_make_is_its_error_and_keeps_the_connection(
    play: Play, sizes: Any, watch: Any
) -> None:
    async def story(db: Any) -> None:
        before = await db.run(sizes.pid())
        with watch.at_most(2), pytest.raises(psycopg.errors.ProgramLimitExceeded):
            await db.run(sizes.huge())
        assert await db.run(sizes.pid()) == before
        assert len(await db.run(sizes.large(count=30_000_000))) == 30_000_000

    play(story, pool_size=1)


def test_rows_that_are_streamed_take_the_memory_of_a_batch(play: Play, sizes: Any) -> None:
    # In kilobytes; the largest that it has been, so it does not matter when one looks.
    def most() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    async def story(db: Any) -> None:
        count = 0
        async with aclosing(db.stream(sizes.wide_rows(), batch=50)) as rows:
            async for row in rows:
                count += 1
                if count == 200:
                    before = most()
                assert len(row) > 50000
        assert count == 2000
        assert most() - before < 30_000  # of 100 000 in all

    gc.collect()
    play(story, pool_size=1)


def test_a_flood_of_notices_is_read_and_holds_nothing_up(
    play: Play, sizes: Any, watch: Any, side: Any
) -> None:
    side.execute(
        "create or replace function notify_of(n int) returns boolean language plpgsql as "
        "$$ begin raise notice '%', repeat('x', 1000); return true; end $$"
    )

    async def story(db: Any) -> None:
        with watch.at_most(5):
            await db.run(sizes.flood())
            assert await db.run(sizes.rows_and_notices()) == list(range(1, 301))
            async with db.transaction() as tx:
                await tx.run(sizes.flood())

    play(story, pool_size=1)


def test_an_error_with_a_message_of_megabytes_comes_out_whole(
    play: Play, sizes: Any, watch: Any
) -> None:
    async def story(db: Any) -> None:
        before = await db.run(sizes.pid())
        with watch.at_most(5), pytest.raises(psycopg.errors.RaiseException) as caught:
            await db.run(sizes.shout())
        assert caught.value.diag.message_primary == "é" * 1_000_000
        assert await db.run(sizes.pid()) == before

    play(story, pool_size=1)


@pytest.mark.parametrize("garbage", ["\\xff", "\\xc3", "caf\\xe9", "\\xed\\xa0\\x80 and more"])
def test_an_error_whose_bytes_are_no_text_is_an_error_of_the_server_and_keeps_the_connection(
    accounts_database: str, sizes: Any, side: Any, garbage: str
) -> None:
    # A database that does not know the encoding of its own texts converts none.
    side.execute("create database raxol_ascii encoding 'SQL_ASCII' locale 'C' template template0")
    url = make_conninfo(accounts_database, dbname="raxol_ascii")
    try:
        with psycopg.connect(url, autocommit=True) as other:
            other.execute(
                "create function fail_in_bytes() returns void language plpgsql as $$ begin "
                "raise exception '%', E'" + garbage + "' using errcode = '22012'; end $$"
            )
        with rx.Database.open(url, pool_size=1) as db:
            before = db.run(sizes.pid())
            # It does not send what is none in the encoding that we ask for.
            with pytest.raises(psycopg.errors.CharacterNotInRepertoire) as caught:
                db.run(sizes.fail_in_bytes())
            assert "query q.fail_in_bytes" in "".join(caught.value.__notes__)
            assert db.run(sizes.pid()) == before
    finally:
        side.execute("drop database raxol_ascii with (force)")

"""Values at the edges: they are stored and read exactly, or refused; nothing in between."""

from __future__ import annotations

import asyncio
import decimal
import math
import unicodedata
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import raxol_sql as rx

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.faults.conftest import Play

SQL = """\
    -- name: put :affected
    insert into kept (body) values (:body);
    -- name: put_again :affected
    -- @idempotent
    insert into kept (body) values (:body);
    -- name: put_list :affected
    insert into kept (body) select unnest(:body::text[]);
    -- name: put_document :affected
    insert into kept (document) values (:body::jsonb);
    -- name: load :copy
    copy kept (body) from stdin;
    -- name: load_binary :copy
    copy kept (body) from stdin (format binary);
    -- name: bodies :many -> scalar
    select body from kept where body is not null order by id;
    -- name: documents :many -> scalar
    select document from kept where document is not null order by id;
    -- name: pid :one -> scalar
    select pg_backend_pid();
"""
TABLE = "create table kept (id bigint generated always as identity, body text, document jsonb)"


@pytest.fixture
def q(write: Any, side: psycopg.Connection[Any]) -> Any:
    side.execute(TABLE)
    return write(SQL)


def kept(side: psycopg.Connection[Any]) -> list[str]:
    return [body for (body,) in side.execute("select body from kept order by id")]


async def by_run(db: Any, q: Any, value: Any) -> None:
    await db.run(q.put(body=value))


async def by_idempotent_run(db: Any, q: Any, value: Any) -> None:
    await db.run(q.put_again(body=value))


async def by_list(db: Any, q: Any, value: Any) -> None:
    await db.run(q.put_list(body=[value]))


async def by_document(db: Any, q: Any, value: Any) -> None:
    await db.run(q.put_document(body={"key": value}))


async def by_run_many(db: Any, q: Any, value: Any) -> None:
    await db.run_many(q.put, [{"body": value}])


async def by_multi(db: Any, q: Any, value: Any) -> None:
    await db.run(rx.Multi().add("put", q.put(body=value)))


async def by_run_transaction(db: Any, q: Any, value: Any) -> None:
    async def work(tx: Any) -> None:
        await tx.run(q.put(body=value))

    await db.run_transaction(work)


async def by_marker(db: Any, q: Any, value: Any) -> None:
    await db.run(q.put(body=value), commit_check="xid")


async def by_copy(db: Any, q: Any, value: Any) -> None:
    await db.copy(q.load, [(value,)])


async def by_binary_copy(db: Any, q: Any, value: Any) -> None:
    await db.copy(q.load_binary, [(value,)])


TEXT_WAYS = [
    *(by_run, by_idempotent_run, by_list, by_run_many, by_multi, by_run_transaction, by_marker),
    *(by_copy, by_binary_copy),
]
# What is no text of PostgreSQL's, and what is refused by those who write it.
UNSENDABLE = ["hunter2 \0 x", "hunter2 \ud800 x", "hunter2\udfff"]
REFUSALS = (psycopg.DataError, rx.errors.ParameterError, UnicodeEncodeError)


@pytest.mark.parametrize("way", TEXT_WAYS)
def test_a_text_that_cannot_be_sent_is_refused_before_it_is_and_takes_nothing_along(
    play: Play, q: Any, side: psycopg.Connection[Any], way: Callable[..., Awaitable[None]]
) -> None:
    async def story(db: Any) -> None:
        pid = await db.run(q.pid())
        for value in UNSENDABLE * 2:  # not prepared yet, and prepared
            with pytest.raises(REFUSALS) as caught:
                await way(db, q, value)
            assert not isinstance(caught.value, psycopg.OperationalError)
        assert kept(side) == []
        await way(db, q, "fine")
        assert kept(side) == ["fine"]
        assert await db.run(q.pid()) == pid

    play(story, pool_size=1)


@pytest.mark.parametrize("way", TEXT_WAYS)
def test_the_refusal_of_a_text_names_what_it_was_given_for_and_does_not_show_it(
    play: Play, q: Any, way: Callable[..., Awaitable[None]]
) -> None:
    async def story(db: Any) -> None:
        for value in UNSENDABLE:
            with pytest.raises(REFUSALS) as caught:
                await way(db, q, value)
            told = " ".join([str(caught.value), *getattr(caught.value, "__notes__", ())])
            assert "body" in told
            assert "hunter2" not in told + repr(caught.value)

    play(story, pool_size=1)


def test_a_nul_in_a_document_is_the_server_s_error_and_takes_nothing_along(
    play: Play, q: Any, side: psycopg.Connection[Any]
) -> None:
    async def story(db: Any) -> None:
        with pytest.raises(psycopg.errors.UntranslatableCharacter):
            await by_document(db, q, "a\0b")
        assert kept(side) == []
        await by_document(db, q, "\\u0000")
        assert await db.run(q.documents()) == [{"key": "\\u0000"}]

    play(story, pool_size=1)


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
ODD_TEXTS = [
    "\ufdd0 \ufffe \uffff \U0001ffff \U0010ffff",
    "\N{GRINNING FACE}\N{ZERO WIDTH JOINER}\N{RAINBOW}",
    unicodedata.normalize("NFC", "é ﬁ Å 한글"),
    unicodedata.normalize("NFD", "é ﬁ Å 한글"),
    unicodedata.normalize("NFKC", "é ﬁ Å 한글"),
    "\u202eabc\u202c \u2066x\u2069 \u200b \ufeff \u2028 \u2029 \x85",
    "".join(map(chr, [*range(1, 32), 127])),
]


def test_any_text_comes_back_as_it_was_or_is_refused(
    play: Play, q: Any, side: psycopg.Connection[Any]
) -> None:
    loop = asyncio.new_event_loop()

    async def holds(db: Any, texts: list[str]) -> None:
        side.execute("truncate kept")
        sent = []
        for text in texts:
            for way in (by_run, by_list, by_copy, by_binary_copy):
                try:
                    await way(db, q, text)
                    sent.append(text)
                except REFUSALS:
                    assert any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text)
        assert await db.run(q.bodies()) == kept(side) == sent

    async def opened() -> Any:
        return play.opened(pool_size=1)

    @settings(max_examples=30)
    @given(st.lists(ANY_TEXT, max_size=4))
    def check(texts: list[str]) -> None:
        loop.run_until_complete(holds(db, texts))

    block = loop.run_until_complete(opened())
    db = loop.run_until_complete(block.__aenter__())
    try:
        loop.run_until_complete(holds(db, ODD_TEXTS))
        check()
    finally:
        loop.run_until_complete(block.__aexit__(None, None, None))
        loop.close()


NUMBERS = """\
    -- name: put :affected
    insert into numbers (small, whole, big, exact, real) values
        (:small, :whole, :big, :exact, :real);
    -- name: all :one
    select small, whole, big, exact, real from numbers;
    -- name: load :copy
    copy numbers (small, whole, big, exact, real) from stdin (format binary);
    -- name: load_text :copy
    copy numbers (small, whole, big, exact, real) from stdin;
"""
SIZES = {"small": 16, "whole": 32, "big": 64}
EDGES = sorted(
    sign * 2**bits + more
    for bits in (15, 16, 31, 32, 63, 64, 70)
    for sign in (1, -1)
    for more in (-1, 0, 1)
)


@pytest.mark.parametrize("column", SIZES)
def test_a_number_beyond_its_column_is_refused_and_never_wrapped(
    play: Play, write: Any, side: psycopg.Connection[Any], column: str
) -> None:
    side.execute(
        "create table numbers (small int2, whole int4, big int8, exact numeric, real float8)"
    )
    q = write(NUMBERS)
    nothing: dict[str, Any] = dict.fromkeys([*SIZES, "exact", "real"])

    async def story(db: Any) -> None:
        async def by_many(row: dict[str, Any]) -> None:
            await db.run_many(q.put, [row])

        async def by_run(row: dict[str, Any]) -> None:
            await db.run(q.put(**row))

        async def by_copy(row: dict[str, Any]) -> None:
            await db.copy(q.load, [row])

        async def by_text(row: dict[str, Any]) -> None:
            await db.copy(q.load_text, [row])

        for number in [*EDGES, math.nan, math.inf, -math.inf]:
            fits = isinstance(number, int) and number in range(
                -(2 ** (SIZES[column] - 1)), 2 ** (SIZES[column] - 1)
            )
            exact = decimal.Decimal(number)
            row = {**nothing, column: number, "exact": exact}
            for way in (by_run, by_many, by_copy, by_text):
                side.execute("truncate numbers")
                if fits:
                    await way(row)
                    stored = side.execute(f"select {column}, exact from numbers").fetchall()
                    assert stored == [(number, number)]
                    found = await db.run(q.all())
                    assert (getattr(found, column), found.exact) == (number, number)
                    continue
                with pytest.raises((psycopg.errors.DataError, rx.errors.ParameterError)):
                    await way(row)
                assert side.execute("select * from numbers").fetchall() == []

    play(story, pool_size=1)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e400", "1e-400", "-0.0"])
def test_a_number_that_is_none_is_stored_and_read_as_it_is(
    play: Play, write: Any, side: psycopg.Connection[Any], text: str
) -> None:
    side.execute(
        "create table numbers (small int2, whole int4, big int8, exact numeric, real float8)"
    )
    q = write(NUMBERS)
    exact, real = decimal.Decimal(text), float(text)

    async def story(db: Any) -> None:
        row = {"small": None, "whole": None, "big": None, "exact": exact, "real": real}
        await db.run(q.put(**row))
        found = await db.run(q.all())
        assert repr(found.real) == repr(real)
        assert found.exact == exact or (exact.is_nan() and found.exact.is_nan())
        ((told,),) = side.execute("select exact::text || ' ' || real::text from numbers").fetchall()
        assert told.split()[1] == {"inf": "Infinity", "-inf": "-Infinity"}.get(repr(real)) or (
            told.split()[1] in ("NaN", "0", "-0")
        )

    play(story, pool_size=1)


MOST = 65_535


def counting(count: int) -> tuple[str, dict[str, int]]:
    names = [f"p{number}" for number in range(count)]
    listed = ", ".join(f":{name}" for name in names)
    text = f"-- name: count :one -> scalar\nselect cardinality(array[{listed}]::int[]);\n"
    return text, dict.fromkeys(names, 1)


def test_more_parameters_than_the_protocol_counts_are_refused_before_anything_is_sent(
    play: Play, q: Any, write: Any, watch: Any
) -> None:
    text, arguments = counting(MOST + 1)

    async def story(db: Any) -> None:
        pid = await db.run(q.pid())
        with (
            watch.at_most(5),
            pytest.raises((rx.errors.LoadError, rx.errors.ParameterError)) as caught,
        ):
            await db.run(write(text).count(**arguments))
        assert "65535" in str(caught.value).replace(",", "").replace(" ", "")
        assert "array" in str(caught.value)
        assert await db.run(q.pid()) == pid

    play(story, pool_size=1)


def test_as_many_parameters_as_the_protocol_counts_are_sent(play: Play, write: Any) -> None:
    text, arguments = counting(MOST)
    many = write(text)

    async def story(db: Any) -> None:
        assert await db.run(many.count(**arguments)) == MOST

    play(story, pool_size=1)

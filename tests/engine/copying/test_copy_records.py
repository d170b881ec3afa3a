"""Records into the server and out of it, through :copy queries of both formats and colours."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs
import psycopg
import pytest

import raxol_sql as rx

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.conftest import Play

SQL = """\
    -- name: text_in :copy
    copy prices (item, price, since, tags) from stdin;
    -- name: binary_in :copy
    copy prices (item, price, since, tags) from stdin (format binary);
    -- name: binary_in_any :copy
    copy prices from stdin (format binary);
    -- name: text_out :copy -> Price
    copy prices (item, price, since, tags) to stdout;
    -- name: binary_out :copy -> Price
    copy prices (item, price, since, tags) to stdout (format binary);
    -- name: query_out :copy -> Price
    copy (select tags, since, item, price from prices where price > 1) to stdout with binary;
    -- name: items :copy -> scalar
    copy (select item from prices order by item) to stdout;
    -- name: dates :copy -> scalar
    copy prices (since) to stdout (format binary);
    -- name: whole :copy -> Price
    copy prices to stdout;
    -- name: half :copy -> Price
    copy (select item, price from prices) to stdout;
    -- name: broken :copy -> Price
    copy (select item, price from prices where no_column) to stdout;
    -- name: header_out :copy
    copy prices to stdout (header);
    -- name: header_in :copy
    copy prices from stdin (header);
    -- name: bytes_out :copy
    copy prices to stdout (format binary);
    -- name: widen :exec
    alter table prices alter column price type int8;
"""


@attrs.frozen
class Price:
    """A row of the table."""

    item: str
    price: Decimal | int | None
    since: dt.date
    tags: list[str | None]


PRICES = [
    Price("a\tb", Decimal("1.50"), dt.date(2024, 2, 29), ["x", None]),
    Price("\\N", None, dt.date(1, 1, 1), []),
]


@pytest.fixture
def q(write: Callable[..., Any], accounts_database: str) -> Any:
    with psycopg.connect(accounts_database, autocommit=True) as connection:
        connection.execute(
            "drop table if exists prices; create table prices "
            "(item text, price numeric, since date, tags text[])"
        )
    return write(SQL, Price)


def test_records_go_in_and_come_out_as_they_were(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        for into in (q.text_in, q.binary_in, q.binary_in_any):
            rows = [attrs.astuple(price) for price in PRICES] if into is q.binary_in_any else PRICES
            assert await db.copy(into, rows) == 2
        for out in (q.text_out, q.binary_out, q.whole):
            assert await db.copy(out) == PRICES * 3
        assert await db.copy(q.query_out) == PRICES[:1] * 3
        assert await db.copy(q.items) == ["\\N"] * 3 + ["a\tb"] * 3
        assert await db.copy(q.dates) == [price.since for price in PRICES] * 3

    play(story, pool_size=1)


def test_a_table_that_has_changed_is_copied_by_what_it_is_now(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        whole = [attrs.evolve(price, price=7) for price in PRICES]
        assert await db.copy(q.binary_in, whole) == 2
        await db.run(q.widen())
        assert await db.copy(q.binary_in, whole) == 2
        assert await db.copy(q.binary_out) == whole * 2
        assert {type(price.price) for price in await db.copy(q.query_out)} == {int}

    play(story, pool_size=1)


def test_a_row_that_does_not_fit_leaves_nothing_and_the_connection_whole(
    play: Play, q: Any
) -> None:
    wrong = attrs.evolve(PRICES[0], since="some day")

    async def story(db: Any) -> None:
        with pytest.raises(
            rx.errors.ParameterError, match=r"q\.binary_in: row 700: since is date, and a"
        ):
            await db.copy(q.binary_in, [*PRICES * 350, wrong])
        with pytest.raises(psycopg.errors.InvalidDatetimeFormat):
            await db.copy(q.text_in, [*PRICES * 350, wrong])
        assert await db.copy(q.items) == []

    play(story, pool_size=1)


def test_columns_that_are_no_record_are_an_error_before_anything_is_copied(
    play: Play, q: Any
) -> None:
    async def story(db: Any) -> None:
        with pytest.raises(
            rx.errors.RecordError, match="fields of Price without a column: 'since', 'tag"
        ):
            await db.copy(q.half)
        with pytest.raises(psycopg.errors.UndefinedColumn):
            await db.copy(q.broken)
        assert await db.copy(q.items) == []

    play(story, pool_size=1)


def test_rows_of_another_look_are_had_as_bytes_only(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        for query, data, problem in [
            (q.header_out, (), "this COPY sends text with header: give copy() a binary"),
            (q.header_in, ([],), "this COPY reads text with header: give copy() bytes"),
            (q.bytes_out, (), "this COPY sends binary: give copy() a binary file to write to"),
        ]:
            with pytest.raises(rx.errors.QueryKindError) as caught:
                await db.copy(query, *data)
            assert problem in str(caught.value)
        assert await db.copy(q.header_in, b"any\theader\tat\tall\na\t1\t2024-01-01\t{}\n") == 1
        assert await db.copy(q.items) == ["a"]

    play(story, pool_size=1)


def test_a_value_out_of_range_ends_the_copy_and_frees_the_connection(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        early = "a\t1\t2024-01-01\t{}\n" * 3 + "b\t1\tinfinity\t{}\n" + "c\t1\t2024-01-01\t{}\n" * 9
        assert await db.copy(q.text_in, early.encode()) == 13
        for query in (q.text_out, q.binary_out):
            with pytest.raises(psycopg.DataError) as caught:
                await db.copy(query)
            assert "in row 3 of the COPY" in caught.value.__notes__
        assert len(await db.copy(q.items)) == 13

    play(story, pool_size=1)

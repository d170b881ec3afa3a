"""Rows of every kind become the blocks of a COPY, and one that does not fit says where."""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict, UserDict, defaultdict, deque, namedtuple
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

import raxol_sql as rx
from raxol_sql.engine.copy.encoder import BLOCK, HEADER, LARGEST_BLOCK, TRAILER, RowEncoder
from raxol_sql.engine.copy.source import iter_blocks
from raxol_sql.engine.core.concurrency import run_sync
from raxol_sql.text import CopyShape

if TYPE_CHECKING:
    from tests.engine.copying.conftest import Copier

NAMES = ("id", "name", "share")
FORMATS = pytest.mark.parametrize("format", ["text", "binary"])


@attrs.frozen
class Share:
    """A record with one field more than there are columns."""

    name: str | None
    id: int
    share: Decimal | None = None
    note: str = ""


@attrs.frozen
class Half:
    """A record that lacks a column."""

    id: int
    name: str


Named = namedtuple("Named", NAMES)


@pytest.fixture(scope="module")
def shares(copier: Copier) -> Copier:
    copier.connection.execute(
        "create unlogged table shares (id int, name text, share numeric); "
        "create unlogged table single (v text); "
        "create unlogged table documents (id int, body jsonb, tags text[])"
    )
    return copier


def found(copier: Copier) -> list[Any]:
    text = "with gone as (delete from shares returning *) select * from gone order by id"
    return copier.connection.execute(text).fetchall()


@FORMATS
@pytest.mark.parametrize(
    "rows",
    [
        [(1, "a", Decimal("1.5")), (2, None, None)],
        [[1, "a", Decimal("1.5")], [2, None, None]],
        [[1, "a", Decimal("1.5")], (2, None, None)],
        [deque([1, "a", 1.5]), deque([2, None, None])],
        [Named(1, "a", 1.5), Named(2, None, None)],
        [{"share": 1.5, "id": 1, "name": "a"}, {"id": 2, "name": None, "share": None}],
        [OrderedDict(id=1, share=1.5, name="a"), UserDict(id=2, name=None, share=None)],
        [Share("a", 1, Decimal("1.5")), Share(None, 2)],
        [Share("a", 1, Decimal("1.5")), {"id": 2, "name": None, "share": None}],
    ],
)
def test_sequences_mappings_and_records_are_rows(
    shares: Copier, rows: list[Any], format: str
) -> None:
    assert shares.into("shares", NAMES, rows, format) == 2
    assert found(shares) == [(1, "a", Decimal("1.5")), (2, None, None)]
    assert shares.into("shares", NAMES, iter(rows), format) == 2
    assert len(found(shares)) == 2


@FORMATS
def test_a_single_column_is_read_from_rows_of_every_kind(shares: Copier, format: str) -> None:
    @attrs.frozen
    class Single:
        v: str

    for row in (("ab",), {"v": "ab"}, Single("ab"), ["ab"]):
        assert shares.into("single", ["v"], [row, row], format) == 2
        assert shares.taken("single") == ["ab", "ab"]


@FORMATS
def test_without_a_list_rows_go_in_the_order_of_the_table(shares: Copier, format: str) -> None:
    assert shares.into("shares", (), [(1, "a", 2)], format) == 1
    assert found(shares) == [(1, "a", Decimal(2))]
    with pytest.raises(
        rx.errors.ParameterError, match=r"row 1 has 1 values for 3 columns: id, name, sh"
    ):
        shares.into("shares", (), [(1, "a", 2), (2,)], format)
    with pytest.raises(rx.errors.ParameterError, match="to give rows by name, list the columns"):
        shares.into("shares", (), [{"id": 1, "name": "a", "share": 2}], format)


@FORMATS
def test_no_row_is_a_whole_copy(shares: Copier, format: str) -> None:
    assert shares.into("shares", NAMES, [], format) == 0
    expected = [HEADER, TRAILER] if format == "binary" else []
    assert shares.blocks("shares", NAMES, [], format) == expected


class Missing(defaultdict[str, Any]):
    """A mapping that has what nobody put there."""


@FORMATS
@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ((2,), "row {0} has 1 values for 3 columns: id, name, share"),
        ((2, "b", 1, 2), "row {0} has 4 values for 3 columns: id, name, share"),
        ([], "row {0} has 0 values for 3 columns: id, name, share"),
        ({"id": 2, "name": "b"}, "row {0} has no share"),
        ({"id": 2, "name": "b", "shares": 1}, "row {0} has no share; row {0} has shares, which is"),
        ({"id": 2, "name": "b", "share": 1, "x": 1}, "row {0} has x, which is not a column"),
        (Missing(None, id=2, name="b", x=1), "row {0} has no share; row {0} has x, which is no"),
        (Half(2, "b"), "row {0} has no share"),
        ("abc", "row {0} is a str, which is not a row"),
        (b"abc", "row {0} is a bytes, which is not a row"),
        (7, "row {0} is an int, which is not a row"),
        (None, "row {0} is a NoneType, which is not a row"),
        ({1, 2, 3}, "row {0} is a set, which is not a row"),
    ],
)
def test_a_row_of_another_shape_is_named_by_its_number(
    shares: Copier, row: Any, problem: str, format: str
) -> None:
    for place in (0, 1, 700, 3000):
        rows = [*[(1, "a", 1)] * place, row, (3, "c", 1)]
        with pytest.raises(rx.errors.ParameterError) as caught:
            shares.into("shares", NAMES, rows, format)
        assert str(caught.value).startswith(f"q.into: {problem.format(place)}")
        assert found(shares) == []


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (("SECRET", "b", 1), "id is integer, and a str was given, which has no binary form for it"),
        ((2**31, "b", 1), "id is integer, and an int was given, which is out of its range"),
        ((-(2**31) - 1, "b", 1), "id is integer, and an int was given, which is out of its range"),
        ((True, "b", 1), "id is integer, and a bool was given, which has no binary form for it"),
        ((1.5, "b", 1), "id is integer, and a float was given, which it does not accept"),
        ((2, {"SECRET": 1}, 1), "name is text, and a dict was given, which it does not accept"),
        ((2, "SECRET\ud800", 1), "name is text, and a str was given, which cannot be written ("),
        ((2, "b", "7"), "share is numeric, and a str was given, which has no binary form for it"),
        ((2, "b", Decimal("1E+200000")), "share is numeric, and a Decimal was given, which cannot"),
        ((2, "b", object()), "share is numeric, and an object was given, which it does not accept"),
    ],
)
def test_a_value_without_a_binary_form_is_named_by_its_row_and_column_and_not_shown(
    shares: Copier, values: tuple[Any, ...], problem: str
) -> None:
    row = dict(zip(NAMES, values, strict=True))
    for place in (0, 1, 700, 3000):
        for rows in (
            [*[(1, "a", 1)] * place, values, (3, "c", 1)],
            [*[{"id": 1, "name": None, "share": None}] * place, row],
        ):
            with pytest.raises(rx.errors.ParameterError) as caught:
                shares.into("shares", NAMES, rows, "binary")
            assert str(caught.value).startswith(f"q.into: row {place}: {problem}")
            assert "SECRET" not in str(caught.value)
            assert found(shares) == []


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ((1.5, "b", 1), "id is integer, and a float was given, which it does not accept"),
        ((2, {"SECRET": 1}, 1), "name is text, and a dict was given, which it does not accept"),
        ((2, "SECRET\0", 1), "name is text, and a str was given, which cannot be written ("),
        ((2, "SECRET\ud800", 1), "name is text, and a str was given, which cannot be written ("),
    ],
)
def test_a_value_without_a_text_is_named_by_its_row_and_column_and_not_shown(
    shares: Copier, values: tuple[Any, ...], problem: str
) -> None:
    for place in (0, 1, 700):
        with pytest.raises(rx.errors.ParameterError) as caught:
            shares.into("shares", NAMES, [*[(1, "a", 1)] * place, values], "text")
        assert str(caught.value).startswith(f"q.into: row {place}: {problem}")
        assert "SECRET" not in str(caught.value)
    assert found(shares) == []


@pytest.mark.parametrize(
    ("values", "error"),
    [
        (("x", "b", 1), psycopg.errors.InvalidTextRepresentation),
        ((2**31, "b", 1), psycopg.errors.NumericValueOutOfRange),
        ((2, "b", "x"), psycopg.errors.InvalidTextRepresentation),
    ],
)
def test_the_text_of_a_value_is_judged_by_the_server(
    shares: Copier, values: tuple[Any, ...], error: type[psycopg.Error]
) -> None:
    with pytest.raises(error) as caught:
        shares.into("shares", NAMES, [(1, "a", 1), values], "text")
    assert "line 2, column" in str(caught.value.diag.context)


def test_numbers_given_as_texts_are_numbers_in_text(shares: Copier) -> None:
    assert shares.into("shares", NAMES, [("1", "a", "1.5"), (2, "b", 2.5)], "text") == 2
    assert found(shares) == [(1, "a", Decimal("1.5")), (2, "b", Decimal("2.5"))]


cells = st.tuples(
    st.none() | st.integers(-9, 9),
    st.none() | st.sampled_from(["", "\\N", "a\tb", "é"]) | st.integers(0, 9),
    st.none() | st.decimals(-9, 9, places=2) | st.floats(-9, 9) | st.integers(-9, 9),
)


@FORMATS
@given(rows=st.lists(cells, max_size=9), copies=st.integers(1, 30))
def test_rows_that_go_together_go_as_each_of_them_goes_alone(
    shares: Copier, format: str, rows: list[tuple[Any, ...]], copies: int
) -> None:
    text = "with gone as (delete from shares returning *) select gone::text from gone"
    for row in rows:
        shares.into("shares", NAMES, [row], format)
    alone = shares.connection.execute(text).fetchall()
    assert shares.into("shares", NAMES, rows * copies, format) == len(rows) * copies
    assert sorted(shares.connection.execute(text).fetchall()) == sorted(alone * copies)


@FORMATS
def test_blocks_have_a_size_that_suits_the_connection(shares: Copier, format: str) -> None:
    blocks = shares.blocks("shares", NAMES, ((n, "x" * 50, 1) for n in range(20_000)), format)
    sizes = [len(block) for block in blocks]
    assert sum(sizes) > 1_000_000
    assert max(sizes) <= LARGEST_BLOCK
    # Those in the middle, before which a size was found, and after which the rows do not end.
    assert all(BLOCK * 0.9 < size < BLOCK * 1.1 for size in sizes[6:-2])


@FORMATS
def test_rows_larger_than_a_block_are_cut(shares: Copier, format: str) -> None:
    rows = [(n, "\t" * (LARGEST_BLOCK + n), None) for n in range(3)]
    blocks = shares.blocks("shares", NAMES, rows, format)
    assert max(map(len, blocks)) == LARGEST_BLOCK
    assert shares.send("shares", NAMES, blocks, format) == 3
    assert [len(row[1]) for row in found(shares)] == [LARGEST_BLOCK + n for n in range(3)]


def test_a_generator_is_not_read_ahead_of_its_block(shares: Copier) -> None:
    read: list[int] = []

    def rows() -> Iterator[Any]:
        for number in range(1000):
            read.append(number)
            yield (number, "x" * LARGEST_BLOCK, None)

    shape = CopyShape(True, NAMES, "binary", "shares")
    columns = shares.columns("shares", *NAMES)
    blocks = RowEncoder(shares.connection, "q.into", shape, columns).blocks(rows())

    async def take(count: int) -> None:
        for _ in range(count):
            await anext(blocks)

    run_sync(take(3))
    assert len(read) <= 16
    run_sync(take(100))
    assert len(read) <= 103


@FORMATS
def test_an_asynchronous_iterable_gives_the_same_blocks(shares: Copier, format: str) -> None:
    rows = [(n, f"name {n}", n) for n in range(5000)]

    async def given_later() -> AsyncIterator[Any]:
        for row in rows:
            yield row

    # Nothing but the rows is waited for, and these never are.
    assert shares.blocks("shares", NAMES, given_later(), format) == shares.blocks(
        "shares", NAMES, rows, format
    )


def test_bytes_that_are_ready_are_cut_into_blocks() -> None:
    data = bytes(range(256)) * 1000
    for whole in (data, bytearray(data), memoryview(data), memoryview(data[::-1])[::-1]):
        blocks = iter_blocks("q", whole)
        assert blocks is not None
        cut = run_sync(gathered(blocks))
        assert b"".join(cut) == data
        assert max(map(len, cut)) <= BLOCK


async def gathered(blocks: AsyncIterator[bytes]) -> list[bytes]:
    return [block async for block in blocks]


def test_what_is_no_iterable_is_refused_at_once(shares: Copier) -> None:
    encoder = RowEncoder(shares.connection, "q", CopyShape(True, NAMES, "text", "shares"), ())
    with pytest.raises(TypeError, match="not iterable"):
        encoder.blocks(5)  # type: ignore[arg-type]


@FORMATS
def test_documents_and_lists_need_no_wrapping(shares: Copier, format: str) -> None:
    rows = [
        (1, {"a": [1, None]}, ["x", None]),
        (2, [], []),
        (3, Jsonb("text"), ["{}", '"']),
        (4, '{"as": "text"}' if format == "text" else {"as": "text"}, None),
    ]
    assert shares.into("documents", ("id", "body", "tags"), rows, format) == 4
    text = "with gone as (delete from documents returning *) select * from gone order by id"
    assert shares.connection.execute(text).fetchall() == [
        (1, {"a": [1, None]}, ["x", None]),
        (2, [], []),
        (3, "text", ["{}", '"']),
        (4, {"as": "text"}, None),
    ]


def test_texts_of_another_type_among_many_of_the_usual_are_taken_all_the_same(
    own: Copier,
) -> None:
    own.connection.execute("create temp table mixed (id int, name text)")
    rows: list[Any] = [(n, "x") for n in range(3000)]
    rows[1500] = (1500, 7)
    rows[2000] = (2000, None)
    own.into("mixed", ("id", "name"), rows)
    found = own.connection.execute("select id, name from mixed where name is distinct from 'x'")
    assert found.fetchall() == [(1500, "7"), (2000, None)]


@FORMATS
def test_a_moment_means_the_same_in_every_zone_of_the_session(own: Copier, format: str) -> None:
    own.connection.execute("create temp table moments (at timestamptz, local timestamp)")
    noon = dt.datetime(2024, 7, 1, 12, tzinfo=dt.UTC)
    for zone in ("America/New_York", "Asia/Tokyo"):
        own.connection.execute("select set_config('timezone', %s, false)", [zone])
        own.into("moments", ("at", "local"), [(noon, noon.replace(tzinfo=None))], format)
        with pytest.raises(
            rx.errors.ParameterError, match=r"local is timestamp without time zone, and a"
        ):
            own.into("moments", ("at", "local"), [(noon, noon)], format)
    own.connection.execute("set timezone = 'UTC'")
    found = own.connection.execute("select at::text, local::text from moments").fetchall()
    assert {at for at, _ in found} == {"2024-07-01 12:00:00+00"}
    assert {local[-8:] for _, local in found} == {"12:00:00"}

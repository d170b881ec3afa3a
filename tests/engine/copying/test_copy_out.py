"""The rows of a COPY come out as the values, and the records, that a query of them gives."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import attrs
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.adapt import Loader
from psycopg.pq import Format
from psycopg.types.enum import EnumInfo, register_enum

import raxol_sql as rx
from raxol_sql.engine.copy.decoder import check_rows_out, read_texts
from raxol_sql.engine.copy.encoder import HEADER, TRAILER
from raxol_sql.engine.core.concurrency import run_sync
from raxol_sql.engine.types.row_loader import RowLoader
from raxol_sql.text import CopyShape

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from tests.engine.copying.conftest import Copier

FORMATS = pytest.mark.parametrize("format", ["text", "binary"])


@attrs.frozen
class Point:
    """A record of the rows."""

    x: int
    label: str | None


def points(row: tuple[Any, ...]) -> Point:
    return Point(*row)


async def given_one_by_one(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


@FORMATS
def test_rows_are_what_is_built_of_them(copier: Copier, format: str) -> None:
    query = r"select n as x, nullif(E'a\tb\\N\n' || n, E'a\tb\\N\n2') from generate_series(1, 3) n"
    assert copier.out(query, format, points) == [
        Point(1, "a\tb\\N\n1"),
        Point(2, None),
        Point(3, "a\tb\\N\n3"),
    ]


@FORMATS
def test_no_row_is_an_empty_list(copier: Copier, format: str) -> None:
    assert copier.out("select 1 where false", format) == []


@FORMATS
def test_rows_without_columns_of_a_binary_copy_are_empty(copier: Copier, format: str) -> None:
    if format == "binary":
        assert copier.out("select from generate_series(1, 2)", format) == [(), ()]


VALUES = {
    "bool": ["true"],
    "int2": ["-7"],
    "int8": ["9223372036854775807"],
    "numeric": ["1.50", "NaN", "-0.001", "1e20"],
    "float8": ["0.1", "-Infinity", "NaN"],
    "text": ["", r"\N", "a\tb\n\\", "é"],
    "char(3)": ["a"],
    "bytea": [r"\x0a09005c"],
    "uuid": ["0f2b8d0e-5b1c-4a58-9d8e-8c5a3e6a1f00"],
    "date": ["2024-02-29"],
    "time": ["23:59:59.000001"],
    "timetz": ["12:00:00+05:30"],
    "timestamp": ["2024-03-31 02:30:00"],
    "timestamptz": ["2024-03-31 02:30:00+00", "1900-01-01 00:00:00+00"],
    "interval": ["-3 days 04:05:06.7"],
    "inet": ["10.0.0.1", "10.0.0.0/8"],
    "json": ['{"a": [1, null]}'],
    "jsonb": ['"\\\\ \\t"'],
    "int4range": ["[1,5)", "empty", "(,)"],
    "tstzrange": ['["2024-01-01 00:00:00+00",)'],
    "int4multirange": ["{[1,2), [5,6)}"],
    "int4[]": ["{{1,2},{3,NULL}}", "{}"],
    "text[]": [r'{"a\tb","\\","{}",NULL,""}'],
    "numeric[]": ["{1.5,NaN}"],
    "timestamptz[]": ['{"2024-07-01 00:00:00+00"}'],
}


@FORMATS
@given(data=st.data())
@settings(max_examples=150)
def test_values_come_out_of_a_copy_as_out_of_a_query(
    copier: Copier, data: st.DataObject, format: str
) -> None:
    types = data.draw(st.lists(st.sampled_from([*VALUES]), min_size=1, max_size=5))
    rows = data.draw(st.integers(1, 3))
    cells = [st.none() | st.sampled_from(VALUES[type]) for type in types]
    quoted = copier.connection.execute
    texts = [
        ", ".join(
            quoted("select format('%%L::' || %s, %s::text)", [type, data.draw(cell)]).fetchone()[0]  # type: ignore[index]
            for type, cell in zip(types, cells, strict=True)
        )
        for _ in range(rows)
    ]
    query = " union all ".join(f"select {text}" for text in texts)
    names, oids = copier.told(query)
    columns = RowLoader(copier.connection, names, oids)
    answer = copier.connection.pgconn.exec_params(
        query.encode(), None, result_format=columns.format
    )
    expected = columns.rows(answer, tuple)
    assert repr(copier.out(query, format)) == repr(expected)


def test_the_header_of_a_binary_copy_may_come_alone(copier: Copier) -> None:
    query = "select 1, 'a'"
    first, *rest = copier.pieces(query, "binary")
    row = first.removeprefix(HEADER)
    assert rest == [TRAILER]
    for pieces in ([first, TRAILER], [HEADER, row, TRAILER], [first], [HEADER + TRAILER]):
        decoder = copier.decoder(query, "binary")
        read = run_sync(decoder.read(given_one_by_one(pieces), tuple))
        assert read == ([] if pieces == [HEADER + TRAILER] else [(1, "a")])


def test_what_is_no_binary_copy_is_an_error(copier: Copier) -> None:
    decoder = copier.decoder("select 1", "binary")
    with pytest.raises(psycopg.DataError, match="COPY is not in binary format"):
        run_sync(decoder.read(given_one_by_one([b"1\n"]), tuple))


@FORMATS
@pytest.mark.parametrize(
    "value", ["'infinity'::interval", "'infinity'::timestamptz", "'4000-01-01 BC'::date"]
)
def test_a_value_that_python_has_no_room_for_is_an_error_with_its_row(
    copier: Copier, value: str, format: str
) -> None:
    query = f"select case when n = 2 then {value} end from generate_series(0, 4) as n"
    with pytest.raises(psycopg.DataError) as caught:
        copier.out(query, format)
    assert caught.value.__notes__ == ["in row 2 of the COPY"]


@pytest.mark.parametrize("type", ["mood", "mood[]", "pair", "citext", "money", "float4", "xml"])
def test_a_column_that_is_not_read_in_binary_is_named(own: Copier, type: str) -> None:
    query = f"select 1 as id, null::{type} as odd, null::{type} as too"
    with pytest.raises(
        rx.errors.QueryKindError,
        match=r"q\.out: cannot read these columns in binary: odd, too; use",
    ):
        own.out(query, "binary")
    assert own.out(query, "text") == [(1, None, None)]


class UpperLoader(Loader):
    """The way of a program to read texts."""

    def load(self, data: Any) -> str:
        return bytes(data).decode().upper()


class UpperBinaryLoader(UpperLoader):
    """The same for the other format."""

    format = Format.BINARY


def test_loaders_that_the_program_registered_read_their_values(own: Copier) -> None:
    own.connection.adapters.register_loader("text", UpperLoader)
    assert own.out("select 'a'::text", "text") == [("A",)]
    with pytest.raises(rx.errors.QueryKindError, match="cannot read these columns in binary: text"):
        own.out("select 'a'::text", "binary")
    own.connection.adapters.register_loader("text", UpperBinaryLoader)
    assert own.out("select 'a'::text", "binary") == [("A",)]


def test_an_enum_that_is_registered_comes_out_in_either_format(own: Copier) -> None:
    info = EnumInfo.fetch(own.connection, "mood")
    assert info is not None
    register_enum(info, own.connection)
    (from_text,) = own.out("select 'ok'::mood", "text")
    assert from_text[0].name == "ok"
    assert own.out("select 'ok'::mood", "binary") == [from_text]


def test_the_zone_of_a_moment_is_that_of_the_session(own: Copier) -> None:
    for zone in ("Asia/Tokyo", "America/New_York"):
        own.connection.execute("select set_config('timezone', %s, false)", [zone])
        for format in ("text", "binary"):
            ((moment,),) = own.out("select timestamptz '2024-01-01 12:00:00+00'", format)
            assert moment == dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)
            assert str(moment.tzinfo) == zone


def test_without_a_result_a_copy_in_text_gives_texts(own: Copier) -> None:
    own.connection.adapters.register_loader("text", UpperLoader)
    query = r"select n, E'a\t\\N', null, '' from generate_series(1, 2) as n"
    texts = run_sync(read_texts(own.connection, given_one_by_one(own.pieces(query, "text"))))
    assert texts == [("1", "a\t\\N", None, ""), ("2", "a\t\\N", None, "")]
    assert run_sync(read_texts(own.connection, given_one_by_one([]))) == []


@pytest.mark.parametrize(
    ("format", "layout", "names_result", "problem"),
    [
        ("text", (), False, None),
        ("text", (), True, None),
        ("binary", (), True, None),
        ("csv", (), False, "this COPY sends csv: give copy() a binary file to write to"),
        ("csv", ("header",), False, "this COPY sends csv with header: give copy() a binary"),
        ("text", ("null", "delimiter"), False, "this COPY sends text with null, delimiter: give"),
        ("binary", (), False, "this COPY sends binary: give copy() a binary file to write to"),
    ],
)
def test_rows_are_had_only_of_a_copy_that_they_can_be_read_from(
    format: str, layout: tuple[str, ...], names_result: bool, problem: str | None
) -> None:
    shape = CopyShape(False, (), format, "t", None, layout)
    if problem is None:
        check_rows_out("q", shape, names_result=names_result)
        return
    with pytest.raises(rx.errors.QueryKindError) as caught:
        check_rows_out("q", shape, names_result=names_result)
    assert problem in str(caught.value)

"""Rows are read in the one format that all of their columns can be read in."""

from __future__ import annotations

import datetime
import decimal
import sys
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.types import TypeInfo
from psycopg.types.composite import CompositeInfo, register_composite
from psycopg.types.enum import EnumInfo, register_enum

TEXT, BINARY = 0, 1
noon = datetime.datetime(2024, 7, 1, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("names", "format"),
    [
        (["bool", "int2", "int4", "int8", "numeric", "float8", "oid"], BINARY),
        (["text", "varchar", "bpchar", "name", "bytea", "uuid", "json", "jsonb"], BINARY),
        (["date", "time", "timetz", "timestamp", "timestamptz", "interval"], BINARY),
        (["inet", "cidr", "int4range", "tstzmultirange", "int4[]", "int4range[]"], BINARY),
        (["hstore", "mood", "item", "hstore[]", "mood[]", "item[]", "textrange"], BINARY),
        (["percentage"], BINARY),
        (["int4", "colour"], TEXT),
        (["colour[]"], TEXT),
        (["pair"], TEXT),
        (["citext"], TEXT),
        (["money"], TEXT),
        (["xml"], TEXT),
        (["point[]"], TEXT),
        (["float4"], TEXT),
        (["float4[]"], TEXT),
        (['"char"'], TEXT),
    ],
)
def test_binary_is_the_format_if_all_columns_can_be_read_in_it(
    prepared: Callable[[str], Any], names: list[str], format: int
) -> None:
    columns = [f"null::{name}" for name in names]

    assert prepared(f"select {', '.join(columns)}").columns.format == format


def test_what_nobody_registered_is_read_as_a_str(prepared: Callable[[str], Any]) -> None:
    sql = (
        "select 'red'::colour, array['red']::colour[], (1, 'b')::pair, 'X'::citext, '(1,2)'::point"
    )

    assert prepared(sql)() == [("red", "{red}", "(1,b)", "X", "(1,2)")]
    assert prepared("select row(1, 'b')")() == [(("1", "b"),)]


def test_a_value_does_not_depend_on_the_columns_beside_it(prepared: Callable[[str], Any]) -> None:
    values = "1, 0.1::float4, 1.10, 'a'::\"char\", ''::\"char\", date '2024-02-29', 'x'::bytea"

    alone = prepared(f"select {values}")()
    beside = prepared(f"select {values}, 'red'::colour")()

    expected = (1, 0.1, decimal.Decimal("1.10"), "a", "", datetime.date(2024, 2, 29), b"x")
    assert alone == [expected]
    assert beside == [(*expected, "red")]


def test_parts_that_have_no_binary_loader_keep_the_whole_from_being_binary(
    connection: psycopg.Connection[Any], prepare: Callable[[str], Any]
) -> None:
    _known(TypeInfo, connection, "citext").register(connection)
    connection.execute("create type pg_temp.wrapped as (inner_one citext, number float4)")
    register_composite(_known(CompositeInfo, connection, "pg_temp.wrapped"), connection)

    assert prepare("select array['X']::citext[]")() == [(["X"],)]
    (found,) = prepare("select ('X', 0.1)::pg_temp.wrapped")()[0]
    assert tuple(found) == ("X", 0.1)


def test_an_enum_that_is_registered_is_read_as_its_member(
    connection: psycopg.Connection[Any], prepare: Callable[[str], Any]
) -> None:
    info = _known(EnumInfo, connection, "colour")
    register_enum(info, connection)

    statement = prepare("select 'red'::colour, array['red', null]::colour[]")

    assert statement.columns.format == BINARY
    assert statement() == [(info.enum.red, [info.enum.red, None])]


def test_columns_know_their_names_and_types(prepared: Callable[[str], Any]) -> None:
    columns = prepared("select 1 as one, 'x'::text as \"Übung\", 1 as one").columns

    assert columns.names == ("one", "Übung", "one")
    assert columns.oids == (23, 25, 23)


def test_a_statement_without_columns_has_none(prepared: Callable[[str], Any]) -> None:
    columns = prepared("create temp table if not exists nothing ()").columns

    assert (columns.names, columns.oids) == ((), ())


def test_build_is_given_a_tuple_for_each_row(prepared: Callable[[str], Any]) -> None:
    statement = prepared("select i, i::text from generate_series(1, 3) i")
    result = statement.result()
    columns = statement.columns

    assert columns.rows(result, lambda row: row) == [(1, "1"), (2, "2"), (3, "3")]
    assert columns.row(result, 1, lambda row: (type(row), *row)) == (tuple, 2, "2")
    assert prepared("select 1 where false")() == []


def test_a_result_is_not_kept(prepared: Callable[[str], Any]) -> None:
    statement = prepared("select i from generate_series(1, 3) i")
    result = statement.result()
    before = sys.getrefcount(result)

    statement.columns.rows(result, tuple)
    statement.columns.row(result, 0, tuple)
    with pytest.raises(ZeroDivisionError):
        statement.columns.rows(result, lambda row: 1 / 0)

    assert sys.getrefcount(result) == before


@pytest.mark.parametrize(
    ("columns", "read"),
    [
        ("$1::timestamptz", lambda found: found),
        ("$1::timestamptz, 'red'::colour", lambda found: found),
        ("array[$1::timestamptz]", lambda found: found[0]),
        ("array[$1::timestamptz], 0::float4", lambda found: found[0]),
        ("tstzrange($1, null)", lambda found: found.lower),
        ("tstzmultirange(tstzrange($1, null))", lambda found: found[0].lower),
        ("$1::timestamptz, int4range(1, 2)", lambda found: found),
    ],
)
def test_the_zone_of_a_datetime_is_the_sessions_whenever_it_changes(
    session: psycopg.Connection[Any],
    told: Callable[[str], Any],
    columns: str,
    read: Callable[[Any], datetime.datetime],
) -> None:
    statement = told(f"select {columns}")

    for name in ("UTC", "Europe/Paris", "Asia/Kathmandu", "UTC"):
        session.execute(f"set timezone = '{name}'")
        found = read(statement(noon)[0][0])
        assert found == noon
        assert found.utcoffset() == noon.astimezone(ZoneInfo(name)).utcoffset()


def test_the_zone_in_a_composite_is_the_sessions_whenever_it_changes(
    connection: psycopg.Connection[Any], prepare: Callable[[str], Any]
) -> None:
    connection.execute("create type pg_temp.event as (at timestamptz)")
    register_composite(_known(CompositeInfo, connection, "pg_temp.event"), connection)
    statement = prepare("select row($1)::pg_temp.event")

    for name in ("Europe/Paris", "Asia/Kathmandu"):
        connection.execute(f"set timezone = '{name}'")
        assert statement.one(noon).at.tzinfo == ZoneInfo(name)


@pytest.mark.parametrize("beside", ["1", "'red'::colour"])
def test_a_date_is_the_same_in_every_style_of_the_session(
    session: psycopg.Connection[Any], told: Callable[[str], Any], beside: str
) -> None:
    statement = told(f"select date '2024-02-03', timestamp '2024-02-03 04:05:06', {beside}")

    for style in ("iso, mdy", "sql, dmy", "sql, mdy", "german", "postgres, dmy", "iso, mdy"):
        session.execute(f"set datestyle = '{style}'")
        day, time, _ = statement()[0]
        assert day == datetime.date(2024, 2, 3)
        assert time == datetime.datetime(2024, 2, 3, 4, 5, 6)


OUT_OF_RANGE = {
    "date": ["infinity", "-infinity", "10000-01-01", "0001-12-31 BC", "5874897-12-31"],
    "timestamp": ["infinity", "-infinity", "10000-01-01", "0001-12-31 23:59:59 BC", "294276-12-31"],
    "timestamptz": ["infinity", "-infinity", "10000-01-02", "0002-12-31 BC", "294276-12-31"],
    "time": ["24:00"],
    "timetz": ["24:00+00"],
    "interval": ["infinity", "-infinity", "1000000000 days", "-178000000 years"],
    "daterange": ["[2024-01-01,infinity)"],
}


@pytest.mark.parametrize("beside", ["1", "'red'::colour"], ids=["binary", "text"])
@pytest.mark.parametrize("name", OUT_OF_RANGE)
def test_what_python_has_no_room_for_is_an_error(
    prepared: Callable[[str], Any], name: str, beside: str
) -> None:
    statement = prepared(f"select $1::{name}, {beside}")
    listed = prepared(f"select array[$1::{name}], {beside}")

    for text in OUT_OF_RANGE[name]:
        for one in (statement, listed):
            with pytest.raises(psycopg.DataError):
                one(text)


@pytest.mark.parametrize("beside", ["1", "'red'::colour"], ids=["binary", "text"])
def test_the_ends_of_what_python_has_room_for_are_read(
    prepared: Callable[[str], Any], beside: str
) -> None:
    statement = prepared(f"select $1::date, $2::timestamp, {beside}")

    for end in (datetime.datetime.min, datetime.datetime.max):
        assert statement(end.date(), end)[0][:2] == (end.date(), end)


def _known(kind: Any, connection: psycopg.Connection[Any], name: str) -> Any:
    info = kind.fetch(connection, name)
    assert info is not None
    return info

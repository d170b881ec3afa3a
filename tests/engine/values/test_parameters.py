"""Each value goes as what the server asks for, or the server judges it by its text."""

from __future__ import annotations

import decimal
import enum
import json
import math
import struct
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg.types.json import Json, Jsonb, set_json_dumps, set_json_loads

from raxol_sql.engine.types.parameters import ParameterTypeMismatch

WHOLE = {"int2": 16, "int4": 32, "int8": 64}
TEXT, BINARY = 0, 1


class Level(enum.IntEnum):
    LOW = 1


class Word(enum.StrEnum):
    YES = "yes"


class Colour(enum.Enum):
    """Its values are the labels of ``colour``."""

    GREEN = "green"


class Plain(enum.Enum):
    red = "something else"


class Loud(float):
    def __str__(self) -> str:
        return "loud!"

    __repr__ = __str__


def _outcome(read: Callable[[], Any]) -> str:
    try:
        return repr(read())
    except psycopg.DataError as error:
        return str(error.sqlstate)


def _literal(connection: psycopg.Connection[Any], text: str, name: str) -> Any:
    return connection.execute(f"select '{text}'::{name}").fetchone()[0]  # type: ignore[index]


@pytest.mark.parametrize("name", [*WHOLE, "oid", "numeric", "float4", "float8"])
@given(value=st.integers() | st.integers(-(2**66), 2**66) | st.integers(-(2**16), 2**16))
@example(2**63)
@example(-(2**31) - 1)
@example(2**24 + 1)
@example(10**400)
def test_an_int_is_what_its_digits_are(
    prepared: Callable[[str], Any], shared: psycopg.Connection[Any], name: str, value: int
) -> None:
    found = _outcome(lambda: prepared(f"select $1::{name}").one(value))

    assert found == _outcome(lambda: _literal(shared, str(value), name))


@pytest.mark.parametrize("name", ["numeric", "float4", "float8"])
@given(value=st.decimals(allow_nan=False) | st.floats(allow_nan=False, width=64))
@example(decimal.Decimal("1E-400"))
@example(decimal.Decimal("sNaN"))
@example(float("-inf"))
def test_a_fraction_is_what_its_digits_are(
    prepared: Callable[[str], Any], shared: psycopg.Connection[Any], name: str, value: Any
) -> None:
    found = _outcome(lambda: prepared(f"select $1::{name}").one(value))

    text = str(value).replace("sNaN", "NaN")
    if name == "float4" and isinstance(value, float):
        # As the server makes a float4 of a float8, and not of a text that is half way between two.
        expected = _outcome(lambda: _literal(shared, text, "float8::float4"))
    else:
        expected = _outcome(lambda: _literal(shared, text, name))
    assert found == expected


@given(value=st.floats(width=32))
@example(value=float("-nan"))
def test_a_float4_keeps_every_bit(prepared: Callable[[str], Any], value: float) -> None:
    statement = prepared("select float4send($1::float4)")
    (_,), (format,) = statement.parameters.dump([value])

    # As a text, for whatever type the column has at that moment; a text has one NaN.
    expected = math.nan if math.isnan(value) else value
    assert (statement.one(value), format) == (struct.pack("!f", expected), TEXT)


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("make", [float, decimal.Decimal])
@given(data=st.data())
def test_a_whole_number_is_one_whatever_its_class(
    prepared: Callable[[str], Any], name: str, make: Any, data: st.DataObject
) -> None:
    bound = 2 ** min(WHOLE[name] - 1, 53) - 1
    value = data.draw(st.integers(-bound, bound))

    assert prepared(f"select $1::{name}").one(make(value)) == value


@pytest.mark.parametrize("name", [*WHOLE, "oid", "money", "regclass"])
@pytest.mark.parametrize("value", [0.5, decimal.Decimal("1.5"), float("nan"), float("inf")])
def test_a_number_is_never_rounded(prepared: Callable[[str], Any], name: str, value: Any) -> None:
    with pytest.raises(ParameterTypeMismatch, match="that is not a whole number"):
        prepared(f"select $1::{name}").one(value)


def test_a_huge_exponent_costs_no_time(prepared: Callable[[str], Any]) -> None:
    with pytest.raises(ParameterTypeMismatch):
        prepared("select $1::int8").one(decimal.Decimal("1E+999999999"))


@pytest.mark.parametrize(
    ("name", "value", "format"),
    [
        ("int4", 5, BINARY),
        ("int4", Level.LOW, BINARY),
        ("int4", 2**31, TEXT),
        ("int4", "5", TEXT),
        ("bool", True, BINARY),
        ("bool", 1, TEXT),
        ("float8", 5, BINARY),
        ("uuid", "00000000-0000-0000-0000-000000000001", TEXT),
        ("bytea", b"\0", BINARY),
        ("bytea", memoryview(b"\0"), BINARY),
        ("bytea", bytearray(b"\0"), BINARY),
        ("int4[]", [1, None, Level.LOW], BINARY),
        ("int4[]", [1, "2"], TEXT),
        ("text[]", ["a", "b"], BINARY),
        ("percentage", 5, TEXT),
    ],
)
def test_what_is_certain_is_sent_in_binary(
    prepared: Callable[[str], Any], name: str, value: Any, format: int
) -> None:
    _, formats = prepared(f"select $1::{name}").parameters.dump([value])

    assert formats == [format]


def test_none_is_null_for_every_type(prepared: Callable[[str], Any]) -> None:
    names = ["int4", "text", "timestamptz", "jsonb", "mood", "int4[]", "item", "percentage"]

    for name in names:
        assert prepared(f"select $1::{name} is null").one(None) is True


def test_one_statement_takes_values_of_several_types(prepared: Callable[[str], Any]) -> None:
    statement = prepared("select $1::int4, $2::text, $3::bool, $1 + 1")

    assert statement(1, "a", None) == [(1, "a", None, 2)]
    assert statement(Level.LOW, Word.YES, True) == [(1, "yes", True, 2)]


def test_as_many_values_as_parameters_are_wanted(prepared: Callable[[str], Any]) -> None:
    for sql, values in [("select $1::int", [1, 2]), ("select $1::int, $2::int", [1])]:
        with pytest.raises(ValueError, match="values for"):
            prepared(sql).parameters.dump(values)
    assert prepared("select 1").parameters.dump([]) == ([], [])


def test_an_enum_that_is_not_registered_goes_by_its_value(
    prepared: Callable[[str], Any],
) -> None:
    assert prepared("select $1::text").one(Word.YES) == "yes"
    assert prepared("select $1::int4").one(Level.LOW) == 1
    assert prepared("select $1::text").one(Plain.red) == Plain.red.value
    assert prepared("select $1::jsonb").one([Plain.red]) == [Plain.red.value]
    assert prepared("select $1::colour").one(Colour.GREEN) == "green"
    assert prepared("select $1::colour[]").one([Colour.GREEN, None]) == "{green,NULL}"


def test_a_class_that_prints_itself_otherwise_is_the_number_that_it_is(
    prepared: Callable[[str], Any],
) -> None:
    for name in ("float4", "float8", "numeric"):
        assert prepared(f"select $1::{name}").one(Loud(2.5)) == 2.5


@pytest.mark.parametrize("name", ["json", "jsonb"])
def test_json_takes_documents_texts_of_them_and_single_values(
    prepared: Callable[[str], Any], name: str
) -> None:
    one = prepared(f"select $1::{name}").one

    assert one({"a": [1, None]}) == {"a": [1, None]}
    assert one((1, 2)) == [1, 2]
    assert one('{"a": 1}') == {"a": 1}
    assert one(Json("text")) == one(Jsonb("text")) == "text"
    assert one(Jsonb(None)) is None
    assert [one(5), one(0.5), one(True), one(decimal.Decimal("2.50"))] == [5, 0.5, True, 2.5]
    assert one(Json({1: 2}, dumps=lambda _: "[3]")) == [3]


def test_the_functions_of_the_program_write_and_read_json(
    connection: psycopg.Connection[Any], prepare: Callable[[str], Any]
) -> None:
    set_json_dumps(lambda value: f'["{type(value).__name__}"]', connection)
    set_json_loads(lambda data: str(json.loads(data)).upper(), connection)

    statement = prepare("select $1::jsonb, $2::json")

    assert statement({}, Jsonb(1)) == [("['DICT']", "['INT']")]

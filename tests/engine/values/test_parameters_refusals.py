"""What a statement cannot take is refused before it is sent, without showing it to anybody."""

from __future__ import annotations

import datetime
import decimal
import fractions
import ipaddress
import pickle
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from raxol_sql.engine.types.parameters import ParameterTypeMismatch


class Secret:
    def __repr__(self) -> str:
        return "hunter2"


TEXTS = ["text", "varchar", "bpchar", "name", '"char"', "xml", "bytea"]
CHARACTERS = ["text", "varchar", "bpchar"]
WITH_ONE_TEXT = {
    5: "5",
    -(10**30): "-1000000000000000000000000000000",
    True: "true",
    decimal.Decimal("1.50"): "1.50",
    uuid.UUID(int=1): "00000000-0000-0000-0000-000000000001",
}
NOT_TEXTS = [
    0.5,
    datetime.date(2024, 1, 1),
    datetime.datetime(2024, 1, 1),
    datetime.timedelta(1),
    ipaddress.ip_address("::1"),
    [1],
    ("a",),
    {"a"},
    {"a": 1},
    Jsonb(1),
    Range(1, 2),
]


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("value", NOT_TEXTS, ids=lambda value: type(value).__name__)
def test_nothing_but_a_text_is_one(prepared: Callable[[str], Any], name: str, value: Any) -> None:
    with pytest.raises(ParameterTypeMismatch, match=r"give (a str|bytes)"):
        prepared(f"select $1::{name}").one(value)


@pytest.mark.parametrize("name", sorted({*TEXTS} - {*CHARACTERS}))
@pytest.mark.parametrize("value", WITH_ONE_TEXT)
def test_a_number_is_none_of_the_types_that_only_look_like_texts(
    prepared: Callable[[str], Any], name: str, value: Any
) -> None:
    with pytest.raises(ParameterTypeMismatch, match=r"give (a str|bytes)"):
        prepared(f"select $1::{name}").one(value)


@pytest.mark.parametrize("name", CHARACTERS)
@pytest.mark.parametrize("value", WITH_ONE_TEXT)
def test_what_has_one_text_is_that_text_as_the_server_casts_it(
    prepared: Callable[[str], Any], name: str, value: Any
) -> None:
    kind = {int: "numeric", decimal.Decimal: "numeric", uuid.UUID: "uuid", bool: "bool"}

    assert prepared(f"select $1::{name}").one(value) == WITH_ONE_TEXT[value]
    assert prepared(f"select $1::{kind[type(value)]}::{name}").one(value) == WITH_ONE_TEXT[value]


def test_the_member_of_an_enum_is_no_text_if_it_has_a_type(
    prepared: Callable[[str], Any], mood: Any
) -> None:
    with pytest.raises(ParameterTypeMismatch):
        prepared("select $1::text").one(mood.OK)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        (
            "text",
            0.5,
            "the server expects text here, and a float was given: give a str, or write the type "
            "into the SQL, as in :name::float8",
        ),
        (
            "bytea",
            uuid.UUID(int=1),
            "the server expects bytea here, and a UUID was given: give bytes, or write the type "
            "into the SQL, as in :name::uuid",
        ),
        ("int4", b"5", "the server expects integer here, and bytes were given"),
        (
            "int4",
            5.5,
            "the server expects integer here, and a float was given that is not a whole ",
        ),
        ("int4", fractions.Fraction(1), "integer here, and a Fraction was given"),
        ("int4[]", 5, "the server expects integer[] here, and an int was given"),
        ("int4[]", [1, [2]], "the lists within a list must have the same length"),
        ("text[]", ["a", 0.5], "the server expects text here, and a float was given: give a str"),
        (
            "jsonb",
            {1},
            "the server expects jsonb here, and a set was given that cannot be written as JSON",
        ),
        ("int4range", Multirange([]), "integer range here, and a Multirange was given"),
        ("int4multirange", Range(1, 2), "multirange here, and a Range was given"),
        ("inet", 10, "the server expects inet here, and an int was given"),
        ("percentage", fractions.Fraction(1), "a type unknown to psycopg here, and a"),
    ],
)
def test_the_refusal_says_what_is_wanted_and_what_was_given(
    prepared: Callable[[str], Any], name: str, value: Any, problem: str
) -> None:
    with pytest.raises(ParameterTypeMismatch) as caught:
        prepared(f"select null, $1::{name}").one(value)

    assert problem.replace("integer range", "int4range") in caught.value.problem
    assert caught.value.index == 0


def test_the_refusal_names_the_first_value_that_is_at_fault(prepared: Callable[[str], Any]) -> None:
    statement = prepared("select $1::int, $2::text, $3::text")

    with pytest.raises(ParameterTypeMismatch) as caught:
        statement(1, 0.2, 0.3)

    assert caught.value.index == 1
    assert str(caught.value).startswith("parameter 2: the server expects text here")
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize("name", ["int4", "text", "jsonb", "int4[]", "percentage"])
@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: [value]])
def test_the_refusal_does_not_show_the_value(
    prepared: Callable[[str], Any], name: str, wrap: Any
) -> None:
    with pytest.raises(ParameterTypeMismatch) as caught:
        prepared(f"select $1::{name}").one(wrap(Secret()))

    assert "hunter2" not in str(caught.value) + repr(caught.value)


def test_the_refusal_can_be_sent_to_another_process() -> None:
    refusal = pickle.loads(pickle.dumps(ParameterTypeMismatch(3, "why")))

    assert (refusal.index, refusal.problem, str(refusal)) == (3, "why", "parameter 4: why")


def test_a_refusal_does_not_wear_off(prepared: Callable[[str], Any]) -> None:
    statement = prepared("select $1::text")

    for _ in range(3):
        with pytest.raises(ParameterTypeMismatch):
            statement(0.5)
        assert statement("5") == [("5",)]


@pytest.mark.parametrize("name", ["text", "int4", "jsonb", "text[]", "item", "citext[]"])
def test_a_nul_in_a_text_is_an_error_and_cuts_nothing_off(
    prepared: Callable[[str], Any], name: str
) -> None:
    value: Any = "1\0 and more"
    if name.endswith("[]"):
        value = [value]
    elif name == "item":
        value = (value, 1, None)

    with pytest.raises(ParameterTypeMismatch, match="NUL"):
        prepared(f"select $1::{name}").one(value)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("int4", 2**31, psycopg.errors.NumericValueOutOfRange),
        ("int4[]", [2**31], psycopg.errors.NumericValueOutOfRange),
        ("int4", "five", psycopg.errors.InvalidTextRepresentation),
        ("percentage", 101, psycopg.errors.CheckViolation),
        ("mood", "angry", psycopg.errors.InvalidTextRepresentation),
        ("float4", 1e300, psycopg.errors.NumericValueOutOfRange),
        ("float4", 1e-300, psycopg.errors.NumericValueOutOfRange),
        ("timestamptz", "yesterday noon at tea", psycopg.errors.InvalidDatetimeFormat),
        ("inet", uuid.UUID(int=1), psycopg.errors.InvalidTextRepresentation),
    ],
)
def test_what_only_the_server_can_judge_is_left_to_it(
    prepared: Callable[[str], Any], name: str, value: Any, error: type[psycopg.Error]
) -> None:
    with pytest.raises(error):
        prepared(f"select $1::{name}").one(value)

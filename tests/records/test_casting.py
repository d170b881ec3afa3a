"""Values as JSON or a form gives them, made into values of a field's type; the server is asked."""

from __future__ import annotations

import collections.abc
import datetime as dt
import enum
import json
import math
import sys
import threading
import typing
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any, Literal, NewType

import attrs
import psycopg
import pytest
from attrs import validators
from hypothesis import assume, example, given
from hypothesis import strategies as st

from raxol_sql import embedded
from raxol_sql.records import CastError, caster_of


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


@attrs.frozen
class Node:
    """A record that holds records of its own class."""

    name: str
    weight: int = attrs.field(default=1, validator=validators.gt(0))
    inner: list[Node] = attrs.field(factory=list)


UserId = NewType("UserId", int)

HINTS: list[Any] = [
    *(int, bool, float, str, Decimal, dt.date, dt.time, dt.datetime, dt.timedelta, uuid.UUID),
    *(bytes, Colour, Level, list[int], tuple[str, ...], tuple[int, str], dict[str, int], list),
    *(dict, Any, int | None, int | str, Decimal | float, Literal["a", 1], Node, list[Node]),
    *(UserId, collections.abc.Sequence[int], collections.abc.Mapping[str, int], set[int]),
    *(typing.Annotated[int, "years"], complex),
]


@pytest.fixture(scope="module")
def side(server: embedded.Server) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        yield connection


def refused(hint: Any, value: Any) -> bool:
    try:
        caster_of(hint)(value)
    except CastError:
        return True
    return False


@pytest.mark.parametrize(
    ("hint", "value", "made"),
    [
        (int, "42", 42),
        (int, 42, 42),
        (int, "-7", -7),
        (int, "+7", 7),
        (bool, "true", True),
        (bool, "0", False),
        (bool, False, False),
        (float, "1.5", 1.5),
        (float, 3, 3.0),
        (Decimal, "1.10", Decimal("1.10")),
        (Decimal, 7, Decimal(7)),
        (Decimal, 0.1, Decimal("0.1")),
        (dt.date, "2024-02-29", dt.date(2024, 2, 29)),
        (dt.time, "03:04:05.678", dt.time(3, 4, 5, 678000)),
        (
            dt.datetime,
            "2024-01-02T03:04:05.678+00:00",
            dt.datetime(2024, 1, 2, 3, 4, 5, 678000, dt.UTC),
        ),
        (dt.datetime, "2024-01-02 03:04:05", dt.datetime(2024, 1, 2, 3, 4, 5)),
        (dt.timedelta, "1 day 02:03:04", dt.timedelta(days=1, hours=2, minutes=3, seconds=4)),
        (dt.timedelta, "-1 days +00:00:01.5", dt.timedelta(days=-1, seconds=1.5)),
        (dt.timedelta, "-00:00:01", dt.timedelta(seconds=-1)),
        (dt.timedelta, "P1DT2H", dt.timedelta(days=1, hours=2)),
        (dt.timedelta, "PT-0.5S", dt.timedelta(seconds=-0.5)),
        (uuid.UUID, "{%s}" % ("ab" * 16), uuid.UUID("ab" * 16)),
        (bytes, "\\x00ff", b"\x00\xff"),
        (bytes, b"\x00", b"\x00"),
        (Colour, "red", Colour.RED),
        (Colour, Colour.BLUE, Colour.BLUE),
        (Level, 1, Level.LOW),
        (list[int], ["1", 2], [1, 2]),
        (tuple[int, ...], ["1"], (1,)),
        (tuple[int, str], ["1", "x"], (1, "x")),
        (dict[str, int], {"a": "1"}, {"a": 1}),
        (list, ["a"], ["a"]),
        (Any, {"a": [1]}, {"a": [1]}),
        (int | None, None, None),
        (int | None, "4", 4),
        (Literal["a", 1], 1, 1),
        (UserId, "5", 5),
        (typing.Annotated[int, "years"], "5", 5),
        (collections.abc.Sequence[int], ["1"], [1]),
        (collections.abc.Mapping[str, int], {"a": "1"}, {"a": 1}),
        (set[int], {1}, {1}),
        (Node, {"name": "a", "inner": [{"name": "b"}]}, Node("a", inner=[Node("b")])),
        (Node, Node("a"), Node("a")),
        (complex, 1j, 1j),
    ],
)
def test_a_value_as_json_or_a_form_gives_it_becomes_one_of_the_type(
    hint: Any, value: Any, made: Any
) -> None:
    result = caster_of(hint)(value)
    assert (type(result), result) == (type(made), made)


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        *((int, value) for value in ("42a", " 42", "4_2", "٤", "", "4.0", 42.0, True, None)),
        *((int, value) for value in (math.nan, "9" * 1001, [1], b"1")),
        *((bool, value) for value in (1, 0, "yes", "True", "on", "", None, 1.0)),
        *((float, value) for value in ("nan", "inf", "1e400", "1_0", " 1", "٤", 10**400, True)),
        *((str, value) for value in (5, b"x", None, "a\0b", "\ud800", "x\udfff")),
        *((Decimal, value) for value in ("NaN", "Infinity", "1_0", "٤", True, 0.1 + 0.2, "x")),
        *(
            (Decimal, value)
            for value in (math.nan, math.inf, Decimal("sNaN"), Decimal("-Infinity"))
        ),
        *((dt.date, value) for value in ("2024-02-30", "9999-W53-7", 5, "x", "٢٠٢٤-01-01")),
        (dt.date, dt.datetime(2024, 1, 2)),
        *((dt.time, value) for value in ("25:00", 5)),
        *(
            (dt.datetime, value)
            for value in ("infinity", "2024-13-01T00:00:00", dt.date(2024, 1, 2))
        ),
        *(
            (dt.timedelta, value)
            for value in ("1 mon", "1 day02:03:04", "P1Y", "P", "PT", "", " ", "x", 5)
        ),
        *((dt.timedelta, f"{'9' * digits} days") for digits in (10, 20, 5000)),
        *((dt.timedelta, f"PT{'9' * digits}H") for digits in (20, 400, 5000)),
        *((uuid.UUID, value) for value in ("0x" + "1" * 30, "٤" * 32, "1_" * 15 + "11", "ab", 5)),
        *((bytes, value) for value in ("00", "\\x0", "\\xzz", "x", 5)),
        *((Colour, value) for value in ("RED", "green", 1, None)),
        *((Level, value) for value in (True, 2, "1")),
        *((list[int], value) for value in ("12", [None], {"a": 1}, None)),
        *((tuple[int, str], value) for value in ([1], [1, "x", 2])),
        *((dict[str, int], value) for value in ({"a": "x"}, [], None)),
        *((Any, value) for value in ("\0", {"a\0": 1}, {"a": ["\ud800"]})),
        *((Literal["a", 1], value) for value in (True, "1", "b")),
        *((UserId, value) for value in ("x", None)),
        *((collections.abc.Sequence[int], value) for value in (5, "12")),
        (set[int], 5),
        *((Node, value) for value in ({}, {"name": 5}, {"name": "a", "more": 1}, [], None)),
        (complex, 1),
    ],
)
def test_a_value_that_is_none_of_the_type_is_refused_without_showing_it(
    hint: Any, value: Any
) -> None:
    with pytest.raises(CastError) as caught:
        caster_of(hint)(value)
    assert str(caught.value) == "is invalid"
    assert caught.value.__cause__ is None


def test_what_a_record_inside_refuses_by_its_validators_is_refused() -> None:
    assert refused(Node, {"name": "a", "weight": 0})
    assert refused(list[Node], [{"name": "a", "inner": [{"name": "b", "weight": -1}]}])
    assert not refused(Node, {"name": "a", "weight": "2"})


def test_a_union_keeps_its_own_values_and_takes_others_in_its_own_order() -> None:
    for hint in (int | str, str | int):
        assert caster_of(hint)("42") == "42"
        assert caster_of(hint)(42) == 42
    # Both are equal as types, so that one could be taken for the other.
    assert caster_of(Decimal | float)("1.5") == Decimal("1.5")
    assert type(caster_of(float | Decimal)("1.5")) is float
    assert type(caster_of(list[Decimal | float])(["1.5"])[0]) is Decimal
    assert type(caster_of(list[float | Decimal])(["1.5"])[0]) is float


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the statement is one of Python 3.12")
def test_what_a_type_statement_names_is_cast_as_what_it_stands_for() -> None:
    names: dict[str, Any] = {}
    exec("type Age = int | None\ntype Tree = dict[str, Tree] | int", names)
    assert caster_of(names["Age"])("5") == 5
    assert caster_of(names["Age"])(None) is None
    assert caster_of(names["Tree"])({"a": {"b": "1"}}) == {"a": {"b": 1}}
    assert refused(names["Tree"], {"a": {"b": "x"}})
    deep: Any = 1
    for _ in range(5000):
        deep = {"a": deep}
    assert refused(names["Tree"], deep)


def test_a_hint_that_is_no_type_at_all_takes_any_sound_value() -> None:
    for hint in ({"a": int}, "Unknown", typing.TypeVar("T"), None):
        assert caster_of(hint)("x") == "x"
        assert refused(hint, "\0")


def test_what_is_nested_without_end_is_refused() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    node: Any = {"name": "a"}
    for _ in range(5000):
        node = {"name": "a", "inner": [node]}
    endless: list[Any] = []
    endless.append(endless)
    for hint, value in [(Any, deep), (list, deep), (dict, {"a": deep}), (Any, endless)]:
        assert refused(hint, value)
    assert refused(Node, node)


def test_a_record_can_be_cast_for_the_first_time_by_many_threads_at_once() -> None:
    fields = {f"f{number}": attrs.field(type=int) for number in range(50)}
    given = dict.fromkeys(fields, "1")
    with ThreadPoolExecutor(4) as threads:
        for _ in range(20):
            wide = attrs.make_class("Wide", fields)
            together = threading.Barrier(4)

            def cast(kind: type, together: threading.Barrier = together) -> Any:
                together.wait(10)
                return caster_of(kind)(given)

            made = list(threads.map(cast, [wide] * 4))
            assert made == [wide(**dict.fromkeys(fields, 1))] * 4


JUNK = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
        *(st.binary(max_size=3), st.decimals(), st.dates(), st.datetimes(), st.timedeltas()),
        st.from_regex(r"[-+]?[0-9eE.:TPDHMS_ -]{0,12}", fullmatch=True),
        st.sampled_from(["1 day", "\\x00", "true", "red", "\0", "\ud800", object(), Node("a")]),
        st.builds(object),
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text(max_size=2) | st.integers(), inner, max_size=3)
        | st.fixed_dictionaries({"name": inner}, optional={"weight": inner, "inner": inner})
    ),
    max_leaves=6,
)


@given(hint=st.sampled_from(HINTS), value=JUNK)
def test_no_value_makes_a_cast_fail_otherwise_and_a_value_of_the_type_stays_as_it_is(
    hint: Any, value: Any
) -> None:
    cast = caster_of(hint)
    try:
        made = cast(value)
    except CastError:
        return
    again = cast(made)
    assert type(again) is type(made)
    assert repr(again) == repr(made)
    if isinstance(hint, type) and hint is not Any:
        assert isinstance(made, hint)


MOMENTS = st.datetimes(dt.datetime(1, 1, 3), dt.datetime(9999, 12, 29))
# Of what the server writes, times zone by zone, and lengths of time without months.
TYPES: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "bigint": (int, st.integers(-(2**63), 2**63 - 1)),
    "boolean": (bool, st.booleans()),
    "double precision": (float, st.floats(allow_nan=False, allow_infinity=False)),
    "numeric": (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    "text": (str, st.text(st.characters(codec="utf-8", exclude_characters="\0"))),
    "date": (dt.date, st.dates()),
    "time": (dt.time, st.times()),
    "timestamp": (dt.datetime, MOMENTS),
    "timestamptz": (dt.datetime, MOMENTS.map(lambda moment: moment.replace(tzinfo=dt.UTC))),
    "interval": (
        dt.timedelta,
        st.timedeltas(dt.timedelta(days=-10_000), dt.timedelta(days=10_000)),
    ),
    "uuid": (uuid.UUID, st.uuids()),
    "bytea": (bytes, st.binary(max_size=20)),
}


@pytest.mark.parametrize("column", TYPES)
def test_what_the_server_writes_as_json_becomes_the_value_it_was_written_from(
    column: str, side: psycopg.Connection[Any]
) -> None:
    hint, values = TYPES[column]

    @given(value=values)
    def check(value: Any) -> None:
        # As text, and as the text of JSON: a number of many digits is exact only so.
        row = side.execute(
            f"select to_json(v)::text, v::text from (select %s::{column}) x(v)", [value]
        ).fetchone()
        assert row is not None
        written = json.loads(row[0], parse_float=str if hint is Decimal else None)
        assert caster_of(hint)(written) == value
        assert type(caster_of(hint)(written)) is type(value)

    check()


NUMERALS = st.from_regex(r"[-+]?[0-9._ ]{1,8}([eE][-+]?[0-9]{1,3})?", fullmatch=True)
TEXTS_OF: dict[str, tuple[Any, st.SearchStrategy[str]]] = {
    "bigint": (int, NUMERALS | st.from_regex(r"[-+]?[0-9]{1,18}", fullmatch=True)),
    "boolean": (bool, st.sampled_from(["true", "false", "1", "0", "TRUE", "t", "2", " 1"])),
    # Python reads what is too small for a double as zero, and the server does not.
    "double precision": (float, NUMERALS.filter(lambda text: "e-" not in text.lower())),
    "numeric": (Decimal, NUMERALS),
    "uuid": (uuid.UUID, st.uuids().flatmap(lambda one: st.sampled_from([str(one), one.hex]))),
    "bytea": (bytes, st.from_regex(r"\\x([0-9a-fA-F]{2}){0,4}", fullmatch=True)),
    "interval": (
        dt.timedelta,
        st.from_regex(
            r"(-?[0-9]{1,3} days?)?( ?[-+]?[0-9]{1,2}:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?)?"
            r"|P(-?[0-9]{1,3}D)?(T(-?[0-9]{1,3}H)?(-?[0-9]{1,3}M)?(-?[0-9]{1,3}(\.[0-9]{1,6})?S)?)?",
            fullmatch=True,
        ),
    ),
}


@pytest.mark.parametrize("column", TEXTS_OF)
def test_text_that_is_taken_is_the_same_value_for_the_server(
    column: str, side: psycopg.Connection[Any]
) -> None:
    hint, texts = TEXTS_OF[column]

    @given(text=texts)
    def check(text: str) -> None:
        assume(not refused(hint, text))
        row = side.execute(f"select %s::text::{column}", [text]).fetchone()
        assert row is not None
        assert row[0] == caster_of(hint)(text)

    check()


@given(digits=st.integers(1, 9), exponent=st.integers(-17_000, 132_000))
@example(digits=1, exponent=131_071)
@example(digits=1, exponent=131_072)
@example(digits=10, exponent=131_071)
@example(digits=1, exponent=-16_383)
@example(digits=1, exponent=-16_384)
def test_a_decimal_is_refused_exactly_where_the_server_has_no_room_for_it(
    digits: int, exponent: int, side: psycopg.Connection[Any]
) -> None:
    text = f"{digits}e{exponent}"
    try:
        side.execute("select %s::numeric", [text])
    except psycopg.DataError:
        assert refused(Decimal, text)
    else:
        assert not refused(Decimal, text)


def test_a_short_text_of_an_enormous_number_is_refused_before_it_is_written_out() -> None:
    for text in ("1e999999999", "-1E+99999999999", "1e-999999999", "0e999999"):
        assert refused(Decimal, text)
        assert refused(Decimal, Decimal(text))

"""Values of every common type come back from the server as they were sent."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.types.json import Json, Jsonb
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

import raxol_sql as rx
from raxol_sql import embedded

Load = Callable[[str], rx.Queries]

ZONES = st.integers(-12 * 60, 12 * 60).map(lambda at: timezone(timedelta(minutes=at)))
DATETIMES = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31))
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
SPECIAL = st.sampled_from([Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity")])
HUGE = [Decimal(10) ** 1000, Decimal(10) ** -1000, Decimal("0E-20"), Decimal("-1.10")]
WHOLE = st.integers(-(2**63), 2**63 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e15, 1e15) | TEXTS,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(TEXTS, inside, max_size=3),
    max_leaves=5,
)


def _range(kind: Any, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Range[Any]]:
    bounds = st.tuples(st.none() | values, st.none() | values).filter(
        lambda pair: None in pair or pair[0] < pair[1]
    )
    # The form that the server makes of every other: [ ), but ( where there is no end.
    made = bounds.map(lambda pair: kind(*pair, "()" if pair[0] is None else "[)"))
    return made | st.just(kind(empty=True))


TYPES: dict[str, st.SearchStrategy[Any]] = {
    "int2": st.integers(-(2**15), 2**15 - 1),
    "int4": st.integers(-(2**31), 2**31 - 1),
    "int8": WHOLE | st.sampled_from([-(2**63), 2**63 - 1, 2**31, -(2**31) - 1, 0]),
    "numeric": st.decimals(allow_nan=False, allow_infinity=False) | SPECIAL | st.sampled_from(HUGE),
    "float8": st.floats(),
    "float4": st.floats(width=32),
    "text": TEXTS | st.sampled_from(["", "NULL", "null", "{}", '"', "\\", "\\N", "%s", "$1", ":x"]),
    "bytea": st.binary() | st.sampled_from([b"\0", b"\\x00"]),
    "bool": st.booleans(),
    "date": st.dates(),
    "time": st.times(),
    "timetz": st.times(timezones=ZONES),
    "timestamp": st.datetimes(),
    "timestamptz": st.datetimes(
        datetime(2, 1, 1), datetime(9998, 12, 31), timezones=ZONES | st.just(UTC)
    ),
    "interval": st.timedeltas(),
    "uuid": st.uuids(),
    "int8range": _range(Range, WHOLE.filter(lambda value: abs(value) < 2**62)),
    "numrange": _range(Range, st.decimals(-1000, 1000, places=3)),
    "tsrange": _range(Range, DATETIMES),
}


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """Gives the queries of a file that is written for it."""

    def load(text: str) -> rx.Queries:
        root = tmp_path_factory.mktemp("sql")
        (root / "t.sql").write_text(text)
        loaded: rx.Queries = rx.load(root).t
        return loaded

    return load


@pytest.fixture(scope="module")
def echo(load: Load) -> rx.Queries:
    """For each type a query ``one_TYPE`` and a query ``many_TYPE``, which takes an array."""
    return load(
        "".join(
            f"-- name: one_{name} :one -> scalar\nselect :x::{name} as x;\n"
            f"-- name: many_{name} :one -> scalar\nselect :x::{name}[] as x;\n"
            for name in [*TYPES, "json", "jsonb", "int8multirange", "datemultirange"]
        )
    )


@pytest.fixture(scope="module")
def reading(server: embedded.Server) -> Iterator[rx.Database]:
    """A database in which nothing is changed, shared by the tests of this module."""
    with rx.Database.open(server.conninfo("postgres"), pool_size=1) as database:
        yield database


def _same(name: str, sent: Any, got: Any) -> bool:
    if name == "float4" and isinstance(sent, float):
        # As a text, a float4 is the shortest number that is nearest to it among its own kind.
        got = struct.unpack("f", struct.pack("f", got))[0]
    if sent is None or got is None or type(sent) is not type(got):
        return sent is got
    if isinstance(sent, (float, Decimal)) and math.isnan(sent):
        return math.isnan(got)
    if isinstance(sent, float):
        return sent == got and math.copysign(1, sent) == math.copysign(1, got)
    if isinstance(sent, Decimal) and sent.is_finite() and int(sent.as_tuple().exponent) <= 0:
        return sent == got and sent.as_tuple().exponent == got.as_tuple().exponent
    if isinstance(sent, time):
        return sent == got and sent.utcoffset() == got.utcoffset()
    return bool(sent == got)


@pytest.mark.parametrize("name", TYPES)
@given(data=st.data())
@settings(max_examples=10)
def test_a_value_comes_back_as_it_was_sent(
    reading: rx.Database, echo: rx.Queries, name: str, data: st.DataObject
) -> None:
    values = data.draw(st.lists(st.none() | TYPES[name], max_size=30))

    one_by_one = reading.run_many(echo[f"one_{name}"], [{"x": value} for value in values])
    in_an_array = reading.run(echo[f"many_{name}"](x=values))

    for got in (one_by_one, in_an_array):
        assert len(got) == len(values)
        wrong = [(sent, back) for sent, back in zip(values, got, strict=True)
                 if not _same(name, sent, back)]  # fmt: skip
        assert wrong == []


@given(st.lists(JSON, max_size=20))
@settings(max_examples=20)
def test_json_comes_back_as_it_was_sent(
    reading: rx.Database, echo: rx.Queries, values: list[Any]
) -> None:
    assert reading.run(echo.many_json(x=[Json(value) for value in values])) == values
    assert reading.run(echo.many_jsonb(x=[Jsonb(value) for value in values])) == values


@given(st.lists(st.lists(st.none() | WHOLE, min_size=3, max_size=3), min_size=1, max_size=9))
@settings(max_examples=20)
def test_arrays_lie_in_arrays(
    reading: rx.Database, echo: rx.Queries, values: list[list[int | None]]
) -> None:
    assert reading.run(echo.many_int8(x=values)) == values


def test_an_array_without_values_is_an_empty_list(reading: rx.Database, echo: rx.Queries) -> None:
    assert reading.run(echo.many_int8(x=[])) == []
    assert reading.run(echo.many_text(x=[[], []])) == []
    assert reading.run(echo.many_text(x=None)) is None


def test_multiranges_come_back_as_they_were_sent(reading: rx.Database, echo: rx.Queries) -> None:
    whole = Multirange([Range(1, 5, "[)"), Range(7, None, "[)")])
    days = Multirange([Range(date(2020, 1, 1), date(2020, 2, 1), "[)")])

    assert reading.run(echo.one_int8multirange(x=whole)) == whole
    assert reading.run(echo.one_datemultirange(x=days)) == days
    assert reading.run(echo.one_datemultirange(x=Multirange([]))) == Multirange([])


BEYOND = [
    ("infinity_date", "'infinity'::date", "too large"),
    ("early_date", "'-infinity'::date", "too small"),
    ("infinity_timestamp", "'infinity'::timestamp", "too large"),
    ("early_timestamptz", "'-infinity'::timestamptz", "too small"),
    ("bc", "'0001-01-01 BC'::date", "too small"),
    ("year_10000", "'10000-01-01'::timestamp", "too large"),
    ("midnight", "'24:00'::time", "24"),
    ("days", "'1999999999 days'::interval", "too long for a timedelta"),
    ("endless", "'infinity'::interval", "infinite"),
    ("endless_ago", "'-infinity'::interval", "infinite"),
]


@pytest.mark.parametrize(("name", "sql", "problem"), BEYOND)
def test_what_python_has_no_value_for_is_an_error_that_names_the_query(
    reading: rx.Database, load: Load, name: str, sql: str, problem: str
) -> None:
    query = load(f"-- name: {name} :one -> scalar\nselect {sql}")[name]

    with pytest.raises(psycopg.DataError) as caught:
        reading.run(query())

    assert problem in str(caught.value)
    place, note = caught.value.__notes__
    assert place.startswith("in column ")
    assert note == f"in query t.{name} ({query.location})"
    assert reading.run(load("-- name: a :one -> scalar\nselect 1").a()) == 1


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("int2", 2**15, psycopg.errors.NumericValueOutOfRange),
        ("int8", 2**63, psycopg.errors.NumericValueOutOfRange),
        ("int8", "x", psycopg.errors.InvalidTextRepresentation),
        ("text", "a\0b", rx.errors.ParameterError),
        ("jsonb", Jsonb("a\0b"), psycopg.errors.UntranslatableCharacter),
        ("uuid", "no", psycopg.errors.InvalidTextRepresentation),
    ],
)
def test_what_the_server_has_no_value_for_is_an_error_that_names_the_query(
    reading: rx.Database, echo: rx.Queries, name: str, value: object, error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        reading.run(echo[f"one_{name}"](x=value))

    told = " ".join([str(caught.value), *getattr(caught.value, "__notes__", ())])
    assert f"t.one_{name}" in told
    assert reading.run(echo.one_int8(x=1)) == 1


def test_a_uuid_may_be_given_as_a_text(reading: rx.Database, echo: rx.Queries) -> None:
    value = UUID(int=7)

    assert reading.run(echo.one_uuid(x=str(value))) == value


def test_without_a_record_an_enum_is_a_text_and_a_composite_a_tuple(
    database: str, load: Load
) -> None:
    queries = load(
        "-- name: enum :exec\ncreate type mood as enum ('ok', 'it''s fine');\n"
        "-- name: composite :exec\ncreate type pair as (a int, b text);\n"
        "-- name: moods :one -> scalar\nselect :x::mood;\n"
        "-- name: pairs :one -> scalar\nselect :x::pair;\n"
        "-- name: fields :one\nselect (:x::pair).a, (:x::pair).b;\n"
    )
    with rx.Database.open(database, pool_size=1) as db:
        db.run(queries.enum())
        db.run(queries.composite())

        assert db.run(queries.moods(x="it's fine")) == "it's fine"
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            db.run(queries.moods(x="sad"))
        assert db.run(queries.pairs(x=(1, 'a "b", c'))) == (1, 'a "b", c')
        row = db.run(queries.fields(x=(1, 'a "b", c')))
        assert (row.a, row.b) == (1, 'a "b", c')


def test_rows_of_the_server_become_records_of_every_sort(
    db: rx.Database, queries: rx.Queries
) -> None:
    user = db.run(queries.users.create(email="a@b.c", name="Ada", age=None))
    account = {"email": "a@b.c", "name": "Ada", "id": user.id}

    assert db.run(queries.users.get(id=user.id)) == user
    assert db.run(queries.users.get(id=-1)) is None
    row = db.run(queries.users.ages())
    assert (row.users, row.known, row.youngest) == (1, 0, None)
    assert user.inserted_at.tzinfo is not None
    assert {name: getattr(user, name) for name in account} == account


def test_a_statement_that_changes_no_rows_has_affected_none(
    reading: rx.Database, load: Load
) -> None:
    queries = load(
        "-- name: none :affected\ndelete from pg_class where false;\n"
        "-- name: setting :affected\nset local work_mem = '4MB';\n"
    )
    with reading.transaction() as tx:
        assert tx.run(queries.none()) == 0
        assert tx.run(queries.setting()) == 0


def test_a_file_may_hold_what_text_can(reading: rx.Database, tmp_path: Path) -> None:
    (tmp_path / "t.sql").write_text(
        "-- name: odd :one -> scalar\nselect 'größer :x %s 😀' || :x;\n", encoding="utf-8"
    )

    assert reading.run(rx.load(tmp_path).t.odd(x="!")) == "größer :x %s 😀!"

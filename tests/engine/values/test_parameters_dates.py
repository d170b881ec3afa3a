"""A date or time is the same moment for the server, in whatever time zone the session is."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raxol_sql.engine.parameters import ParameterMisfit

ZONES = ["UTC", "Europe/Paris", "America/St_Johns", "Pacific/Apia", "Asia/Kathmandu"]
years = datetime.datetime(1, 1, 3), datetime.datetime(9999, 12, 29)
zones = st.sampled_from([ZoneInfo(name) for name in ZONES]) | st.integers(-840, 840).map(
    lambda minutes: datetime.timezone(datetime.timedelta(minutes=minutes))
)
naive = st.datetimes(*years)
aware = st.datetimes(*years, timezones=zones)
summer = datetime.datetime(2024, 7, 1, 23, 30, tzinfo=datetime.UTC)
twice = datetime.datetime(2024, 10, 27, 2, 30)


def _text(connection: psycopg.Connection[Any], query: str, value: Any) -> str:
    return connection.execute(query, [value]).fetchone()[0]  # type: ignore[index,no-any-return]


@pytest.mark.parametrize("name", ["timestamp", "timestamptz", "date", "time", "timetz"])
@given(value=aware, zone=st.sampled_from(ZONES))
@example(summer, "Europe/Paris")
@example(summer, "Pacific/Apia")
@example(datetime.datetime(1999, 3, 28, 2, tzinfo=ZoneInfo("Europe/Paris")), "Europe/Paris")
def test_a_datetime_with_a_zone_is_cast_as_the_server_casts_it(
    session: psycopg.Connection[Any],
    told: Callable[[str], Any],
    name: str,
    value: datetime.datetime,
    zone: str,
) -> None:
    session.execute(f"set timezone = '{zone}'")

    found = told(f"select $1::{name}::text").one(value)

    assert found == _text(session, f"select %s::timestamptz::{name}::text", value)


@pytest.mark.parametrize("name", ["timestamp", "timestamptz", "date", "time"])
@given(value=naive, zone=st.sampled_from(ZONES))
@example(twice, "Europe/Paris")
@example(datetime.datetime(2024, 3, 31, 2, 30), "Europe/Paris")
def test_a_datetime_without_a_zone_is_cast_as_the_server_casts_it(
    session: psycopg.Connection[Any],
    told: Callable[[str], Any],
    name: str,
    value: datetime.datetime,
    zone: str,
) -> None:
    session.execute(f"set timezone = '{zone}'")

    found = told(f"select $1::{name}::text").one(value)

    assert found == _text(session, f"select %s::timestamp::{name}::text", value)


@pytest.mark.parametrize("name", ["timestamp", "timestamptz", "date"])
@given(value=st.dates(), zone=st.sampled_from(ZONES))
def test_a_date_is_cast_as_the_server_casts_it(
    session: psycopg.Connection[Any],
    told: Callable[[str], Any],
    name: str,
    value: datetime.date,
    zone: str,
) -> None:
    session.execute(f"set timezone = '{zone}'")

    found = told(f"select $1::{name}::text").one(value)

    assert found == _text(session, f"select %s::date::{name}::text", value)


def test_the_zone_counts_wherever_the_datetime_stands(
    session: psycopg.Connection[Any], told: Callable[[str], Any], item: Any
) -> None:
    session.execute("set timezone = 'Europe/Paris'")
    local = summer.astimezone(ZoneInfo("Europe/Paris"))
    bare = str(local.replace(tzinfo=None))

    found = told("select $1::timestamp[]::text[], $2::timestamp[]::text[]")(
        [summer], [summer, local.replace(tzinfo=None), str(bare)]
    )
    assert found == [([bare], [bare] * 3)]
    span = psycopg.types.range.Range(summer, None)
    assert told("select lower($1::tsrange)::text").one(span) == bare
    assert told("select ($1::item).at::text").one(("", 1, summer)) == bare
    assert told("select ($1::item).at::text").one(item("", 1, summer)) == bare
    assert told("select $1::local_time::text").one(summer) == bare
    assert told("select $1::instants = array[$2::timestamptz]").one([summer], summer)


@pytest.mark.parametrize("style", ["postgres", "sql_standard", "iso_8601", "postgres_verbose"])
@given(value=st.timedeltas(datetime.timedelta(-10000), datetime.timedelta(10000)))
@example(datetime.timedelta(days=-1, microseconds=1))
def test_a_timedelta_is_as_long_in_every_style(
    session: psycopg.Connection[Any],
    told: Callable[[str], Any],
    style: str,
    value: datetime.timedelta,
) -> None:
    session.execute(f"set intervalstyle = '{style}'")
    # Once in binary, and once as a text, because a str is beside it.
    statement = told("select $1::interval[] = array[$2::interval], $3::interval[]::text")
    ((same, found),) = statement([value], value, [value, "0"])

    expected = session.execute("select array[%s, '0']::interval[]::text", [value]).fetchone()
    assert (same, found) == (True, expected[0])  # type: ignore[index]


def test_a_zone_that_python_does_not_know_is_no_reason_to_be_wrong(
    session: psycopg.Connection[Any], told: Callable[[str], Any]
) -> None:
    session.execute("set timezone = '<+03>-03'")

    with pytest.raises(ParameterMisfit, match=r"does not know the session's time zone '<\+03>-03'"):
        told("select $1::timestamp").one(summer)
    assert told("select $1::timestamptz = $2").one(summer, summer)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("time", datetime.time(1, tzinfo=datetime.UTC)),
        ("interval", datetime.time(1, tzinfo=datetime.UTC)),
        ("timetz", datetime.time(1, tzinfo=ZoneInfo("Europe/Paris"))),
        ("interval", summer),
        ("time", datetime.timedelta(hours=1)),
        ("timestamp", datetime.time(1)),
        ("date", 20240101),
        ("interval", 5),
        ("timestamptz", 1700000000.5),
    ],
)
def test_what_the_server_might_take_for_something_else_is_refused(
    prepared: Callable[[str], Any], name: str, value: Any
) -> None:
    with pytest.raises(ParameterMisfit):
        prepared(f"select $1::{name}").one(value)


def test_a_time_of_day_is_a_time_with_the_sessions_offset_and_an_interval(
    prepared: Callable[[str], Any], shared: psycopg.Connection[Any]
) -> None:
    value = datetime.time(10, 30)
    row = shared.execute("select %s::time::timetz, %s::time::interval", [value, value]).fetchone()

    assert prepared("select $1::timetz").one(value) == row[0]  # type: ignore[index]
    assert prepared("select $1::interval").one(value) == row[1]  # type: ignore[index]

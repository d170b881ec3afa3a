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

from raxol_sql.engine.types.parameters import ParameterTypeMismatch

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


@pytest.mark.parametrize("name", ["timestamptz", "local_time"])
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


@pytest.mark.parametrize("name", ["timestamp", "timestamptz"])
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


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("date", summer, "whose time of day would be lost: give its .date(), or write the type"),
        ("date", twice, "as in :name::timestamptz::date"),
        ("date[]", [twice], "whose time of day would be lost"),
        ("daterange", psycopg.types.range.Range(twice, None), "whose time of day would be lost"),
        ("time", twice, "whose date would be lost: give its .time()"),
        ("timetz", summer, "whose date would be lost: give its .timetz()"),
        ("timestamp", summer, "with a time zone, which would be lost: give one without, as value"),
        ("timestamp[]", [twice, summer], "as in :name::timestamptz"),
        ("tsrange", psycopg.types.range.Range(summer, None), "with a time zone, which would be"),
        ("item", ("", 1, summer), "with a time zone, which would be lost"),
        ("date", "2026-05-05 15:30", "a str was given with a time of day, which would be lost"),
        ("date", "2026-05-05T00:00:00Z", "give the date alone"),
        ("date", "20260505T153000", "with a time of day"),
        ("date", "2026-05-05 3 pm", "with a time of day"),
        ("date", "2026-05-05 153000", "with a time of day"),
        ("date", "20260505 153000", "with a time of day"),
        ("date[]", "{2026-05-05 15:30}", "with a time of day"),
        ("date[]", '{2026-05-05,"2026-05-05 153000"}', "with a time of day"),
        ("daterange", "[2026-05-05 15:30,)", "with a time of day"),
        ("timestamp", "2026-01-01 15:30+05", "with a time zone, which would be ignored"),
        ("timestamp", "2026-01-01T15:30:00.5-05:30", "as in :name::timestamptz"),
        ("timestamp", "2026-01-01 15:30Z", "with a time zone"),
        ("timestamp", "20260101T1530+05", "with a time zone"),
        ("timestamp", "2026-01-01 15:30 Europe/Paris", "with a time zone"),
        ("timestamp", "5 May 2026 3:30 pm pst", "with a time zone"),
        ("timestamp", "2026-01-01 153000+05", "with a time zone"),
        ("timestamp", "2026-01-01 15:30 NOVST", "with a time zone"),
        ("timestamp", "2026-01-01 15:30 MART", "with a time zone"),
        ("timestamp[]", "{2026-01-01 15:30+05}", "with a time zone"),
        ("time", "15:30+05", "with a time zone, which would be ignored: give one without"),
        ("time", "2026-05-05 15:30", "with a date, which would be lost: give the time of day"),
        ("name", "x" * 64, "name here, which holds at most 63 bytes, and a longer str was given"),
        ('"char"', "no", '"char" here, which holds at most 1 bytes'),
    ],
)
def test_what_would_lose_a_part_is_refused_with_what_would_do(
    prepared: Callable[[str], Any], name: str, value: Any, problem: str
) -> None:
    with pytest.raises(ParameterTypeMismatch) as caught:
        prepared(f"select $1::{name}").one(value)

    assert problem in caught.value.problem


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("date", "2026-05-05"),
        ("date", "May 5, 2026"),
        ("date", "today"),
        ("date", "infinity"),
        ("date", "05-May-2026"),
        ("date", "1999.008"),
        ("date", "J2451187"),
        ("date[]", "{2026-05-05,2026-05-06}"),
        ("date", "0044-03-15 BC"),
        ("timestamp", "2026-01-01 15:30"),
        ("timestamp", "2026-01-01T15:30:00.123456"),
        ("timestamp", "15:30 May 5 2026"),
        ("timestamp", "Tue May 5 03:30:00 PM 2026"),
        ("timestamp", "now"),
        ("timestamp", "-infinity"),
        ("timestamp", "20260505T153000"),
        ("time", "15:30:00.5"),
        ("time", "3:30 pm"),
        ("time", "allballs"),
        ("timetz", "2026-05-05 15:30 Europe/Paris"),
        ("timestamptz", "2026-01-01 15:30+05"),
        ("tsrange", "[2026-01-01 10:00,infinity)"),
        ("name", "x" * 63),
        ('"char"', "x"),
    ],
)
def test_a_text_that_the_type_holds_is_read_as_the_server_reads_it(
    prepared: Callable[[str], Any], name: str, text: str
) -> None:
    statement = prepared(f"select $1::{name} = '{text}'::{name}")

    # Of what means the moment of the transaction, there are two.
    assert statement.one(text) or text == "now"


@pytest.mark.parametrize("style", ["ISO", "SQL", "German", "Postgres"])
@given(value=naive)
@example(datetime.datetime(2026, 5, 5, 15, 30))
def test_what_the_server_prints_without_a_zone_is_taken_and_with_one_is_refused(
    session: psycopg.Connection[Any],
    told: Callable[[str], Any],
    style: str,
    value: datetime.datetime,
) -> None:
    session.execute(f"set datestyle = '{style}'")
    bare, zoned, day = session.execute(
        "select %s::timestamp::text, %s::timestamptz::text, %s::date::text", [value] * 3
    ).fetchone() or ("", "", "")
    statement = told("select $1::timestamp::text, $2::date::text")

    assert statement(bare, day) == [(bare, day)]
    for pair in ((zoned, day), (bare, bare)):
        with pytest.raises(ParameterTypeMismatch):
            statement(*pair)


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

    # Of one sign: what is days before is no day less and some hours more.
    sign = "-" if value.days < 0 else ""
    whole = abs(value)
    days = datetime.timedelta(days=whole.days)
    parts = f"{sign}{whole.days} days {sign}{whole - days}"
    expected = session.execute("select array[%s, '0']::interval[]::text", [parts]).fetchone()
    assert (same, found) == (True, expected[0])  # type: ignore[index]


def test_a_zone_that_python_does_not_know_is_no_reason_to_be_wrong(
    session: psycopg.Connection[Any], told: Callable[[str], Any]
) -> None:
    session.execute("set timezone = '<+03>-03'")

    with pytest.raises(
        ParameterTypeMismatch, match=r"does not know the session's time zone '<\+03>-03'"
    ):
        told("select $1::local_time").one(summer)
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
    with pytest.raises(ParameterTypeMismatch):
        prepared(f"select $1::{name}").one(value)


def test_a_time_of_day_is_a_time_with_the_sessions_offset_and_an_interval(
    prepared: Callable[[str], Any], shared: psycopg.Connection[Any]
) -> None:
    value = datetime.time(10, 30)
    row = shared.execute("select %s::time::timetz, %s::time::interval", [value, value]).fetchone()

    assert prepared("select $1::timetz").one(value) == row[0]  # type: ignore[index]
    assert prepared("select $1::interval").one(value) == row[1]  # type: ignore[index]

"""An interval is read as psycopg reads it, where psycopg reads it rightly, and else not at all."""

from __future__ import annotations

import datetime
import struct
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from psycopg.adapt import Buffer, Loader
from psycopg.pq import Format
from psycopg.types.datetime import IntervalBinaryLoader

from raxol_sql.engine.types.interval_loaders import (
    ExactIntervalBinaryLoader,
    ExactIntervalLoader,
    guard,
)

INTERVAL = psycopg.postgres.types["interval"].oid
DAY = 86_400_000_000
microseconds = st.integers(-(2**63), 2**63 - 1) | st.integers(-(10**12), 10**12)
days = st.integers(-(2**31), 2**31 - 1) | st.integers(-1000, 1000)
months = st.integers(-(2**31), 2**31 - 1) | st.integers(-100, 100) | st.just(0)


def _outcome(load: Callable[[bytes], Any], data: bytes) -> Any:
    try:
        return load(data)
    except psycopg.DataError:
        return "out of range"


@given(microseconds=microseconds, days=days, months=months)
@example(2**63 - 1, 2**31 - 1, 2**31 - 1)
@example(-(2**63), -(2**31), -(2**31))
@example(0, 0, 2**31 - 1)
@example(0, 2**31 - 1, 2**26)
def test_binary_intervals_are_read_as_psycopg_reads_them_without_its_part_in_c(
    microseconds: int, days: int, months: int
) -> None:
    data = struct.pack("!qii", microseconds, days, months)

    found = _outcome(ExactIntervalBinaryLoader(INTERVAL).load, data)

    usual = _outcome(IntervalBinaryLoader(INTERVAL).load, data)
    assert found == (usual if months == 0 else "out of range")


@given(microseconds=microseconds, days=days, months=months)
def test_an_interval_is_the_same_in_both_formats(
    prepared: Callable[[str], Any], microseconds: int, days: int, months: int
) -> None:
    text = f"{months} months {days} days {microseconds} microseconds"
    read = "select $1::interval"

    def outcome(sql: str) -> Any:
        try:
            return prepared(sql)(text)[0][0]
        except psycopg.errors.DatetimeFieldOverflow:
            return assume(False)
        except psycopg.DataError:
            return "out of range"

    assert outcome(read) == outcome(f"{read}, 'red'::colour")


@given(microseconds=microseconds, days=st.integers(-1000, 1000))
def test_a_timedelta_is_as_long_as_the_interval_is_for_the_server(
    prepared: Callable[[str], Any], microseconds: int, days: int
) -> None:
    text = f"{days} days {microseconds} microseconds"
    read = prepared("select $1::interval, (extract(epoch from $1::interval) * 1000000)::numeric")

    found, epoch = read(text)[0]

    assert found / datetime.timedelta(microseconds=1) == pytest.approx(int(epoch))
    assert found == datetime.timedelta(microseconds=int(epoch))


@pytest.mark.parametrize("months", ["1 month", "-5 years", "1 year -1 day", "13 months"])
def test_months_are_refused_in_both_formats_as_their_days_differ(
    prepared: Callable[[str], Any], months: str
) -> None:
    for beside in ("1", "'red'::colour"):
        with pytest.raises(
            psycopg.DataError, match="has months or years, which a timedelta cannot represent"
        ):
            prepared(f"select $1::interval, {beside}")(months)


def test_an_infinite_interval_says_what_to_do(prepared: Callable[[str], Any]) -> None:
    for beside in ("1", "'red'::colour"):
        with pytest.raises(psycopg.DataError, match="select it as text"):
            prepared(f"select $1::interval, {beside}")("-infinity")


def test_a_loader_of_the_program_is_left_alone(connection: psycopg.Connection[Any]) -> None:
    class Own(Loader):
        def load(self, data: Buffer) -> str:
            return "mine"

    connection.adapters.register_loader("interval", Own)
    guard(connection)

    assert connection.adapters.get_loader(INTERVAL, Format.TEXT) is Own
    assert connection.adapters.get_loader(INTERVAL, Format.BINARY) is ExactIntervalBinaryLoader
    assert connection.execute("select interval '1 day'").fetchone() == ("mine",)


def test_the_guard_may_stand_twice(connection: psycopg.Connection[Any]) -> None:
    guard(connection)
    guard(connection)

    assert connection.adapters.get_loader(INTERVAL, Format.TEXT) is ExactIntervalLoader
    found = connection.execute("select interval '-1 day 00:00:00.5'").fetchone()
    assert found == (datetime.timedelta(days=-1, milliseconds=500),)

"""Which texts say more than a type holds, as the server itself reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.engine.types.dump.datetime_texts import has_date, has_more_than_a_date, has_zone

if TYPE_CHECKING:
    from collections.abc import Iterator

DATES = st.sampled_from(
    [
        *("2026-05-07", "2026/5/7", "07.05.2026", "5/7/2026", "20260507", "260507", "2026-127"),
        *("07-May-2026", "May-07-2026", "May 7 2026", "7 May 2026", "May 7, 2026", "2026.127"),
        *("J2461168", "Thu May 7 2026", "Thursday, 7 May 2026 AD", "today", "epoch"),
        *("Sat 8 Aug 2026", "August 8, 2026", "1 Oct 2026", "Oct-1-2026", "Sept 1 2026"),
    ]
)
TIMES = st.sampled_from(
    [
        *("15:30", "15:30:05", "15:30:05.25", "153005", "1530", "153005.25", "3:30 pm", "03:30PM"),
        *("3 pm", "00:00", "000000", "12 am", "allballs", "T153005", "T15:30"),
    ]
)
ZONES = st.sampled_from(
    [
        *("+05", "-05:30", " +0530", "Z", " z", " UTC", " PST", " NOVST", " MART", " SAST", " EST"),
        *(" Europe/Paris", " America/New_York", " MSK", " JST", " zulu", " DST"),
    ]
)
BLANKS = st.sampled_from([" ", "T", "", "  ", ", "])
TEXTS = st.one_of(
    DATES,
    st.tuples(DATES, BLANKS, TIMES).map("".join),
    st.tuples(TIMES, BLANKS, DATES).map("".join),
    st.tuples(DATES, BLANKS, TIMES, ZONES).map("".join),
    st.tuples(DATES, ZONES).map("".join),
    TIMES,
    st.tuples(TIMES, ZONES).map("".join),
    st.text("0123456789-/.: TZpamMay+", max_size=24),
)


@pytest.fixture(scope="module")
def read(server: Any) -> Iterator[Any]:
    """What the server reads of a text by an expression, in a time zone; None if it refuses it."""
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:

        def ask(expression: str, text: str, zone: str = "Etc/GMT-3") -> Any:
            connection.execute(f"set timezone = '{zone}'".encode())
            try:
                row = connection.execute(f"select ({expression})::text".encode(), [text]).fetchone()
            except psycopg.DataError:
                return None
            return row and row[0]

        yield ask


@given(text=TEXTS)
def test_a_text_of_a_date_that_is_let_through_has_no_time_of_day(read: Any, text: str) -> None:
    if has_more_than_a_date(text) or read("%s::date", text) is None:
        return

    assert read("%s::timestamp::time", text) in (None, "00:00:00")


@given(text=TEXTS)
def test_a_text_of_a_timestamp_that_is_let_through_has_no_zone(read: Any, text: str) -> None:
    if has_zone(text) or (moment := read("%s::timestamp", text)) is None:
        return
    if "today" in text or "epoch" in text:  # which are others in another zone
        return

    for zone in ("Etc/GMT-3", "Etc/GMT+7"):
        assert read(f"%s::timestamptz at time zone '{zone}'", text, zone) in (None, moment)


@given(text=TEXTS)
def test_a_text_of_a_time_that_is_let_through_has_neither_date_nor_zone(
    read: Any, text: str
) -> None:
    if has_date(text) or has_zone(text) or (moment := read("%s::time", text)) is None:
        return

    # By itself this word is 00:00 in UTC, and the zone is not what it is written for.
    assert read("%s::timetz", text) in (None, f"{moment}+03") or text.strip() == "allballs"
    assert read("%s::timestamp", text) is None


@given(date=DATES, time=TIMES)
def test_what_a_type_holds_is_let_through(date: str, time: str) -> None:
    assert not has_more_than_a_date(date)
    if time != "allballs":  # which is in UTC
        assert not has_zone(f"{date} {time}")
        assert not has_zone(time)
    assert not has_date(time)

"""Texts that stand for a date or a time: what the server would drop of them without a word."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import psycopg

from raxol_sql.engine.dumping.form import Data, Misfit
from raxol_sql.engine.dumping.target import Target

_types = psycopg.postgres.types
_TIME_OF_DAY = re.compile(r"\d\s*:\s*\d|\dT\d\d|\d\s*[ap]m\b", re.IGNORECASE)
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d")
_OFFSET = re.compile(
    r"(?:\d:\d\d(?::\d\d)?(?:\.\d*)?|\dT\d\d(?:\d\d){0,2}(?:\.\d*)?)\s*(?:[ap]m)?\s*[+-]\s*\d|\s[+-]\d",
    re.IGNORECASE,
)
_WORD = re.compile(r"[a-z]+(?:/[a-z_]+)*", re.IGNORECASE)
# What may stand in a date or time and is no zone.
_NO_ZONE = re.compile(
    r"t|[ap]m?|ad|bc|at|on|[ymdhsj]|mm|jd|julian|st|nd|rd|th|now|today|tomorrow|yesterday|epoch|"
    r"infinity|allballs|null|empty|"
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun)[a-z]*",
    re.IGNORECASE,
)
_LONGEST_NAME = 63
_CHARACTER = re.compile(rb"\\[0-7]{3}")


def _problem_of_date(text: str) -> str | None:
    if _TIME_OF_DAY.search(text) is None:
        return None
    return (
        "a str was given with a time of day, which would be lost: give the date alone, or write "
        "the type into the SQL, as in :name::timestamptz::date"
    )


def _problem_of_timestamp(text: str) -> str | None:
    if not _has_zone(text):
        return None
    return (
        "a str was given with a time zone, which would be ignored: give one without, or write the "
        "type into the SQL, as in :name::timestamptz"
    )


def _problem_of_time(text: str) -> str | None:
    if _has_zone(text):
        return "a str was given with a time zone, which would be ignored: give one without"
    if _DATE.search(text):
        return "a str was given with a date, which would be lost: give the time of day alone"
    return None


_PROBLEMS = {
    _types["date"].oid: _problem_of_date,
    _types["timestamp"].oid: _problem_of_timestamp,
    _types["time"].oid: _problem_of_time,
}
_NAME = _types["name"].oid
_CHAR = _types['"char"'].oid


def checked(target: Target, write: Callable[[Any], Data]) -> Callable[[Any], Data]:
    """
    What writes a text for that type, and refuses one of which the type would drop a part.

    A text may be the literal of a whole array, or range, of the type.
    """
    problem_of = _PROBLEMS.get(_innermost(target))
    if problem_of is not None:

        def write_moment(value: Any) -> Data:
            problem = problem_of(str(value))
            if problem is not None:
                raise target.misfit(problem)
            return write(value)

        return write_moment
    if target.oid in (_NAME, _CHAR):

        def write_short(value: Any) -> Data:
            data = write(value)
            most = _LONGEST_NAME if target.oid == _NAME else 1
            if len(data) > most and not (most == 1 and _CHARACTER.fullmatch(data)):
                raise Misfit(
                    f"the server takes {target.name} here, which has {most} bytes at most, and a "
                    "longer str was given: write the type into the SQL, as in :name::text"
                )
            return data

        return write_short
    return write


def _has_zone(text: str) -> bool:
    if _OFFSET.search(text):
        return True
    if not any(map(str.isdigit, text)):
        return False
    return any(_NO_ZONE.fullmatch(word) is None for word in _WORD.findall(text))


def _innermost(target: Target) -> int:
    """The OID of what an array or a range is made of; of any other type, its own."""
    info = target.info
    if info is None:
        return target.oid
    oid: int = getattr(info, "subtype_oid", info.oid)
    return oid

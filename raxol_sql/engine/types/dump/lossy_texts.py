"""Texts of which the server would silently drop a part."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import psycopg

from raxol_sql.engine.types.dump.dumper import CannotDump, Data
from raxol_sql.engine.types.dump.pg_type import TargetType

_types = psycopg.postgres.types
# Delimiters of the elements of an array or the bounds of a range.
_BOUNDARY = re.compile(r"[{}\[\](),\"]+")
_LONGEST_NAME = 63
_CHARACTER = re.compile(rb"\\[0-7]{3}")

# `datetime_texts` is imported where a str is given for a date or time, and not before: its patterns
# take long to compile.


def _problem_of_date(text: str) -> str | None:
    from raxol_sql.engine.types.dump.datetime_texts import has_more_than_a_date

    if not has_more_than_a_date(text):
        return None
    return (
        "a str was given with a time of day, which would be lost: give the date alone, or write "
        "the type into the SQL, as in :name::timestamptz::date"
    )


def _problem_of_timestamp(text: str) -> str | None:
    from raxol_sql.engine.types.dump.datetime_texts import has_zone

    if not has_zone(text):
        return None
    return (
        "a str was given with a time zone, which would be ignored: give one without, or write the "
        "type into the SQL, as in :name::timestamptz"
    )


def _problem_of_time(text: str) -> str | None:
    from raxol_sql.engine.types.dump.datetime_texts import has_date, has_zone

    if has_date(text):
        return "a str was given with a date, which would be lost: give the time of day alone"
    if has_zone(text):
        return "a str was given with a time zone, which would be ignored: give one without"
    return None


_PROBLEMS = {
    _types["date"].oid: _problem_of_date,
    _types["timestamp"].oid: _problem_of_timestamp,
    _types["time"].oid: _problem_of_time,
}
_NAME = _types["name"].oid
_CHAR = _types['"char"'].oid


def reject_lossy(target: TargetType, write: Callable[[Any], Data]) -> Callable[[Any], Data]:
    """
    Return a writer of texts for that type, which rejects a text that would lose a part.

    A text may also be the literal of a whole array or range.
    """
    innermost = _innermost(target)
    problem_of = _PROBLEMS.get(innermost)
    if problem_of is not None:
        is_whole = innermost == target.oid

        def write_moment(value: Any) -> Data:
            text = str(value)
            for part in [text] if is_whole else _BOUNDARY.split(text):
                problem = problem_of(part)
                if problem is not None:
                    raise target.misfit(problem)
            return write(value)

        return write_moment
    if target.oid in (_NAME, _CHAR):

        def write_short(value: Any) -> Data:
            data = write(value)
            most = _LONGEST_NAME if target.oid == _NAME else 1
            if len(data) > most and not (most == 1 and _CHARACTER.fullmatch(data)):
                raise CannotDump(
                    f"the server expects {target.name} here, which holds at most {most} bytes, and "
                    "a longer str was given: write the type into the SQL, as in :name::text"
                )
            return data

        return write_short
    return write


def _innermost(target: TargetType) -> int:
    """Return the OID of the element of an array or range; of any other type, its own."""
    info = target.info
    if info is None:
        return target.oid
    oid: int = getattr(info, "subtype_oid", info.oid)
    return oid

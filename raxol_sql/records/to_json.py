"""Conversion of Python values to JSON values, the inverse of `from_json` and of casts."""

from __future__ import annotations

import datetime as dt
import enum
import math
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import attrs

from raxol_sql.errors import with_article
from raxol_sql.records.from_json import MisfitError
from raxol_sql.records.names import argument_name

_LISTS = (list, tuple)  # a set has no order, and would be read as a list


def json_value(value: Any) -> Any:
    """
    Return a value of JSON types only, which a cast converts to the original value.

    Records become objects with the names of their constructor's arguments, and enums their values.
    Dates, times, UUIDs, intervals and bytes become text as PostgreSQL writes it in JSON. A Decimal
    becomes text too, because readers of JSON numbers may keep only 15 digits. Raises `MisfitError`
    for a value that has no JSON form, with its place.
    """
    try:
        return _of(value)
    except RecursionError:
        raise MisfitError("nested too deep, or inside of itself") from None


def _of(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return _of(value.value)
    if value is None or isinstance(value, (bool, str, int)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise MisfitError("no finite number")
        return value
    if attrs.has(type(value)):
        names = {argument_name(one): one.name for one in attrs.fields(type(value)) if one.init}
        return {name: _at(f".{name}", getattr(value, at)) for name, at in names.items()}
    if isinstance(value, Mapping):
        return {_key(name): _at(_place(name), one) for name, one in value.items()}
    if isinstance(value, _LISTS):
        return [_at(f"[{number}]", one) for number, one in enumerate(value)]
    for kind, write in _TEXTS:
        if isinstance(value, kind):
            return write(value)
    raise MisfitError(f"{with_article(type(value).__name__)}, which has no form in JSON")


def _at(place: str, value: Any) -> Any:
    try:
        return _of(value)
    except MisfitError as error:
        error.place = place + error.place
        raise


def _place(name: Any) -> str:
    # A key that is an identifier is usually a name of the program; other keys are data, not shown.
    return f".{name}" if isinstance(name, str) and name.isidentifier() else "[...]"


def _key(name: Any) -> str:
    if isinstance(name, enum.Enum):
        name = name.value
    if isinstance(name, str):
        return name
    made = _of(name) if not isinstance(name, float) else repr(name)
    if made is None or isinstance(made, bool):
        return {None: "null", True: "true", False: "false"}[made]
    if isinstance(made, (list, dict)):
        raise MisfitError(f"an object with {with_article(type(name).__name__)} as a name")
    return str(made)


def _decimal(value: Decimal) -> str:
    if not value.is_finite():
        raise MisfitError("no finite number")
    return str(value)


def _interval(value: dt.timedelta) -> str:
    """Return an interval as PostgreSQL writes it, with one sign for both parts."""
    sign = "-" if value < dt.timedelta() else ""
    whole = abs(value)
    minutes, seconds = divmod(whole.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{whole.microseconds:06}" if whole.microseconds else ""
    clock = f"{sign}{hours:02}:{minutes:02}:{seconds:02}{fraction}"
    return f"{sign}{whole.days} days {clock}" if whole.days else clock


_TEXTS: list[tuple[type, Callable[[Any], Any]]] = [
    (Decimal, _decimal),
    (dt.date, lambda value: value.isoformat()),
    (dt.time, lambda value: value.isoformat()),
    (dt.timedelta, _interval),
    (uuid.UUID, str),
    (bytes, lambda value: "\\x" + value.hex()),
]

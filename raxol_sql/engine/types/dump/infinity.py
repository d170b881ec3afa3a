"""Python's first and last dates as infinite dates."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import psycopg

from raxol_sql.engine.types.dump.dumper import BINARY, Dumped, Text, ValueDumper
from raxol_sql.engine.types.dump.pg_type import TargetType

_types = psycopg.postgres.types
# How many bytes the binary form has: all ones but for the sign, or none but that.
_SIZES = {_types["date"].oid: 4, _types["timestamp"].oid: 8, _types["timestamptz"].oid: 8}


def clamp_to_infinity(target: TargetType, form: ValueDumper) -> ValueDumper:
    """Return a dumper of dates that writes the first and the last as infinite."""
    size = _SIZES.get(target.oid)
    if size is None:
        return form

    def dump(value: Any) -> Dumped:
        sign = _sign(value)
        if not sign:
            return form.dump(value)
        last = 1 << (8 * size - 1)
        return (last - 1 if sign > 0 else -last).to_bytes(size, "big", signed=True), BINARY

    def text(value: Any) -> Text:
        sign = _sign(value)
        if not sign:
            return form.text(value)
        return b"infinity" if sign > 0 else b"-infinity"

    return ValueDumper(dump, text)


def _sign(value: Any) -> int:
    if isinstance(value, datetime):
        bare: date = value.replace(tzinfo=None)
        return (bare == datetime.max) - (bare == datetime.min)
    if isinstance(value, date):
        return (value == date.max) - (value == date.min)
    return 0

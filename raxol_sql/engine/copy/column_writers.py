"""Writers of the values of one column of a COPY."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from operator import attrgetter, countOf
from types import NoneType
from typing import Any, Protocol
from uuid import UUID

import attrs
import psycopg
from psycopg.adapt import AdaptersMap, PyFormat
from psycopg.pq import Format
from psycopg.types.json import Json, Jsonb

from raxol_sql.engine.copy.binary_forms import BinaryForms
from raxol_sql.engine.copy.columns import ColumnInfo
from raxol_sql.engine.types.adapters import is_builtin_adapter
from raxol_sql.engine.types.dump.factory import DumperFactory

_types = psycopg.postgres.types
TEXT = _types["text"].oid
# The type whose dumper writes bytes as they are.
RAW = _types["bytea"].oid


@attrs.frozen
class RawText:
    """
    Values of ``kinds`` that psycopg's dumper for a type writes correctly if they ``are_valid``.

    That dumper trusts its caller. It packs an int into two bytes that needs four, and reads a
    timedelta out of the memory of whatever it gets.
    """

    kinds: frozenset[type] = frozenset()
    are_valid: Callable[[list[Any]], bool] = lambda values: True

    def has(self, values: list[Any]) -> bool:
        """Whether all values, of which there is one at least, are such ones or None."""
        first = type(values[0])
        if first in self.kinds and countOf(map(type, values), first) == len(values):
            return self.are_valid(values)
        kinds = set(map(type, values))
        if NoneType in kinds:
            kinds.remove(NoneType)
            values = [value for value in values if value is not None]
        return kinds <= self.kinds and (not values or self.are_valid(values))


class ColumnWriter(Protocol):
    """
    How the values of a column are handed to the function that writes rows.

    Those that it ``takes`` go as they are, to psycopg's dumper for the type ``oid``.
    """

    oid: int

    def takes(self, values: list[Any]) -> bool:
        """Whether values, of which there is one at least, can go as they are."""

    def convert(self, value: Any) -> Any:
        """What goes in place of a value; raises `Misfit` for one that cannot go."""


class TextColumnWriter:
    """A column of a COPY in text: a value goes as a text that the type's input function reads."""

    oid = TEXT

    def __init__(self, writer: DumperFactory, column: ColumnInfo) -> None:
        self._plain = _nothing_infinite(writer, column, _plain(column))
        self._forms = writer.forms(column.oid)

    def takes(self, values: list[Any]) -> bool:
        return self._plain.has(values) or _STRINGS.has(values)

    def convert(self, value: Any) -> str | None:
        text = self._forms.text(value)
        return None if text is None else text.decode()


class BinaryColumnWriter:
    """A column of a COPY in binary: a value goes as the bytes that the type receives."""

    def __init__(self, forms: BinaryForms, adapters: AdaptersMap, column: ColumnInfo) -> None:
        oid = TEXT if column.is_textual else column.oid
        plain = _nothing_infinite(forms.writer, column, _plain(column))
        plain = attrs.evolve(plain, kinds=_with_own_dumper(adapters, oid, plain.kinds))
        self.oid = oid if plain.kinds else RAW
        self.takes = plain.has
        self.convert = forms.of(column.oid, is_textual=column.is_textual)


def all_texts_are_plain(adapters: AdaptersMap) -> bool:
    """
    Whether every kind of str is written as a str is, and not as an enum or by the program.

    Then whatever is no plain value of a column of texts is an error of psycopg's dumper, if that
    is the one in C.
    """
    usual = adapters.get_dumper(str, PyFormat.AUTO)
    kinds: list[type] = [str]
    for kind in kinds:
        kinds.extend(type.__subclasses__(kind))
    return is_builtin_adapter(usual) and all(
        adapters.get_dumper(kind, PyFormat.AUTO) is usual for kind in kinds
    )


def _with_own_dumper(adapters: AdaptersMap, oid: int, kinds: frozenset[type]) -> frozenset[type]:
    """Return those of the ``kinds`` without a dumper of the program."""
    if kinds and not is_builtin_adapter(adapters.get_dumper_by_oid(oid, Format.BINARY)):
        return frozenset()
    return frozenset(kind for kind in kinds if _is_drivers(adapters, kind))


def _is_drivers(adapters: AdaptersMap, kind: type) -> bool:
    try:
        return is_builtin_adapter(adapters.get_dumper(kind, PyFormat.AUTO))
    except psycopg.ProgrammingError:
        return True


def _nothing_infinite(writer: DumperFactory, column: ColumnInfo, plain: RawText) -> RawText:
    return _NOTHING if writer.clamps and column.oid in _MOMENTS else plain


def _plain(column: ColumnInfo) -> RawText:
    return _STRINGS if column.is_textual else _PLAIN.get(column.oid, _NOTHING)


def _packer(code: str) -> Callable[[list[Any]], bool]:
    def fit(values: list[Any]) -> bool:
        try:
            struct.pack(f"!{len(values)}{code}", *values)
        except struct.error:
            return False
        return True

    return fit


_zone: Callable[[Any], object] = attrgetter("tzinfo")


def _aware(values: list[Any]) -> bool:
    zones = map(_zone, values)
    return None not in zones


def _naive(values: list[Any]) -> bool:
    return not any(map(_zone, values))


def _positive(values: list[Any]) -> bool:
    # psycopg writes others with two signs.
    return all(value.days >= 0 for value in values)


_NOTHING = RawText()
_MOMENTS = frozenset(_types[name].oid for name in ("date", "timestamp", "timestamptz"))
_STRINGS = RawText(frozenset([str]))
# A dict or a list may hold what psycopg's dumper cannot write as JSON.
_DOCUMENTS = RawText(frozenset([Json, Jsonb]))
_PLAIN = {
    _types[name].oid: plain
    for name, plain in {
        "bool": RawText(frozenset([bool])),
        "int2": RawText(frozenset([int]), _packer("h")),
        "int4": RawText(frozenset([int]), _packer("i")),
        "int8": RawText(frozenset([int]), _packer("q")),
        "float8": RawText(frozenset([float])),
        "numeric": RawText(frozenset([int, Decimal])),
        "bytea": RawText(frozenset([bytes, bytearray])),
        "uuid": RawText(frozenset([UUID])),
        "json": _DOCUMENTS,
        "jsonb": _DOCUMENTS,
        "date": RawText(frozenset([date])),
        "time": RawText(frozenset([time]), _naive),
        "timetz": RawText(frozenset([time]), _aware),
        "timestamp": RawText(frozenset([datetime]), _naive),
        "timestamptz": RawText(frozenset([datetime]), _aware),
        "interval": RawText(frozenset([timedelta]), _positive),
    }.items()
}

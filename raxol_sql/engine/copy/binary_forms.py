"""Binary forms of values for which PostgreSQL needs a certain type."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Any

import psycopg
from psycopg.adapt import AdaptersMap
from psycopg.types.composite import CompositeInfo
from psycopg.types.enum import EnumInfo
from psycopg.types.multirange import Multirange, MultirangeInfo
from psycopg.types.numeric import DecimalBinaryDumper
from psycopg.types.range import Range, RangeInfo, dump_range_binary

from raxol_sql.engine.types.dump.arrays import ArrayDumper, array
from raxol_sql.engine.types.dump.composites import Attribute, composite, values_of
from raxol_sql.engine.types.dump.dumper import (
    BINARY,
    TEXT,
    CannotDump,
    Data,
    ValueDumper,
    ValueDumpers,
)
from raxol_sql.engine.types.dump.factory import DumperFactory
from raxol_sql.engine.types.dump.pg_type import TargetType, oids
from raxol_sql.engine.types.type_infos import DomainInfo

Binary = Callable[[Any], Data | None]
# What the text of a value is in binary.
FromText = Callable[[Any, Data], Data]

_NUMERIC = psycopg.postgres.types["numeric"].oid
_JSONB = psycopg.postgres.types["jsonb"].oid
_TEXTS = oids("text", "varchar", "bpchar", "name", "json")
_INTEGERS = oids("int2", "int4", "int8", "oid")
_FLOATS = oids("float4", "float8")
_JSONB_VERSION = b"\x01"
_LISTS = (list, tuple, set, frozenset)


class NoBinaryFormError(CannotDump):
    """A value that can only be sent as text; the message completes a sentence about its type."""


class BinaryForms:
    """
    Makes the functions from values to their binary form, which raise `CannotDump` if there is none.

    A value means what it means as the parameter of a statement. Where that would be sent as a
    text, its binary form is what the server would make of the text, if this is certain.
    """

    def __init__(self, writer: DumperFactory, adapters: AdaptersMap) -> None:
        self.writer = writer
        self._types = adapters.types
        self._numeral = DecimalBinaryDumper(Decimal).dump

    def of(self, oid: int, *, is_textual: bool = False) -> Binary:
        """The function for a type; ``is_textual`` says that its binary form is its text."""
        forms = self.writer.forms(oid)
        from_text = _same if is_textual else self._from_text(oid)

        def binary(value: Any) -> Data | None:
            data, format = forms[type(value)](value)
            return data if data is None or format == BINARY else from_text(value, data)

        return binary

    def _from_text(self, oid: int) -> FromText:
        info = self._types.get(oid)
        if info is not None and info.array_oid == oid:
            return self._array(info.oid, info.delimiter, isinstance(info, CompositeInfo))
        if isinstance(info, DomainInfo):
            return self._from_text(info.base_oid)
        if oid in _TEXTS or isinstance(info, EnumInfo) or getattr(info, "is_textual", False):
            return _same
        if isinstance(info, CompositeInfo):
            return self._composite(info)
        if oid == _JSONB:
            return lambda value, text: _JSONB_VERSION + text
        if oid == _NUMERIC:
            return self._numeric
        if oid in _FLOATS:
            return self._float(oid)
        if isinstance(info, RangeInfo):
            return self._range(info.subtype_oid)
        if isinstance(info, MultirangeInfo):
            return self._multirange(info.range_oid)
        return _no_room if oid in _INTEGERS else _none

    def _numeric(self, value: Any, text: Data) -> Data:
        return bytes(self._numeral(_number(value, text)) or b"")

    def _float(self, oid: int) -> FromText:
        forms = self.writer.forms(oid)

        def exact(value: Any, text: Data) -> Data:
            number = _number(value, text)
            # What a float is not exactly would be rounded here, and again to a smaller one.
            data, format = forms[float](float(number)) if float(number) == number else (b"", TEXT)
            return data if data and format == BINARY else _no_room(value, text)

        return exact

    def _array(self, oid: int, delimiter: str, of_composites: bool) -> FromText:
        forms = self._forms_in_binary(oid)
        nests = (list,) if of_composites else (list, tuple)
        whole = array(ArrayDumper(oid, forms, delimiter.encode(), raw=True, nests=nests))

        def elements(value: Any, text: Data) -> Data:
            if not isinstance(value, _LISTS):
                return _none(value, text)
            return whole.dump(value)[0] or b""

        return elements

    def _forms_in_binary(self, oid: int) -> ValueDumpers:
        write = self.of(oid)
        return ValueDumpers(lambda kind: ValueDumper(lambda value: (write(value), BINARY), write))

    def _composite(self, info: CompositeInfo) -> FromText:
        attributes = [
            Attribute(oid, self._forms_in_binary(oid), raw=True) for oid in info.field_types
        ]
        target = TargetType(info.oid, info)

        def parts(value: Any, text: Data) -> Data:
            values = values_of(target, info, type(value))
            if values is None:
                return _none(value, text)
            return composite(values, attributes).dump(value)[0] or b""

        return parts

    def _range(self, oid: int) -> FromText:
        bound = self.of(oid)

        def bounds(value: Any, text: Data) -> Data:
            if not isinstance(value, Range):
                return _none(value, text)
            return bytes(dump_range_binary(value, bound))

        return bounds

    def _multirange(self, oid: int) -> FromText:
        one = self.of(oid)

        def ranges(value: Any, text: Data) -> Data:
            if not isinstance(value, Multirange):
                return _none(value, text)
            parts = [one(part) or b"" for part in value]
            sized = [len(part).to_bytes(4, "big") + part for part in parts]
            return len(parts).to_bytes(4, "big") + b"".join(sized)

        return ranges


def _same(value: Any, text: Data) -> Data:
    return text


def _none(value: Any, text: Data) -> Data:
    raise NoBinaryFormError("which has no binary form for it")


def _no_room(value: Any, text: Data) -> Data:
    _number(value, text)
    raise NoBinaryFormError("which is out of its range")


def _number(value: Any, text: Data) -> Decimal:
    # A text may look like a number and still be a mistake, as it is for every other type.
    with suppress(InvalidOperation):
        if not isinstance(value, str):
            return Decimal(text.decode())
    raise NoBinaryFormError("which has no binary form for it")

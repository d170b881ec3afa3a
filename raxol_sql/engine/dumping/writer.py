"""Writes values for the types of the server, by what is registered on a connection."""

from __future__ import annotations

from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from numbers import Integral, Real
from types import NoneType
from typing import Any
from uuid import UUID

import psycopg
from psycopg.abc import AdaptContext, Dumper
from psycopg.adapt import PyFormat, Transformer
from psycopg.types.composite import CompositeInfo
from psycopg.types.multirange import Multirange, MultirangeInfo
from psycopg.types.range import Range, RangeInfo

from raxol_sql.engine.driver import is_driver
from raxol_sql.engine.dumping.arrays import Elements, array
from raxol_sql.engine.dumping.documents import document
from raxol_sql.engine.dumping.form import BINARY, NULL, Form, Forms, textual
from raxol_sql.engine.dumping.literals import multirange_literal, range_literal, record_literal
from raxol_sql.engine.dumping.moments import moment
from raxol_sql.engine.dumping.numbers import PACKED, boolean, integer, real
from raxol_sql.engine.dumping.registered import custom, own
from raxol_sql.engine.dumping.spelling import checked
from raxol_sql.engine.dumping.target import CHARACTERS, DOCUMENTS, TEXTS, Target, oids
from raxol_sql.engine.trust import FOR_EVER, trust_in

_BYTEA = psycopg.postgres.types["bytea"].oid
_BOOL = psycopg.postgres.types["bool"].oid
# Their bytes are the same in either format.
_RAW = oids("text", "varchar", "bpchar")
_BYTES = (bytes, bytearray, memoryview)
_UNKNOWN = 0
# What has one text, whatever the settings of the session: it may stand for itself where the
# server takes a text, as in :number::text.
_WITH_ONE_TEXT = (int, Decimal, UUID)


class Writer:
    """
    The forms of values for each type of the server.

    What is registered on the connection is asked when a form is needed for the first time.
    ``trust`` is the least that there is in any of these forms; see `trust_in`. Belongs to the
    holder of the connection.
    """

    def __init__(self, context: AdaptContext) -> None:
        self.trust = FOR_EVER
        self._adapters = context.adapters
        self._transformer = Transformer(context)
        self._forms: dict[int, Forms] = {}

    def forms(self, oid: int) -> Forms:
        """The forms of values for the type with that OID."""
        known = self._forms.get(oid)
        if known is None:
            target = Target.of(self._adapters.types, oid)
            known = self._forms[oid] = Forms(lambda kind: self._choose(target, kind))
        return known

    def _choose(self, target: Target, kind: type) -> Form:
        self.trust = min(self.trust, trust_in(target, kind))
        if kind is NoneType:
            return NULL
        dumper = self._dumper(kind)
        if dumper is not None and not is_driver(dumper):
            return custom(self._transformer, target, kind)
        # A str may stand for anything, also if it is the value of an enum.
        if issubclass(kind, str) and dumper is self._dumper(str):
            write: Any = self._transformer.get_dumper("", PyFormat.TEXT).dump
            return textual(checked(target, write))
        if target.oid in DOCUMENTS:
            return document(self._transformer, target, kind)
        if target.oid in TEXTS:
            return self._text(target, kind, dumper)
        return self._container(target, kind, dumper) or self._scalar(target, kind, dumper)

    def _dumper(self, kind: type) -> type[Dumper] | None:
        try:
            return self._adapters.get_dumper(kind, PyFormat.AUTO)
        except psycopg.ProgrammingError:
            return None

    def _text(self, target: Target, kind: type, dumper: type[Dumper] | None) -> Form:
        if target.oid == _BYTEA and issubclass(kind, _BYTES):
            return _bytes(target, kind)
        if dumper is not None and dumper is self._dumper(Enum):
            return own(self._transformer, target, kind)
        if target.oid in CHARACTERS and issubclass(kind, _WITH_ONE_TEXT):
            return textual(self.forms(_UNKNOWN).text)
        raise target.refusal(kind)

    def _container(self, target: Target, kind: type, dumper: type[Dumper] | None) -> Form | None:
        if hasattr(dumper, "make_sequence"):
            return self._registered_record(target, kind, dumper)
        if issubclass(kind, (list, tuple, set, frozenset)):
            if target.is_array or target.is_closed:
                return self._array(target, kind)
            # The program may have registered the dumper of another type, such as jsonb.
            if dumper is not None and dumper.oid:
                return None
            return self._record(target) if issubclass(kind, tuple) else self._array(target, kind)
        if issubclass(kind, Range):
            return self._range(target, kind, RangeInfo)
        if issubclass(kind, Multirange):
            return self._range(target, kind, MultirangeInfo)
        return None

    def _scalar(self, target: Target, kind: type, dumper: type[Dumper] | None) -> Form:
        if dumper is None:
            raise target.refusal(kind)
        if issubclass(kind, Enum) and dumper not in (self._dumper(int), self._dumper(float)):
            return own(self._transformer, target, kind)
        if issubclass(kind, bool) or dumper.oid == _BOOL:
            return boolean(target, kind)
        if issubclass(kind, Integral):
            return integer(target, kind)
        if issubclass(kind, (Real, Decimal)):
            return real(target, kind)
        if issubclass(kind, (date, time, timedelta)):
            return moment(self._transformer, target, kind)
        if issubclass(kind, _BYTES):
            return _bytes(target, kind)
        return own(self._transformer, target, kind)

    def _array(self, target: Target, kind: type) -> Form:
        if not target.is_array:
            if target.is_closed:
                raise target.refusal(kind)
            return array(Elements(_UNKNOWN, self.forms(_UNKNOWN), b",", raw=False, nests=(list,)))
        info = target.info
        assert info is not None
        # A tuple in a list is a composite where there are composites, and else a list itself.
        nests = (list,) if isinstance(info, CompositeInfo) else (list, tuple)
        packed = PACKED.get(info.oid)
        if packed and not is_driver(self._adapters.get_dumper(packed[0], PyFormat.AUTO)):
            packed = None
        forms, delimiter = self.forms(info.oid), info.delimiter.encode()
        return array(Elements(info.oid, forms, delimiter, info.oid in _RAW, nests, packed))

    def _range(
        self, target: Target, kind: type, wanted: type[RangeInfo] | type[MultirangeInfo]
    ) -> Form:
        info = target.info
        if target.is_array or (target.is_closed and not isinstance(info, wanted)):
            raise target.refusal(kind)
        forms = self.forms(info.subtype_oid if isinstance(info, wanted) else _UNKNOWN)
        literal: Any = range_literal if wanted is RangeInfo else multirange_literal
        return textual(lambda value: literal(value, forms.text))

    def _record(self, target: Target) -> Form:
        if not isinstance(target.info, CompositeInfo):
            forms = self.forms(_UNKNOWN)
            return textual(lambda value: record_literal(map(forms.text, value)))
        return self._fields(target, target.info)

    def _registered_record(self, target: Target, kind: type, dumper: Any) -> Form:
        if target.is_closed or target.is_array:
            raise target.refusal(kind)
        form = self._fields(target, dumper.info)
        return textual(lambda value: form.text(dumper.make_sequence(value, dumper.info)))

    def _fields(self, target: Target, info: CompositeInfo) -> Form:
        fields = [self.forms(oid) for oid in info.field_types]

        def text(value: Any) -> bytes:
            if len(value) != len(fields):
                raise target.misfit(f"{len(value)} values were given for its {len(fields)} fields")
            return record_literal(
                [forms.text(one) for forms, one in zip(fields, value, strict=True)]
            )

        return textual(text)


def _bytes(target: Target, kind: type) -> Form:
    if target.oid == _BYTEA:
        return Form(lambda value: (bytes(value), BINARY), _hex)
    if target.is_closed:
        raise target.refusal(kind)
    return textual(_hex)


def _hex(value: Any) -> bytes:
    return b"\\x" + bytes(value).hex().encode()

"""Creation of dumpers, from the adapters registered on a connection."""

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
from psycopg.types.enum import EnumInfo
from psycopg.types.multirange import Multirange, MultirangeInfo
from psycopg.types.range import Range, RangeInfo

from raxol_sql.engine.types.adapters import is_builtin_adapter
from raxol_sql.engine.types.dump.arrays import ArrayDumper, array
from raxol_sql.engine.types.dump.composites import Attribute, composite, values_of
from raxol_sql.engine.types.dump.custom import custom, own
from raxol_sql.engine.types.dump.datetimes import moment
from raxol_sql.engine.types.dump.dumper import (
    BINARY,
    NULL,
    Text,
    ValueDumper,
    ValueDumpers,
    text_dumper,
)
from raxol_sql.engine.types.dump.infinity import clamp_to_infinity
from raxol_sql.engine.types.dump.json import document
from raxol_sql.engine.types.dump.literals import multirange_literal, range_literal, record_literal
from raxol_sql.engine.types.dump.lossy_texts import reject_lossy
from raxol_sql.engine.types.dump.numbers import PACKED, boolean, integer, real
from raxol_sql.engine.types.dump.pg_type import (
    CHARACTERS,
    DOCUMENTS,
    TEXTS,
    TargetType,
    describe_class,
    oids,
)
from raxol_sql.engine.types.interval_loaders import clamps
from raxol_sql.engine.types.type_infos import DomainInfo
from raxol_sql.engine.types.type_trust import FOR_EVER, INFERRED, trust_in
from raxol_sql.records import JsonText

_BYTEA = psycopg.postgres.types["bytea"].oid
_BOOL = psycopg.postgres.types["bool"].oid
# Their bytes are the same in either format.
_RAW = oids("text", "varchar", "bpchar")
_BYTES = (bytes, bytearray, memoryview)
_UNKNOWN = 0
# What has one text, whatever the settings of the session: it may stand for itself where the
# server takes a text, as in :number::text.
_WITH_ONE_TEXT = (int, Decimal, UUID)


class DumperFactory:
    """
    The dumpers for each PostgreSQL type.

    The adapters of the connection are looked up when a dumper is first needed. ``trust`` is the
    least trust of any of these dumpers; see `trust_in`. Belongs to the holder of the connection.
    """

    def __init__(self, context: AdaptContext) -> None:
        self.trust = FOR_EVER
        self._adapters = context.adapters
        self._transformer = Transformer(context)
        self._forms: dict[int, ValueDumpers] = {}
        # Whether Python's last date stands for infinity.
        self.clamps = clamps(context.adapters)

    def forms(self, oid: int) -> ValueDumpers:
        """Return the dumpers for the type with that OID."""
        known = self._forms.get(oid)
        if known is None:
            target = TargetType.of(self._adapters.types, oid)
            if isinstance(target.info, DomainInfo) and not target.is_array:
                # A domain has the input and receive functions of its base type.
                if target.info.base_oid in INFERRED:
                    # The parameter has the OID of the domain, so its type cannot be left open.
                    self.trust = 0.0
                known = self._forms[oid] = self.forms(target.info.base_oid)
                return known
            known = self._forms[oid] = ValueDumpers(lambda kind: self._choose(target, kind))
        return known

    def _choose(self, target: TargetType, kind: type) -> ValueDumper:
        self.trust = min(self.trust, trust_in(target, kind))
        if kind is NoneType:
            return NULL
        dumper = self._dumper(kind)
        if dumper is not None and not is_builtin_adapter(dumper):
            return custom(self._transformer, target, kind)
        if issubclass(kind, JsonText) and target.oid in DOCUMENTS:
            return document(self._transformer, target, kind)
        # A str may be input for any type, even as the value of an enum.
        if issubclass(kind, str) and dumper is self._dumper(str):
            write: Any = self._transformer.get_dumper("", PyFormat.TEXT).dump
            return text_dumper(reject_lossy(target, write))
        if dumper is not None and dumper is self._dumper(Enum):
            return self._enum(target, kind)
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

    def _enum(self, target: TargetType, kind: type) -> ValueDumper:
        """Return the dumper for an enum that the program has not registered: by its values."""
        forms = self.forms(target.oid)
        if isinstance(target.info, EnumInfo) and not target.is_array:

            def label(value: Any) -> Text:
                if not isinstance(value.value, str):
                    raise target.misfit(
                        f"{describe_class(kind)} whose value is not a str, as labels are"
                    )
                return forms.text(value.value)

            return text_dumper(label)
        return ValueDumper(
            lambda value: forms[type(value.value)](value.value),
            lambda value: forms.text(value.value),
        )

    def _text(self, target: TargetType, kind: type, dumper: type[Dumper] | None) -> ValueDumper:
        if target.oid == _BYTEA and issubclass(kind, _BYTES):
            return _bytes(target, kind)
        if target.oid in CHARACTERS and issubclass(kind, _WITH_ONE_TEXT):
            return text_dumper(self.forms(_UNKNOWN).text)
        raise target.refusal(kind)

    def _container(
        self, target: TargetType, kind: type, dumper: type[Dumper] | None
    ) -> ValueDumper | None:
        if hasattr(dumper, "make_sequence"):
            return self._record_dumper(target, kind, dumper)
        if isinstance(target.info, CompositeInfo) and not target.is_array:
            values = values_of(target, target.info, kind)
            if values is not None:
                return composite(values, self._attributes(target.info))
        if issubclass(kind, (list, tuple, set, frozenset)):
            if target.is_array or target.is_closed:
                return self._array(target, kind)
            # The program may have registered a dumper for another type, such as jsonb.
            if dumper is not None and dumper.oid:
                return None
            return self._record() if issubclass(kind, tuple) else self._array(target, kind)
        if issubclass(kind, Range):
            return self._range(target, kind, RangeInfo)
        if issubclass(kind, Multirange):
            return self._range(target, kind, MultirangeInfo)
        return None

    def _scalar(self, target: TargetType, kind: type, dumper: type[Dumper] | None) -> ValueDumper:
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
            form = moment(self._transformer, target, kind)
            return clamp_to_infinity(target, form) if self.clamps else form
        if issubclass(kind, _BYTES):
            return _bytes(target, kind)
        return own(self._transformer, target, kind)

    def _array(self, target: TargetType, kind: type) -> ValueDumper:
        if not target.is_array:
            if target.is_closed:
                raise target.refusal(kind)
            return array(
                ArrayDumper(_UNKNOWN, self.forms(_UNKNOWN), b",", raw=False, nests=(list,))
            )
        info = target.info
        assert info is not None
        # A tuple in a list is a composite if the type is one, otherwise a nested list.
        nests = (list,) if isinstance(info, CompositeInfo) else (list, tuple)
        packed = PACKED.get(info.oid)
        if packed and not is_builtin_adapter(self._adapters.get_dumper(packed[0], PyFormat.AUTO)):
            packed = None
        forms, delimiter = self.forms(info.oid), info.delimiter.encode()
        return array(ArrayDumper(info.oid, forms, delimiter, self._is_raw(info.oid), nests, packed))

    def _range(
        self, target: TargetType, kind: type, wanted: type[RangeInfo] | type[MultirangeInfo]
    ) -> ValueDumper:
        info = target.info
        if target.is_array or (target.is_closed and not isinstance(info, wanted)):
            raise target.refusal(kind)
        forms = self.forms(info.subtype_oid if isinstance(info, wanted) else _UNKNOWN)
        literal: Any = range_literal if wanted is RangeInfo else multirange_literal
        return text_dumper(lambda value: literal(value, forms.text))

    def _record(self) -> ValueDumper:
        forms = self.forms(_UNKNOWN)
        return text_dumper(lambda value: record_literal(map(forms.text, value)))

    def _record_dumper(self, target: TargetType, kind: type, dumper: Any) -> ValueDumper:
        if target.is_closed or target.is_array:
            raise target.refusal(kind)
        info, count = dumper.info, len(dumper.info.field_types)

        def values(value: Any) -> Any:
            made = dumper.make_sequence(value, info)
            if len(made) != count:
                raise target.misfit(f"{len(made)} values were given for its {count} fields")
            return made

        form = composite(values, self._attributes(info))
        # It may be used for another type with the same fields, for which only its text is certain.
        return form if info.oid == target.oid else text_dumper(form.text)

    def _attributes(self, info: CompositeInfo) -> list[Attribute]:
        return [Attribute(oid, self.forms(oid), self._is_raw(oid)) for oid in info.field_types]

    def _is_raw(self, oid: int) -> bool:
        """Return whether values of a type have the same bytes in either format."""
        info = self._adapters.types.get(oid)
        while isinstance(info, DomainInfo) and info.oid == oid:
            oid = info.base_oid
            info = self._adapters.types.get(oid)
        return oid in _RAW or (isinstance(info, EnumInfo) and info.oid == oid)


def _bytes(target: TargetType, kind: type) -> ValueDumper:
    if target.oid == _BYTEA:
        return ValueDumper(lambda value: (bytes(value), BINARY), _hex)
    if target.is_closed:
        raise target.refusal(kind)
    return text_dumper(_hex)


def _hex(value: Any) -> bytes:
    return b"\\x" + bytes(value).hex().encode()

"""Values written by the dumper that psycopg, or the program, registered for their class."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
from psycopg.abc import Dumper, Transformer
from psycopg.adapt import PyFormat

from raxol_sql.engine.types.dump.dumper import BINARY, TEXT, Dumped, Text, ValueDumper, text_dumper
from raxol_sql.engine.types.dump.pg_type import TEXTS, TargetType

_TEXT = psycopg.postgres.types["text"].oid
_UUID = psycopg.postgres.types["uuid"].oid


def custom(transformer: Transformer, target: TargetType, kind: type) -> ValueDumper:
    """Return the dumper for values whose class has a dumper of the program."""

    def dump(value: Any) -> Dumped:
        dumper = transformer.get_dumper(value, PyFormat.AUTO)
        if dumper.oid in (0, target.oid):
            return _bytes(dumper.dump(value)), dumper.format
        if dumper.oid == _TEXT:
            # A text has the same bytes in either format.
            format = dumper.format if target.oid in TEXTS else TEXT
            return _bytes(dumper.dump(value)), format
        return text(value), TEXT

    def text(value: Any) -> Text:
        dumper = _text_dumper(transformer, target, value)
        if target.oid in TEXTS and dumper.oid not in (0, _TEXT, target.oid):
            raise target.refusal(kind)
        return _bytes(dumper.dump(value))

    return ValueDumper(dump, text)


def own(transformer: Transformer, target: TargetType, kind: type) -> ValueDumper:
    """Return the dumper for values whose dumper comes with psycopg, or was made by it."""
    if issubclass(kind, uuid.UUID):
        return _uuid(transformer, target)
    has_binary = _has_binary(transformer, kind)

    def dump(value: Any) -> Dumped:
        if has_binary:
            dumper = transformer.get_dumper(value, PyFormat.BINARY)
            if dumper.oid == target.oid != 0:
                return _bytes(dumper.dump(value)), dumper.format
        return text(value), TEXT

    def text(value: Any) -> Text:
        return _bytes(_text_dumper(transformer, target, value).dump(value))

    return ValueDumper(dump, text)


def _uuid(transformer: Transformer, target: TargetType) -> ValueDumper:
    def text(value: uuid.UUID) -> bytes:
        return str(value).encode()

    if target.oid != _UUID:
        return text_dumper(text)
    write: Any = transformer.get_dumper(uuid.UUID(int=0), PyFormat.BINARY).dump
    return ValueDumper(lambda value: (write(value), BINARY), text)


def _has_binary(transformer: Transformer, kind: type) -> bool:
    try:
        transformer.adapters.get_dumper(kind, PyFormat.BINARY)
    except psycopg.ProgrammingError:
        return False
    return True


def _text_dumper(transformer: Transformer, target: TargetType, value: Any) -> Dumper:
    try:
        return transformer.get_dumper(value, PyFormat.TEXT)
    except psycopg.ProgrammingError:
        raise target.refusal(type(value)) from None


def _bytes(data: Any) -> Text:
    return bytes(data) if isinstance(data, memoryview) else data

"""The PostgreSQL type of a parameter."""

from __future__ import annotations

import datetime
import decimal
import uuid

import attrs
import psycopg
from psycopg.types import TypeInfo, TypesRegistry

from raxol_sql.engine.types.dump.dumper import CannotDump

# OIDs from here on belong to user types; psycopg's registry is complete below.
_FIRST_OF_USERS = 16384
_WITHOUT_INFO = {705: "unknown", 2275: "cstring"}

_WRITTEN = {
    bool: "boolean",
    int: "bigint",
    float: "float8",
    decimal.Decimal: "numeric",
    uuid.UUID: "uuid",
    datetime.datetime: "timestamptz",
    datetime.date: "date",
    datetime.time: "time",
    datetime.timedelta: "interval",
    bytes: "bytea",
    list: "bigint[]",
    dict: "jsonb",
}


def oids(*names: str) -> frozenset[int]:
    """Return the OIDs of built-in types."""
    return frozenset(psycopg.postgres.types[name].oid for name in names)


DOCUMENTS = oids("json", "jsonb")
CHARACTERS = oids("text", "varchar", "bpchar")
# A value of another type is not accepted for these, although every value has a text.
TEXTS = oids("text", "varchar", "bpchar", "name", '"char"', "bytea", "xml", "refcursor") | {
    *_WITHOUT_INFO
}


@attrs.frozen
class TargetType:
    """
    The type of a parameter; ``info`` is its entry in psycopg's registry.

    A type without an entry may be anything: a domain, an enum, a type of an extension. Only its
    input function can validate a value.
    """

    oid: int
    info: TypeInfo | None

    @classmethod
    def of(cls, types: TypesRegistry, oid: int) -> TargetType:
        """Return the type with that OID; 0 is an unknown one."""
        return cls(oid, types.get(oid) if oid else None)

    @property
    def is_closed(self) -> bool:
        """Return whether it is a built-in type, whose values are known in advance."""
        return self.info is not None and self.oid < _FIRST_OF_USERS

    @property
    def is_array(self) -> bool:
        return self.info is not None and self.info.array_oid == self.oid

    @property
    def name(self) -> str:
        if self.info is None:
            return _WITHOUT_INFO.get(self.oid, "a type unknown to psycopg")
        return f"{self.info.regtype}[]" if self.is_array else self.info.regtype

    def refusal(self, kind: type) -> CannotDump:
        """Return the error for a value of that class."""
        hint = ""
        if self.oid in TEXTS:
            written = next((name for one, name in _WRITTEN.items() if issubclass(kind, one)), None)
            hint = f": give {'bytes' if self.name == 'bytea' else 'a str'}"
            if written:
                hint += f", or write the type into the SQL, as in :name::{written}"
        return self.misfit(describe_class(kind) + hint)

    def misfit(self, problem: str) -> CannotDump:
        """Return the error for that problem."""
        return CannotDump(f"the server expects {self.name} here, and {problem}")


def describe_class(kind: type) -> str:
    """Return a clause that says that a value of a class was given."""
    if kind is bytes:
        return "bytes were given"
    name = kind.__name__
    return f"{'an' if name[:1].lower() in 'aeio' else 'a'} {name} was given"

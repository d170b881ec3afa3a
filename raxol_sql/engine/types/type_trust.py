"""How long a connection trusts the parameter types that the server described."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from types import NoneType
from uuid import UUID

import psycopg

from raxol_sql.engine.types.dump.pg_type import TargetType, oids

# In seconds.
USUAL = 1.0
FOR_EVER = math.inf
# The server assigns what these hold to nothing but types that hold it too, or refuses.
_TEXTS = oids("text", "varchar")
_EXACT: dict[int, type] = {
    **dict.fromkeys(oids("int2", "int4", "int8"), int),
    **dict.fromkeys(oids("uuid"), UUID),
    **dict.fromkeys(oids("bool"), bool),
}
_FLOAT8 = oids("float8")
# A value for one of these goes as a text to whatever type the server finds in this moment: there
# is no moment in which what it asked for before could round a value for a column that is wider.
INFERRED = oids("float4") | {psycopg.postgres.types["float4"].array_oid}
_SCHEMA_CHANGE = re.compile(
    r"\b(?:alter|drop)\s+(?:table|foreign|type|domain|view|materialized|function|procedure|routine|"
    r"aggregate|schema|cast|operator|extension|rule|trigger|owned)\b|\bcreate\s+or\s+replace\b",
    re.IGNORECASE,
)


class SchemaAge:
    """
    A counter of the schema changes that this process has noticed.

    What was described at another ``number`` is described again, on every connection of the process.
    Thread-safe.
    """

    def __init__(self) -> None:
        self.number = 0

    def increase(self) -> None:
        """Record a schema change."""
        # Two threads that count at once may count one; the number differs from before all the same.
        self.number += 1


SCHEMA_AGE = SchemaAge()


def changes_schema(text: str) -> bool:
    """Return whether a statement may change the type of a parameter of another one."""
    lowered = text.lower()
    if not any(word in lowered for word in ("alter", "drop", "replace")):
        return False
    return _SCHEMA_CHANGE.search(text) is not None


def trust_in(target: TargetType, kind: type) -> float:
    """
    For how many seconds values of a class may be written for a type that the server once named.

    A connection that goes on to write for a type that a column no longer has leaves it to the
    server to convert the value, which it does without a word where it knows an assignment. That
    is harmless for ever where no such conversion loses anything, and harmful at once where the
    type itself already holds less than the value: then the server is asked each time.
    """
    if kind is NoneType:
        return FOR_EVER
    oid = target.info.oid if target.info is not None and target.is_array else target.oid
    if oid in _TEXTS:
        return FOR_EVER
    exact = _EXACT.get(oid)
    if exact is not None and (issubclass(kind, exact) or not issubclass(kind, (str, Decimal))):
        return FOR_EVER
    if target.oid in INFERRED:
        return FOR_EVER
    if oid in _FLOAT8 and issubclass(kind, (Decimal, str)):
        return 0.0
    return USUAL

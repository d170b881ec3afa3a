"""The types of columns, in Python."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from typing import Any
from uuid import UUID

import attrs
import psycopg

from raxol_sql.schema import Column


@attrs.frozen
class PythonType:
    """What a column's values are: how code names their type, where from, and some of them."""

    name: str
    module: str
    samples: tuple[Any, ...]


_INT = PythonType("int", "", (1, 0, 2, 3, 10, 100, -1))
_TEXTS = ("a", "b", "A", "AA", "BB", "AAA", "BBB", "00", "a@b.de", "b@b.de", "aaaa")
_STR = PythonType("str", "", _TEXTS)
_FLOAT = PythonType("float", "", (1.0, 0.0, 2.0, 10.0, 100.0, -1.0))
_MOMENTS = (datetime.datetime(2024, 1, 2, 3, 4, 5), datetime.datetime(2025, 1, 2))
_AWARE = tuple(moment.replace(tzinfo=datetime.timezone.utc) for moment in _MOMENTS)  # noqa: UP017
_TYPES = {
    **dict.fromkeys(("int2", "int4", "int8"), _INT),
    **dict.fromkeys(("text", "varchar", "bpchar", "citext", "name"), _STR),
    **dict.fromkeys(("float4", "float8"), _FLOAT),
    "bool": PythonType("bool", "", (True, False)),
    "numeric": PythonType("Decimal", "decimal", tuple(map(Decimal, (1, 0, 2, 10, 100, -1)))),
    "timestamptz": PythonType("datetime", "datetime", _AWARE),
    "timestamp": PythonType("datetime", "datetime", _MOMENTS),
    "date": PythonType("date", "datetime", (datetime.date(2024, 1, 2), datetime.date(2025, 1, 2))),
    "time": PythonType("time", "datetime", (datetime.time(3, 4), datetime.time(5, 6))),
    "interval": PythonType(
        "timedelta", "datetime", (datetime.timedelta(hours=1), datetime.timedelta(days=1))
    ),
    "uuid": PythonType("UUID", "uuid", (UUID(int=1), UUID(int=2))),
    "bytea": PythonType("bytes", "", (b"a", b"b")),
}
# Whatever else there is comes as the driver gives it, and is sent as text.
_TEXTS_OF: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("varbit", "money"), ("0", "1")),
    **dict.fromkeys(("char", "ltree", "tsquery", "tsvector"), ("a", "b")),
    **dict.fromkeys(("inet", "cidr"), ("10.0.0.1", "10.0.0.2")),
    "macaddr": ("08:00:2b:01:02:03",),
    "macaddr8": ("08:00:2b:01:02:03:04:05",),
    "timetz": ("03:04:05+00", "04:05:06+00"),
    "xml": ("<a/>",),
    "point": ("(1,2)",),
    "box": ("(2,2),(1,1)",),
    "lseg": ("[(1,1),(2,2)]",),
    "line": ("{1,2,3}",),
    "path": ("((1,1),(2,2))",),
    "polygon": ("((1,1),(2,2))",),
    "circle": ("<(1,1),2>",),
    "jsonpath": ("$",),
    "pg_lsn": ("0/1", "0/2"),
    "hstore": ("",),
    "oid": (1, 2),
    **dict.fromkeys(("int4range", "int8range", "numrange"), ("[1,2)", "[3,4)")),
    **dict.fromkeys(
        ("daterange", "tsrange", "tstzrange"),
        ("[2024-01-02,2024-01-03)", "[2025-01-02,2025-01-03)"),
    ),
}
_ANY_TEXTS = ("{}",)
BOUNDS = {"int2": 2**15, "int4": 2**31, "int8": 2**63}


def type_of(column: Column) -> PythonType:
    """The type of a column's values, without whether they may be None."""
    labelled = PythonType("str", "", column.labels) if column.labels else None
    inner = labelled or _TYPES.get(column.base)
    if inner is None:
        inner = PythonType("Any", "typing", _texts_of(column))
    if column.base == "bpchar" and column.length is not None:
        # Shorter ones come back with blanks.
        texts = dict.fromkeys(text.ljust(column.length, text[0]) for text in inner.samples)
        inner = PythonType("str", "", tuple(texts))
    if not column.is_array:
        return inner
    if inner.name == "Any":
        # A list of what the driver gives.
        return PythonType("Any", "typing", ("{}",))
    samples: tuple[Any, ...] = tuple([one] for one in inner.samples)
    if _has_domain(column):
        # What the checks of the domain take is not known, but an empty array has none of it.
        samples = ([], *samples)
    return PythonType(f"list[{inner.name}]", inner.module, samples)


def _has_domain(column: Column) -> bool:
    """Whether the elements of an array are of a domain."""
    element = re.sub(r"\(.*?\)", "", column.type.removesuffix("[]"))
    return element != column.base and psycopg.postgres.types.get(element) is None


def _texts_of(column: Column) -> tuple[Any, ...]:
    """Values of a type that is not one of Python's, as text."""
    if column.base == "bit":
        digits = re.search(r"\d+", column.type)
        length = int(digits[0]) if digits else 1
        return ("0" * length, "1" * length)
    other = ("empty",) if re.search("(?<!multi)range$", column.base) else _ANY_TEXTS
    return _TEXTS_OF.get(column.base, other)


def annotation_of(column: Column) -> str:
    """A column's type as an annotation."""
    name = type_of(column).name
    return f"{name} | None" if column.nullable and name != "Any" else name

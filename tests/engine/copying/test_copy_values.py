"""What COPY stores is what the parameter of an INSERT would store, or it is refused."""

from __future__ import annotations

import datetime as dt
import enum
import ipaddress
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import psycopg
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.types.json import Json, Jsonb
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

import raxol_sql as rx

if TYPE_CHECKING:
    from tests.engine.copying.conftest import Copier


class Level(enum.IntEnum):
    """An int of a class of its own."""

    HIGH = 3


class Mood(enum.Enum):
    """An enum that nobody registered."""

    ok = "ok"


class Name(str):
    """A str of a class of its own."""


ZONES = [dt.UTC, dt.timezone(dt.timedelta(hours=-5, minutes=-30)), ZoneInfo("Asia/Tokyo")]
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
# A parameter is not known to be of a domain's base type; a column of a COPY is.
BASES = {"half": "::int", "moods": "::mood[]"}
# The clocks of the session go forward, and back, at these.
MOMENTS = [
    dt.datetime(2024, 3, 31, 2, 30),
    dt.datetime(2024, 10, 27, 2, 30),
    dt.datetime(1, 1, 3),
    dt.datetime(9999, 12, 29, 23, 59, 59, 999999),
    dt.datetime(2000, 1, 1, 23, 59, 59, 5),
]
naive = st.sampled_from(MOMENTS) | st.datetimes(MOMENTS[2], MOMENTS[3])
aware = st.builds(lambda moment, zone: moment.replace(tzinfo=zone), naive, st.sampled_from(ZONES))
integers = st.integers(-9, 9) | st.sampled_from(
    [sign * 2**bits + more for bits in (15, 31, 53, 63) for sign in (1, -1) for more in (-1, 0, 1)]
)
floats = st.floats() | st.sampled_from([0.1, 1e39, 1e-46, 16777217.0, 3.4028235e38, -0.0])
decimals = st.decimals(-(10**6), 10**6, places=3) | st.sampled_from(
    [Decimal(text) for text in ("NaN", "Infinity", "1E+400", "1E-400", "1E+131072", "0.1", "5")]
)
texts = st.sampled_from(
    ["", "a\tb\\N\n", "é", "1", "{}", "{1,2}", "null", "ok", "2024-01-01", "[1,2)", "t", "\\x00"]
)
dates = st.dates() | st.sampled_from([dt.date.min, dt.date.max])
aware_times = st.times(timezones=st.sampled_from(ZONES))
networks = st.ip_addresses().map(ipaddress.ip_network)
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "é", "\\"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
wrapped = documents.map(Json) | documents.map(Jsonb)


def lists(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Lists with None, and lists of lists of one length."""
    pairs = st.lists(items, min_size=2, max_size=2)
    return st.lists(items | st.none(), max_size=3) | st.lists(pairs, max_size=2)


def ranges(bounds: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Ranges of all kinds, open ones and an empty one among them."""

    def between(lower: Any, upper: Any, kind: str) -> Range[Any]:
        ordered = (lower, upper) if None in (lower, upper) else sorted([lower, upper])
        return Range(*ordered, kind)

    kinds = st.sampled_from(["[)", "(]", "[]", "()"])
    return st.builds(between, bounds | st.none(), bounds | st.none(), kinds) | st.just(
        Range(empty=True)
    )


def multiranges(bounds: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(ranges(bounds), max_size=2).map(Multirange)


finite = decimals.filter(Decimal.is_finite)
NATURAL: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    **dict.fromkeys(["int2", "int4", "int8", "half"], integers),
    "oid": st.integers(0, 2**32),
    **dict.fromkeys(["numeric", "numeric(6,2)"], integers | decimals | floats),
    "float4": floats | st.integers(-9, 9),
    "float8": floats | integers,
    **dict.fromkeys(["text", "varchar(3)", "char(3)", "citext"], texts | st.text(CHARACTERS)),
    "name": texts,
    "bytea": st.binary(max_size=4) | st.binary(max_size=4).map(bytearray),
    "uuid": st.uuids(),
    "date": dates,
    "time": st.times(),
    "timetz": aware_times,
    "timestamp": naive,
    "timestamptz": aware,
    "interval": st.timedeltas(),
    "inet": st.ip_addresses(),
    "cidr": networks,
    **dict.fromkeys(["json", "jsonb"], documents | wrapped),
    **dict.fromkeys(["int4range", "int8range"], ranges(integers)),
    "numrange": ranges(finite | st.integers(-9, 9)),
    "daterange": ranges(st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1))),
    "tsrange": ranges(naive),
    "tstzrange": ranges(aware),
    "int8multirange": multiranges(st.integers(-99, 99)),
    "nummultirange": multiranges(finite),
    "tsmultirange": multiranges(naive),
    "mood": st.sampled_from(["sad", 'happy "yes"']),
    **dict.fromkeys(["int2[]", "int8[]"], lists(integers)),
    "numeric[]": lists(integers | decimals),
    "float4[]": lists(floats),
    "text[]": lists(texts),
    "bytea[]": lists(st.binary(max_size=3)),
    "timestamp[]": lists(naive),
    "timestamptz[]": lists(aware),
    "date[]": lists(dates),
    "jsonb[]": st.lists(wrapped | st.dictionaries(texts, integers, max_size=1), max_size=2),
    "int4range[]": st.lists(ranges(st.integers(-99, 99)), max_size=2),
}
# What psycopg knows nothing about has no binary form, unless that is its text.
OTHERS = ["pair", "pair[]", "textrange", "mood[]", "moods", "half[]", "xml", "money", "tsvector"]

ODD = [
    ["ok", None],
    [["sad"]],
    Range("a", "b"),
    Level.HIGH,
    Mood.ok,
    Name("x"),
    memoryview(b"a\\"),
    {1, 2},
    (1, "ok"),
    object(),
]
anything = st.none() | st.sampled_from(ODD) | st.one_of(*NATURAL.values())


def outcome(store: Callable[[], Any]) -> Any:
    """What is stored, or the class of the error that refuses it."""
    try:
        return store()
    except (TypeError, ValueError, psycopg.Error) as error:
        return type(error)


def stored(copier: Copier, relation: str, value: Any, format: str) -> Any:
    def copy() -> Any:
        copier.into(relation, ["v"], [(value,)], format)
        return copier.taken(relation)

    return outcome(copy)


@given(data=st.data(), type=st.sampled_from([*NATURAL]))
@settings(max_examples=600)
def test_a_value_of_the_usual_kind_is_stored_as_a_parameter_stores_it(
    copier: Copier, table: Callable[[str], str], data: st.DataObject, type: str
) -> None:
    value = data.draw(NATURAL[type])
    relation = table(type)
    expected = outcome(lambda: [copier.inserted(relation, BASES.get(type, ""), value)])
    for format in ("text", "binary"):
        found = stored(copier, relation, value, format)
        assert found == expected or not (isinstance(found, list) or isinstance(expected, list))


@given(type=st.sampled_from([*NATURAL, *OTHERS]), value=anything)
@settings(max_examples=600)
def test_any_other_value_is_stored_as_a_parameter_stores_it_or_refused(
    copier: Copier, table: Callable[[str], str], type: str, value: Any
) -> None:
    relation = table(type)
    expected = outcome(lambda: [copier.inserted(relation, BASES.get(type, ""), value)])
    in_text = stored(copier, relation, value, "text")
    in_binary = stored(copier, relation, value, "binary")
    if isinstance(expected, list):
        assert in_text == expected
        assert in_binary in (expected, rx.errors.ParameterError)
    else:
        assert not isinstance(in_text, list)
        assert not isinstance(in_binary, list)

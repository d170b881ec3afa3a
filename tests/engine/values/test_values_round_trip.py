"""A value sent for a type comes back as it would through psycopg, whatever the type."""

from __future__ import annotations

import datetime
import decimal
import ipaddress
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.json import Jsonb
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range


def _instants(**zone: Any) -> st.SearchStrategy[datetime.datetime]:
    # A day away from the ends of what Python can tell, whatever the zone.
    first, last = datetime.datetime(1, 1, 2), datetime.datetime(9999, 12, 30)
    return st.datetimes(first, last, **zone).map(lambda value: value.replace(fold=0))


def _ranges(bounds: st.SearchStrategy[Any]) -> st.SearchStrategy[Range[Any]]:
    pairs = st.tuples(st.none() | bounds, st.none() | bounds).map(
        lambda pair: pair if None in pair else tuple(sorted(pair))
    )
    some = st.builds(
        lambda pair, kind: Range(pair[0], pair[1], kind),
        pairs,
        st.sampled_from(["[)", "(]", "()", "[]"]),
    )
    return some | st.just(Range(empty=True))


def _lists(items: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    items = st.none() | items
    return st.lists(items, max_size=5) | st.integers(1, 3).flatmap(
        lambda width: st.lists(
            st.lists(items, min_size=width, max_size=width), min_size=1, max_size=3
        )
    )


def _size(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


# A NUL is no letter of PostgreSQL's, and half a surrogate pair no letter at all.
letters = st.characters(codec="utf-8", exclude_characters="\0")
texts = st.text(letters)
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=6) | st.sampled_from(
    [decimal.Decimal(name) for name in ("NaN", "Infinity", "-Infinity", "1E+30", "1.500", "-0")]
)
offsets = st.integers(-15 * 3600, 15 * 3600).map(
    lambda seconds: datetime.timezone(datetime.timedelta(seconds=seconds))
)
naive = _instants()
aware = _instants(timezones=offsets)
days = st.dates(datetime.date(1, 1, 2), datetime.date(9999, 12, 30))
spans = st.timedeltas(datetime.timedelta(days=-999999999), datetime.timedelta(days=999999999))
networks = st.builds(
    lambda address, length: ipaddress.ip_network((address, length), strict=False),
    st.ip_addresses(v=4),
    st.integers(0, 32),
) | st.builds(
    lambda address, length: ipaddress.ip_network((address, length), strict=False),
    st.ip_addresses(v=6),
    st.integers(0, 128),
)
hosts = st.ip_addresses() | st.builds(
    lambda address, length: ipaddress.ip_interface((address, length)),
    st.ip_addresses(v=4),
    st.integers(0, 32),
)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | _size(40).map(lambda n: n / 16) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)

SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "int2": _size(16),
    "int4": _size(32),
    "int8": _size(64),
    "oid": st.integers(0, 2**32 - 1),
    "numeric": decimals,
    "float4": st.floats(width=32),
    "float8": st.floats(),
    "text": texts,
    "varchar": texts,
    "bpchar": texts,
    "citext": texts,
    "name": st.text(letters, max_size=15),
    "bytea": st.binary(),
    "uuid": st.uuids(),
    "date": days,
    "time": st.times(),
    "timetz": st.times(timezones=offsets),
    "timestamp": naive,
    "timestamptz": aware,
    "interval": spans,
    "inet": hosts,
    "cidr": networks,
    "int4range": _ranges(st.integers(-(2**30), 2**30)),
    "int8range": _ranges(st.integers(-(2**60), 2**60)),
    "numrange": _ranges(st.decimals(-1000, 1000, places=3)),
    "daterange": _ranges(days),
    "tsrange": _ranges(naive),
    "tstzrange": _ranges(aware),
    "textrange": _ranges(st.text("abc\"\\,()[]{} '", max_size=5)).filter(
        lambda value: value.lower is not None or value.upper is not None or value.isempty
    ),
    "hstore": st.dictionaries(texts, st.none() | texts, max_size=4),
    "percentage": st.integers(0, 100),
}
# In binary, psycopg gives a float4 the digits of a float8, and bytes for what it does not know.
ELSE_IN_BINARY = ("float4", "citext")
# The server has its own order of texts, in which a range may be upside down.
REFUSED_BY_BOTH = psycopg.errors.DataException


def _plain(
    connection: psycopg.Connection[Any], name: str, value: Any, *, binary: bool = False
) -> Any:
    cursor = connection.execute(f"select %s::{name}", [value], binary=binary)
    return cursor.fetchone()[0]  # type: ignore[index]


def _outcome(read: Callable[[], Any]) -> str:
    try:
        value = read()
    except REFUSED_BY_BOTH as error:
        return type(error).__name__
    # The text of a value shows its class, and a NaN as the same as another.
    return repr(value)


@pytest.mark.parametrize("name", SCALARS)
@given(data=st.data())
def test_a_value_comes_back_as_through_psycopg(
    prepared: Callable[[str], Any], shared: psycopg.Connection[Any], name: str, data: st.DataObject
) -> None:
    value = data.draw(SCALARS[name])

    ours = _outcome(lambda: prepared(f"select $1::{name}").one(value))

    assert ours == _outcome(lambda: _plain(shared, name, value))
    if name not in ELSE_IN_BINARY:
        assert ours == _outcome(lambda: _plain(shared, name, value, binary=True))


ARRAYS = ["bool", "int4", "numeric", "float8", "text", "name", "bytea", "timestamptz", "interval"]
ARRAYS += ["inet", "tsrange", "hstore"]


@pytest.mark.parametrize("name", ARRAYS)
@given(data=st.data())
def test_a_list_comes_back_as_the_same_list(
    prepared: Callable[[str], Any], name: str, data: st.DataObject
) -> None:
    values = data.draw(_lists(SCALARS[name]))
    one = prepared(f"select $1::{name}").one

    found = prepared(f"select $1::{name}[]").one(values)

    expected = [[one(item) for item in row] if type(row) is list else one(row) for row in values]
    assert repr(found) == repr(expected)


LITERALS = ["bool", "int4", "numeric", "float8", "text", "bytea", "uuid", "timestamptz", "interval"]
LITERALS += ["cidr", "textrange", "hstore", "percentage"]


@pytest.mark.parametrize("name", LITERALS)
@given(data=st.data())
def test_a_str_is_what_the_literal_would_be(
    prepared: Callable[[str], Any], shared: psycopg.Connection[Any], name: str, data: st.DataObject
) -> None:
    value = data.draw(SCALARS[name])
    try:
        text = prepared(f"select $1::{name}::text").one(value)
    except REFUSED_BY_BOTH:
        return

    found = prepared(f"select $1::{name}").one(text)

    literal = psycopg.sql.Literal(text)
    query = psycopg.sql.SQL("select {}::" + name).format(literal)
    assert repr(found) == repr(shared.execute(query).fetchone()[0])  # type: ignore[index]


@given(bounds=st.lists(st.tuples(_size(32), _size(32)).map(sorted), max_size=4))
def test_a_multirange_comes_back_as_through_psycopg(
    prepared: Callable[[str], Any], shared: psycopg.Connection[Any], bounds: list[list[int]]
) -> None:
    value = Multirange([Range(lower, upper) for lower, upper in bounds])

    found = prepared("select $1::int8multirange").one(value)

    assert found == _plain(shared, "int8multirange", value)


@pytest.mark.parametrize("name", ["json", "jsonb"])
@given(value=documents)
def test_a_document_comes_back(prepared: Callable[[str], Any], name: str, value: Any) -> None:
    found = prepared(f"select $1::{name}").one(Jsonb(value))

    assert found == value
    if isinstance(value, (dict, list)):
        assert prepared(f"select $1::{name}").one(value) == value


def test_an_enum_comes_back_as_its_member(prepared: Callable[[str], Any], mood: Any) -> None:
    for member in mood:
        assert prepared("select $1::mood").one(member) is member
    assert prepared("select $1::mood[]").one([*mood, None]) == [*mood, None]


@given(
    name=st.none() | texts,
    price=st.none() | st.decimals(allow_nan=False, allow_infinity=False, places=6),
    at=st.none() | naive,
)
def test_a_composite_comes_back(
    prepared: Callable[[str], Any], item: Any, name: Any, price: Any, at: Any
) -> None:
    value = item(name, price, at)

    for one in (value, tuple(value)):
        assert repr(prepared("select $1::item").one(one)) == repr(value)
        assert repr(prepared("select $1::item[]").one([one, None])) == repr([value, None])


def test_uuids_of_a_str_and_of_their_class_may_be_mixed(prepared: Callable[[str], Any]) -> None:
    one, other = uuid.UUID(int=1), uuid.UUID(int=2)

    assert prepared("select $1::uuid[]").one([one, str(other)]) == [one, other]

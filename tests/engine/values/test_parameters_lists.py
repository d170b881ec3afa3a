"""A list is an array, of whatever its elements would be alone."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.range import Range

from raxol_sql.engine.types.parameters import ParameterTypeMismatch

letters = st.characters(codec="utf-8", exclude_characters="\0")
# What the literals of arrays, records and ranges give a meaning to.
tokens = st.lists(
    st.sampled_from([*'"\\{}(),[] \t\n;', "null", "NULL", "a"]) | st.text(letters, max_size=2),
    max_size=6,
).map("".join)
now = datetime.datetime(2024, 7, 1, 12, 30, tzinfo=datetime.UTC)


@given(values=st.lists(st.none() | tokens, max_size=6))
def test_no_text_in_a_list_is_mistaken_for_syntax(
    prepared: Callable[[str], Any], values: list[str | None]
) -> None:
    assert prepared("select $1::text[]").one(values) == values
    # psycopg knows nothing of an array of citext, so that it goes as a literal.
    assert prepared("select $1::citext[]::text[]").one(values) == values
    assert prepared("select $1::name[]::text[]").one(values) == values


@given(left=st.none() | tokens, right=st.none() | tokens)
def test_no_text_in_a_composite_or_a_range_is_mistaken_for_syntax(
    prepared: Callable[[str], Any], left: str | None, right: str | None
) -> None:
    assert prepared("select ($1::item).name").one((left, 1, None)) == left
    assert prepared("select ($1::pair).b").one((1, right)) == right
    rows = prepared("select a, b from unnest($1::pair[])")([(1, left), (None, right)])
    assert rows == [(1, left), (None, right)]
    found = prepared("select $1::textrange").one(Range(left, None))
    assert (found.lower, found.upper) == (left, None)


@given(
    rows=st.integers(1, 3).flatmap(
        lambda width: st.lists(
            st.lists(st.none() | st.integers(-(2**31), 2**31 - 1), min_size=width, max_size=width),
            min_size=1,
            max_size=4,
        )
    )
)
def test_lists_in_a_list_are_dimensions_in_either_format(
    prepared: Callable[[str], Any], rows: list[list[int | None]]
) -> None:
    in_binary = prepared("select $1::int4[]")
    as_text = prepared("select $1::percentage[]::int4[]")

    assert in_binary.one(rows) == rows
    assert in_binary.one([tuple(row) for row in rows]) == rows
    fitting = [[None if one is None else one % 100 for one in row] for row in rows]
    assert as_text.one(fitting) == fitting


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("int8[]", [1, 2.0, decimal.Decimal(3), "4", None], [1, 2, 3, 4, None]),
        ("numeric[]", [1, "2.5"], [decimal.Decimal(1), decimal.Decimal("2.5")]),
        ("float8[]", [1, 0.5], [1.0, 0.5]),
        ("int2[]", (1, 2), [1, 2]),
        ("int2[]", {7}, [7]),
        ("int2[]", frozenset([7]), [7]),
        ("int2[]", [], []),
        ("int2[]", [None], [None]),
        ("int2[]", "{1,NULL}", [1, None]),
        ("text[]", ["a", None, ""], ["a", None, ""]),
        ("bytea[]", [b"\0\\", b""], [b"\0\\", b""]),
        ("jsonb[]", [{"a": 1}, "[2]", 3], [{"a": 1}, [2], 3]),
        ("box[]", ["(3,4),(1,2)"], ["(3,4),(1,2)"]),
        ("hstore[]", [{"a": None}, 'b=>"c"'], [{"a": None}, {"b": "c"}]),
        ("int4range[]", [Range(1, 2), "empty"], [Range(1, 2), Range(empty=True)]),
        ("int2[]", [[[[[[1]]]]]], [[[[[[1]]]]]]),
    ],
)
def test_elements_are_what_they_would_be_alone(
    prepared: Callable[[str], Any], name: str, value: Any, expected: Any
) -> None:
    assert prepared(f"select $1::{name}").one(value) == expected


@pytest.mark.parametrize(
    "value", [[[1], [2, 3]], [[1], []], [[1], 2], [[1], None], [[[[[[[1]]]]]]]]
)
@pytest.mark.parametrize("name", ["int4[]", "percentage[]"])
def test_a_list_that_is_no_array_is_refused(
    prepared: Callable[[str], Any], name: str, value: Any
) -> None:
    with pytest.raises(ParameterTypeMismatch, match=r"lists within a list|6 dimensions"):
        prepared(f"select $1::{name}").one(value)


def test_a_list_that_holds_itself_is_refused(prepared: Callable[[str], Any]) -> None:
    endless: list[Any] = []
    endless.append(endless)

    with pytest.raises(ParameterTypeMismatch, match="6 dimensions"):
        prepared("select $1::int4[]").one(endless)


def test_a_composite_wants_all_of_its_fields(prepared: Callable[[str], Any], item: Any) -> None:
    with pytest.raises(ParameterTypeMismatch, match="2 values were given for its 3 fields"):
        prepared("select $1::item").one(("a", 1))
    assert prepared("select $1::item").one(("a", "1", now.replace(tzinfo=None))).price == 1
    assert prepared("select $1::item").one(item("a", 1.5, None)).price == decimal.Decimal("1.5")
    nested = prepared("select (($1::item[])[1]).name, cardinality($1)")
    assert nested([("x", 1, None), item("y", 2, now.replace(tzinfo=None))]) == [("x", 2)]


def test_a_composite_that_nobody_registered_takes_a_tuple(prepared: Callable[[str], Any]) -> None:
    assert prepared("select $1::pair").one((1, 'b"')) == '(1,"b""")'
    assert prepared("select $1::pair").one((None, None)) == "(,)"

"""What is written as JSON is read as what it was."""

from __future__ import annotations

import datetime as dt
import enum
import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.records import MisfitError, json_value, reader_of
from raxol_sql.records.column_type import ColumnType, TypeKind

JSONB = ColumnType(TypeKind.JSON, "jsonb")


class Mood(enum.Enum):
    """Members with values of several types."""

    SAD = "sad"
    OK = 1


@attrs.frozen
class Leaf:
    """A field of each type that JSON itself does not have."""

    price: Decimal
    at: dt.datetime
    day: dt.date
    time: dt.time
    wait: dt.timedelta
    id: UUID
    data: bytes
    mood: Mood
    _hidden: int | None


@attrs.frozen
class Tree:
    """Records in records, lists, tuples and mappings."""

    leaf: Leaf | None
    leaves: list[Leaf]
    pair: tuple[int, str]
    by_name: dict[str, Leaf]
    rest: Any
    inner: Tree | None = None


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
leaves = st.builds(
    Leaf,
    st.decimals(allow_nan=False, allow_infinity=False, places=12),
    st.datetimes() | st.datetimes(timezones=st.just(dt.UTC)),
    st.dates(),
    st.times(),
    st.timedeltas(dt.timedelta(-(10**7)), dt.timedelta(10**7)),
    st.uuids(),
    st.binary(max_size=5),
    st.sampled_from(Mood),
    st.none() | st.integers(),
)
trees = st.builds(
    Tree,
    st.none() | leaves,
    st.lists(leaves, max_size=2),
    st.tuples(st.integers(), texts),
    st.dictionaries(texts, leaves, max_size=2),
    st.none() | texts | st.lists(st.integers(), max_size=2),
)


@given(trees, trees)
def test_a_record_is_read_as_what_was_written(outer: Tree, inner: Tree) -> None:
    tree = attrs.evolve(outer, inner=inner)
    read = reader_of(Tree, JSONB)
    assert read is not None

    text = json.dumps(json_value(tree))
    made = read(json.loads(text))

    assert made == tree
    assert json.dumps(json_value(made)) == text


@pytest.mark.parametrize(
    ("value", "problem", "place"),
    [
        ([1, {"a": object()}], "an object, which has no form in JSON", "[1].a"),
        ({1, 2}, "a set, which has no form in JSON", ""),
        ([float("nan")], "no finite number", "[0]"),
        ([Decimal("Infinity")], "no finite number", "[0]"),
        ({"secret key": 1j}, "a complex, which has no form in JSON", "[...]"),
        ({(1, 2): 1}, "an object with a tuple as a name", ""),
    ],
)
def test_what_json_cannot_hold_is_refused_with_its_place_and_without_a_value(
    value: Any, problem: str, place: str
) -> None:
    with pytest.raises(MisfitError) as caught:
        json_value(value)

    assert (str(caught.value), caught.value.place) == (problem, place)


def test_what_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)

    with pytest.raises(MisfitError, match="nested too deep, or inside of itself"):
        json_value(endless)


def test_names_of_other_types_are_written_as_json_writes_them() -> None:
    names = {Mood.SAD: 1, UUID(int=1): 2, dt.date(2026, 1, 1): 3, None: 4, True: 5, 6: 6}

    assert list(json_value(names)) == ["sad", str(UUID(int=1)), "2026-01-01", "null", "true", "6"]

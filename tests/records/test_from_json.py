"""A column of JSON fills a field that holds records, with values of the types of their fields."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import raxol_sql as rx
from raxol_sql.queries import Query
from raxol_sql.records import can_refuse, shape_of

Make = Callable[..., Query[Any]]


@attrs.frozen
class Leaf:
    name: str
    price: Decimal | None = None


@attrs.frozen
class Tree:
    id: int
    at: dt.datetime
    _key: uuid.UUID | None = None
    leaf: Leaf | None = None
    leaves: tuple[Leaf, ...] = ()
    trees: list[Tree] = attrs.field(factory=list)
    rest: Any = None


@attrs.frozen
class Holder:
    one: Tree | None = None
    must: Leaf = Leaf("unset")
    many: list[Tree] = attrs.field(factory=list)
    maybe: tuple[Leaf, ...] | None = None


@attrs.frozen
class Mixed:
    field: Leaf | str | dict[str, Any]


@attrs.frozen
class Converting:
    leaf: Leaf = attrs.field(converter=lambda given: Leaf(f"converted {type(given).__name__}"))


@attrs.frozen
class Positive:
    n: int = attrs.field(validator=attrs.validators.gt(0))
    double: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "double", 2 * self.n)


@attrs.frozen
class Positives:
    all: list[Positive]


@attrs.frozen
class Outer:
    holder: Holder | None


def _read(query: Query[Any], column: str, value: object) -> Any:
    return shape_of(query, (column,))((value,))


def _refused(query: Query[Any], column: str, value: object) -> str:
    with pytest.raises(rx.errors.RecordError) as caught:
        _read(query, column, value)
    return str(caught.value).removeprefix("t.get_all (sql/t.sql:2): ")


AT = dt.datetime(2024, 2, 29, 1, 2, 3, 456789, dt.UTC)
moments = st.datetimes(timezones=st.just(dt.UTC))
# What JSON keeps of a number is a double.
prices = st.decimals(-(10**6), 10**6, places=3)
leaves = st.builds(Leaf, st.text('äb"\\', max_size=3), st.none() | prices)
trees = st.recursive(
    st.builds(Tree, st.integers(), moments, st.none() | st.uuids(), st.none() | leaves),
    lambda below: st.builds(
        Tree,
        st.integers(),
        moments,
        leaves=st.lists(leaves, max_size=2).map(tuple),
        trees=st.lists(below, max_size=2),
        rest=st.none() | st.booleans() | st.lists(st.integers(), max_size=2),
    ),
    max_leaves=4,
)


def _as_json(value: Any) -> Any:
    """What the driver makes of the JSON that the server makes of ``value``."""

    def plain(one: Any) -> Any:
        if attrs.has(type(one)):
            return {
                name.lstrip("_"): inner for name, inner in attrs.asdict(one, recurse=False).items()
            }
        return float(one) if isinstance(one, Decimal) else str(one)

    return json.loads(json.dumps(value, default=plain))


@given(st.none() | trees, leaves, st.lists(trees, max_size=3), st.none() | st.lists(leaves))
def test_what_became_json_comes_back_as_it_was(
    make: Make, one: Tree | None, must: Leaf, many: list[Tree], maybe: list[Leaf] | None
) -> None:
    holder = Holder(one, must, many, None if maybe is None else tuple(maybe))
    columns = ("one", "must", "many", "maybe")
    row = tuple(_as_json(getattr(holder, name)) for name in columns)

    assert shape_of(make(record=Holder), columns)(row) == holder


def test_records_that_the_driver_made_of_a_composite_type_stay_as_they_are(make: Make) -> None:
    leaf = Leaf("a")

    assert _read(make(record=Holder), "must", leaf).must is leaf
    assert _read(make(record=Holder), "maybe", [leaf]).maybe == (leaf,)


def test_null_is_left_to_not_null_but_no_list_is_none_where_its_type_has_no_none(
    make: Make,
) -> None:
    query = make(record=Holder)

    assert _read(query, "one", None).one is None
    assert _read(query, "must", None).must is None
    assert _read(query, "maybe", None).maybe is None
    assert "coalesce(..., '[]') gives an empty list" in _refused(query, "many", None)


def test_a_converter_takes_the_json_as_it_comes(make: Make) -> None:
    assert _read(make(record=Converting), "leaf", {"any": 1}).leaf == Leaf("converted dict")


@pytest.mark.parametrize(
    ("value", "read"),
    [({"name": "a"}, Leaf("a")), ("text", "text"), ({"other": 1}, {"other": 1})],
)
def test_of_several_types_the_first_that_fits_is_taken(
    make: Make, value: object, read: object
) -> None:
    assert _read(make(record=Mixed), "field", value).field == read


def test_validators_run_only_if_asked_and_hooks_always(make: Make) -> None:
    (made,) = _read(make(record=Positives), "all", [{"n": -1}]).all

    assert (made.n, made.double) == (-1, -2)
    with pytest.raises(ValueError, match="'n' must be > 0"):
        _read(make(record=Positives, validate=True), "all", [{"n": -1}])


TREE = {"id": 1, "at": AT.isoformat()}


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("one", [TREE], "test_from_json.Tree | None: it is no object"),
        ("one", "secret", "it is no object"),
        ("one", {}, "it is an object without id, at"),
        ("one", {**TREE, "id": "secret"}, "id is no int"),
        ("one", {**TREE, "id": 1.5}, "id is no int"),
        ("one", {**TREE, "at": "secret"}, "at is no datetime"),
        ("one", {**TREE, "secret": 1}, "a name that is no field of Tree, which has id, at, key"),
        ("one", {**TREE, "_key": None}, "with a name that is no field of Tree"),
        ("one", {**TREE, "leaf": {"name": None}}, "leaf.name is no str"),
        ("one", {**TREE, "leaves": None}, "leaves is null, and no list"),
        ("one", {**TREE, "leaves": [{"name": "a"}, {"name": "b", "price": "secret"}]},
         "leaves[1].price is no decimal.Decimal | None"),
        ("must", {"name": "a", "price": 12345678901234567.89},
         "a number with more than 15 digits is exact only as text: amount::text"),
        ("many", {"secret": TREE}, "it is no list"),
        ("many", [TREE, None], "[1] is no object, but null"),
        ("many", [{**TREE, "trees": [{**TREE, "trees": 1}]}],
         "[0].trees[0].trees is no list"),
        ("maybe", True, "it is no list"),
    ],
)  # fmt: skip
def test_json_that_does_not_fit_is_told_with_its_place_and_no_value(
    make: Make, column: str, value: object, told: str
) -> None:
    found = _refused(make(record=Holder), column, value)

    assert f"the JSON in the column {column!r} makes no" in found
    assert told in found
    assert "secret" not in found


def test_the_column_of_an_inner_record_is_told_by_its_whole_name(make: Make) -> None:
    assert "in the column 'holder.must' makes no Leaf" in _refused(
        make(record=Outer), "holder.must", 1
    )


def test_a_row_that_may_hold_json_can_be_refused(make: Make) -> None:
    assert can_refuse(make(record=Holder))
    assert can_refuse(make(record=Mixed))
    assert can_refuse(make(record=Outer))
    assert not can_refuse(make(record=Leaf))

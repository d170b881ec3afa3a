"""Children are put with their parents by key, and none is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import raxol_sql as rx
from raxol_sql.queries import Query
from raxol_sql.records import ChildMatcher

Make = Callable[..., Query[Any]]


@attrs.frozen
class Child:
    parent_id: Any
    n: int


@attrs.frozen
class Parent:
    id: Any
    listed: list[Child] | None = None
    tupled: tuple[Any, ...] = attrs.field(default=())
    one: Child | None = None


class Bare:
    """A parent that is no attrs class."""

    id = 1


def matcher(make: Make, into: str | None = None, *, single: bool = False) -> ChildMatcher:
    return ChildMatcher(make(), "id", "parent_id", into, single)


keys = st.none() | st.integers(0, 3)


@given(st.lists(keys, max_size=8), st.lists(st.integers(0, 3), max_size=12))
def test_each_parent_gets_what_has_its_key_in_the_order_of_the_query(
    make: Make, ids: list[int | None], owners: list[int]
) -> None:
    parents = [Parent(id) for id in ids]
    children = [Child(owner, n) for n, owner in enumerate(owners) if owner in ids]

    def own(parent: Parent) -> list[Child]:
        return [] if parent.id is None else [c for c in children if c.parent_id == parent.id]

    assert matcher(make).match(parents, children) == [(one, own(one)) for one in parents]
    assert matcher(make, "listed").match(parents, children) == [
        attrs.evolve(one, listed=own(one)) for one in parents
    ]
    assert matcher(make, "tupled").match(parents, children) == [
        attrs.evolve(one, tupled=tuple(own(one))) for one in parents
    ]
    assert matcher(make).keys_of(parents) == [id for id in dict.fromkeys(ids) if id is not None]


def test_parents_with_the_same_key_share_no_list(make: Make) -> None:
    (_, first), (_, second) = matcher(make).match([Parent(1), Parent(1)], [Child(1, 0)])
    one, two = matcher(make, "listed").match([Parent(1), Parent(1)], [Child(1, 0)])

    assert first == second == one.listed == two.listed == [Child(1, 0)]
    assert first is not second
    assert one.listed is not two.listed


def test_one_child_or_none_is_no_list(make: Make) -> None:
    parents, child = [Parent(1), Parent(None), Parent(2)], Child(1, 0)

    assert matcher(make, single=True).match(parents, [child]) == [
        (Parent(1), child),
        (Parent(None), None),
        (Parent(2), None),
    ]
    assert [p.one for p in matcher(make, "one", single=True).match(parents, [child])] == [
        child, None, None
    ]  # fmt: skip
    with pytest.raises(rx.TooManyRowsError, match="one child was expected for each id, and one"):
        matcher(make, single=True).match(parents, [child, child])


@pytest.mark.parametrize("owner", [None, 3, "1"])
def test_a_child_of_nobody_is_an_error_for_it_would_be_lost(make: Make, owner: object) -> None:
    # As a key that is text here and a number there, which the server takes for the same.
    with pytest.raises(
        rx.errors.RecordError, match="a parent_id that is no id of the parents"
    ) as caught:
        matcher(make).match([Parent(1), Parent(None)], [Child(owner, 0)])
    assert "parent_key= and child_key=" in str(caught.value)


def test_what_cannot_be_set_in_a_parent_is_told(make: Make) -> None:
    with pytest.raises(
        rx.errors.ParameterError, match="into='list' is no field of Parent; did you mean"
    ):
        matcher(make, "list").match([Parent(1)], [])
    with pytest.raises(
        rx.errors.ParameterError, match="into='listed' is no field of Bare: it has no fi"
    ):
        matcher(make, "listed").match([Bare()], [])

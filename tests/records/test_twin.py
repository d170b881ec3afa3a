"""The twin of a class is only there where nobody can tell its records from others."""

from __future__ import annotations

import abc
import copy
import gc
import pickle
import sys
import weakref
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from raxol_sql.queries import Query
from raxol_sql.records import shape_of
from raxol_sql.records.twin import twin_of

Make = Callable[..., Query[Any]]


@attrs.frozen
class Point:
    x: int
    y: list[int]


@attrs.frozen
class Point3(Point):
    z: int


def _point(make: Make, y: list[int]) -> Point:
    made: Point = shape_of(make(record=Point), ("y", "x"))((y, 1))
    return made


@pytest.mark.parametrize("record", [Point, Point3, attrs.make_class("Empty", [], slots=True)])
def test_every_class_with_slots_has_one(record: type) -> None:
    twin = twin_of(record)

    assert twin is not None
    assert twin is twin_of(record)
    assert twin.__basicsize__ == record.__basicsize__


def test_what_comes_of_it_is_an_instance_like_any_other(make: Make) -> None:
    made = _point(make, [])

    assert type(made) is made.__class__ is Point
    assert made == Point(1, [])
    assert repr(made) == "Point(x=1, y=[])"
    assert made.__reduce_ex__(4)[:2] == Point(1, []).__reduce_ex__(4)[:2]
    assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == attrs.evolve(made) == made
    assert sys.getsizeof(made) == sys.getsizeof(Point(1, []))
    assert not hasattr(made, "__dict__")


def test_it_can_be_collected_with_a_cycle_that_it_closes(make: Make) -> None:
    knot: list[Any] = []
    made = _point(make, knot)
    knot.append(made)
    gone = weakref.ref(made)

    assert gc.is_tracked(made)
    del made, knot
    gc.collect()

    assert gone() is None


def test_a_twin_lives_no_longer_than_its_record() -> None:
    record = attrs.make_class("Short", ["a"], frozen=True, slots=True)
    gone = weakref.ref(record), weakref.ref(twin_of(record) or object)

    del record
    gc.collect()

    assert [ref() for ref in gone] == [None, None]


def test_there_is_none_where_making_it_would_be_noticed(make: Make) -> None:
    children: list[type] = []

    class Registry:
        __slots__ = ()

        def __init_subclass__(cls) -> None:
            children.append(cls)

    class Meta(type):
        pass

    class Closing:
        __slots__ = ()

        def __del__(self) -> None:
            closed.append(self.x)  # type: ignore[attr-defined]

    closed: list[int] = []
    for base, kind in ((Registry, type), (object, Meta), (Closing, type), (object, abc.ABCMeta)):
        record = attrs.frozen(kind("Record", (base,), {"__annotations__": {"x": int}}))
        known = len(children)

        made = shape_of(make(record=record), ("x",))((1,))

        assert type(made) is record
        assert made == record(1)
        assert twin_of(record) is None
        assert len(children) == known
    del made
    assert set(closed) == {1}


def test_a_record_may_say_that_it_is_of_another_class(make: Make) -> None:
    @attrs.frozen(repr=False, eq=False)
    class Disguised:
        x: int

        @property
        def __class__(self) -> type:
            return int

    made = shape_of(make(record=Disguised), ("x",))((1,))

    assert type(made) is Disguised
    assert (made.__class__, made.x) == (int, 1)

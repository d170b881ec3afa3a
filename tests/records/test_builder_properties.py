"""Whatever its class is like, the record of a row is the one that calling the class makes."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import attrs
from attrs import validators
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.queries import Query
from raxol_sql.records import shape_of

Make = Callable[..., Query[Any]]


def _never(instance: object, attribute: object, value: object) -> None:
    if not validators.get_disabled():
        raise AssertionError("a validator ran")


def _negative(value: Any) -> Any:
    return -value


def _first(instance: Any) -> int:
    return len(type(instance).__name__)


def _pre_init(self: Any) -> None:
    assert type(self) is Made


def _post_init(self: Any) -> None:
    assert type(self) is Made
    assert repr(self)


DEFAULTS = [
    attrs.NOTHING,
    attrs.NOTHING,
    7,
    attrs.Factory(lambda: 8),
    attrs.Factory(_first, takes_self=True),
]

# A field and whether a row has a column for it, if it needs none.
fields = st.tuples(
    st.fixed_dictionaries(
        {
            "default": st.sampled_from(DEFAULTS),
            "converter": st.sampled_from([None, None, _negative]),
            "validator": st.sampled_from([None, _never]),
            "kw_only": st.booleans(),
            "alias": st.sampled_from([None, None, "other"]),
            "init": st.sampled_from([True, True, True, False]),
        }
    ),
    st.booleans(),
)
names = st.sampled_from(["id", "name", "_token", "_Made__key", "a_b", "größe", "type"])
levels = st.lists(
    st.tuples(
        st.dictionaries(names, fields, max_size=4),
        st.fixed_dictionaries(
            {"slots": st.booleans(), "frozen": st.booleans(), "weakref_slot": st.booleans()}
        ),
    ),
    min_size=1,
    max_size=3,
)
hooks = st.dictionaries(
    st.sampled_from(["__attrs_pre_init__", "__attrs_post_init__"]), st.just(None)
)

# Where pickle finds the class of the example.
Made: Any = None


@given(levels, hooks, st.booleans(), st.data())
def test_the_record_is_the_one_that_calling_its_class_makes(
    make: Make,
    levels: list[tuple[dict[str, Any], dict[str, bool]]],
    hooks: dict[str, None],
    keeps_hash: bool,
    data: st.DataObject,
) -> None:
    columns = _define(levels, hooks, keeps_hash)
    order = data.draw(st.permutations(columns))
    values = {name: data.draw(st.integers()) for name in order}
    if not order:
        return
    with validators.disabled():
        expected = Made(**values)

    made = shape_of(make(record=Made), tuple(order))(tuple(values.values()))

    assert type(made) is made.__class__ is Made
    assert made == expected
    assert list(_items(made)) == list(_items(expected))
    for action in (repr, hash, sys.getsizeof, gc.is_tracked, _refer, _pickle, _copy, _change):
        assert _outcome(action, made) == _outcome(action, expected)


def _define(
    levels: list[tuple[dict[str, Any], dict[str, bool]]], hooks: dict[str, None], keeps_hash: bool
) -> list[str]:
    """Makes `Made` anew, a class with a base for each level; gives the columns of a row."""
    global Made
    taken: set[str] = set()
    columns = []
    has_default = False
    base: type = object
    is_frozen = False
    for number, (own, flags) in enumerate(levels):
        body: dict[str, Any] = {"__module__": __name__, "__qualname__": "Made"}
        if number == len(levels) - 1:
            functions = {"__attrs_pre_init__": _pre_init, "__attrs_post_init__": _post_init}
            body |= {name: functions[name] for name in hooks}
        for name, (options, has_column) in own.items():
            options = dict(options)
            alias = options["alias"] or name.lstrip("_")
            if {alias, name} & taken:
                continue
            taken |= {alias, name}
            if not options["init"] and options["default"] is attrs.NOTHING:
                options["default"] = 9
            required = options["init"] and options["default"] is attrs.NOTHING
            options["kw_only"] |= required and has_default
            has_default |= not required and not options["kw_only"]
            body[name] = attrs.field(**options)
            if options["init"] and (required or has_column):
                columns.append(alias)
        is_frozen |= flags["frozen"]
        base = attrs.define(
            type("Made", (base,), body),
            **{**flags, "frozen": is_frozen},
            unsafe_hash=True,
            cache_hash=keeps_hash and is_frozen,
        )
    Made = base
    return columns


def _outcome(action: Callable[[Any], object], record: Any) -> object:
    """What ``action`` gives, or the sort of its error: not every class of attrs can do each."""
    try:
        return action(record)
    except Exception as error:
        return type(error)


def _items(record: Any) -> Iterable[tuple[str, Any]]:
    return getattr(record, "__dict__", {}).items()


def _refer(record: Any) -> bool:
    return weakref.ref(record)() is record


def _pickle(record: Any) -> str:
    return repr(pickle.loads(pickle.dumps(record)))


def _copy(record: Any) -> str:
    return repr(copy.copy(record))


def _change(record: Any) -> str:
    for field in attrs.fields(type(record)):
        setattr(record, field.name, 5)
    return repr(record)

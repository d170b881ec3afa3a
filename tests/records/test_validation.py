"""Validators of attrs run on rows where the query says so, and only there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from attrs import validators

from raxol_sql.queries import Query
from raxol_sql.records import shape_of

Make = Callable[..., Query[Any]]


def _never(instance: object, attribute: object, value: object) -> None:
    raise AssertionError("a validator ran")


def _record(query: Query[Any], columns: str, *row: object) -> Any:
    return shape_of(query, tuple(columns.split()))(row)


def test_validators_do_not_run_unless_the_query_says_so(make: Make) -> None:
    @attrs.frozen
    class Adult:
        age: int = attrs.field(validator=validators.ge(18))

    assert _record(make(record=Adult), "age", 7).age == 7
    assert _record(make(record=Adult, validate=True), "age", 18) == Adult(18)
    with pytest.raises(ValueError, match="'age' must be >= 18: 7"):
        _record(make(record=Adult, validate=True), "age", 7)


def test_validators_of_a_record_inside_run_with_the_others(make: Make) -> None:
    @attrs.frozen
    class Inner:
        a: int = attrs.field(validator=_never)

    outer = attrs.make_class("Outer", {"inner": attrs.field(type=Inner)})

    assert _record(make(record=outer), "inner.a", 1).inner.a == 1
    with pytest.raises(AssertionError, match="ran"):
        _record(make(record=outer, validate=True), "inner.a", 1)


def test_the_switch_of_attrs_is_left_alone(make: Make) -> None:
    @attrs.frozen
    class Checked:
        a: int = attrs.field(validator=_never)

    with validators.disabled():
        assert _record(make(record=Checked, validate=True), "a", 1).a == 1
    assert _record(make(record=Checked), "a", 1).a == 1
    assert not validators.get_disabled()


def test_validators_of_a_mutable_record_run_when_it_is_changed(make: Make) -> None:
    @attrs.define
    class Adult:
        age: int = attrs.field(converter=int, validator=validators.ge(18))

    made = _record(make(record=Adult), "age", "7")

    assert made.age == 7
    made.age = "19"
    assert made.age == 19
    with pytest.raises(ValueError, match="must be >= 18"):
        made.age = 8

"""Whether a result can still be refused is known before its statement is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from raxol_sql.queries import Query
from raxol_sql.records import can_refuse

Make = Callable[..., Query[Any]]


@attrs.frozen
class Plain:
    a: int
    tags: list[str] = attrs.field(factory=list)
    checked: int = attrs.field(default=0, validator=attrs.validators.ge(0))


@attrs.define(slots=False, kw_only=True)
class Mutable:
    a: int


@attrs.frozen
class Converting:
    a: int = attrs.field(converter=int)


@attrs.frozen
class Hooked:
    a: int

    def __attrs_post_init__(self) -> None:
        pass


@attrs.frozen
class Early:
    a: int

    def __attrs_pre_init__(self) -> None:
        pass


@attrs.define(init=False)
class Own:
    a: int

    def __init__(self, a: int) -> None:
        self.a = a


@attrs.frozen
class Counting:
    a: int = attrs.field(factory=iter([]).__next__)


@attrs.frozen
class Derived:
    a: int
    b: int = attrs.field()

    @b.default
    def _b(self) -> int:
        return 1 // self.a


@attrs.define
class Guarded:
    a: int

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


@attrs.frozen
class Outer:
    inner: Converting | None
    outer: Outer | None = None


@attrs.frozen
class Node:
    a: int
    parent: Node | None = None


@pytest.mark.parametrize("kind", [":one", ":maybe"])
def test_a_promised_count_of_rows_can_be_missed(make: Make, kind: str) -> None:
    assert can_refuse(make(kind))
    assert can_refuse(make(kind, scalar=True))
    assert can_refuse(make(kind, record=Plain))


@pytest.mark.parametrize("kind", [":affected", ":exec"])
def test_a_count_cannot(make: Make, kind: str) -> None:
    assert not can_refuse(make(kind))


@pytest.mark.parametrize("record", [None, Plain, Mutable])
def test_any_number_of_plain_rows_cannot(make: Make, record: type | None) -> None:
    assert not can_refuse(make(record=record))
    assert not can_refuse(make(scalar=True))


def test_records_inside_can_as_they_may_come_as_json(make: Make) -> None:
    assert can_refuse(make(record=Node))


def test_a_null_can(make: Make) -> None:
    assert can_refuse(make(record=Plain, more="-- @not-null a"))
    assert can_refuse(make(scalar=True, more="-- @not-null a"))


def test_validators_can_if_they_run(make: Make) -> None:
    assert can_refuse(make(record=Plain, validate=True))
    assert not can_refuse(make(validate=True))
    assert not can_refuse(make(scalar=True, validate=True))


@pytest.mark.parametrize(
    "record", [Converting, Hooked, Early, Own, Counting, Derived, Guarded, Outer]
)
def test_code_of_the_program_can(make: Make, record: type) -> None:
    assert can_refuse(make(record=record))

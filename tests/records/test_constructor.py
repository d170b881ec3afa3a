"""A record of a row is made as ever, but for its validators."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from attrs import validators
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.records.constructor import constructor


def _never(instance: object, attribute: object, value: object) -> None:
    raise AssertionError("a validator ran")


def _upper(value: str) -> str:
    return value.upper()


KINDS = {
    "frozen": attrs.frozen,
    "mutable": attrs.define,
    "frozen without slots": attrs.frozen(slots=False),
    "mutable without slots": attrs.define(slots=False),
    "keywords only": attrs.frozen(kw_only=True),
}


def _record(decorator: Any) -> Any:
    @decorator
    class Base:
        a: int = attrs.field(validator=_never)
        _secret: str = attrs.field(converter=_upper, validator=_never)

    @decorator
    class Record(Base):
        b: list[int] = attrs.field(factory=list, validator=_never)
        c: int = attrs.field(validator=_never)
        total: int = attrs.field(init=False, default=0)

        @c.default
        def _c(self) -> int:
            return self.a + 1

        def __attrs_post_init__(self) -> None:
            object.__setattr__(self, "total", self.a + self.c)

    return Record


@pytest.mark.parametrize("kind", KINDS)
@given(a=st.integers(), secret=st.text(), more=st.dictionaries(st.sampled_from("bc"), st.just(7)))
def test_what_is_made_equals_what_calling_the_class_makes(
    kind: str, a: int, secret: str, more: dict[str, Any]
) -> None:
    record = _record(KINDS[kind])
    values = {"a": a, "secret": secret, **more}

    made = constructor(record)(**values)

    with validators.disabled():
        assert made == record(**values)
    assert type(made) is record
    assert made.total == made.a + made.c


def test_a_class_without_validators_is_called_itself() -> None:
    plain = attrs.make_class("Plain", ["a"])

    assert constructor(plain) is plain


def test_a_class_with_an_init_of_its_own_is_called_itself() -> None:
    @attrs.define(init=False)
    class Own:
        a: int = attrs.field(validator=_never)

        def __init__(self, a: int) -> None:
            self.__attrs_init__(a + 1)  # type: ignore[attr-defined]

    with pytest.raises(AssertionError, match="ran"):
        constructor(Own)(a=1)


def test_hooks_that_use_super_run_on_the_record() -> None:
    seen = []

    class Mixin:
        __slots__ = ()

        def __attrs_pre_init__(self) -> None:
            seen.append(type(self).__name__)

    @attrs.frozen
    class Child(Mixin):
        a: int = attrs.field(validator=_never)

        def __attrs_pre_init__(self) -> None:
            super().__attrs_pre_init__()

    assert constructor(Child)(a=1).a == 1
    assert seen == ["Child"]

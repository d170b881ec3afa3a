"""A record of a row is what calling its class makes, but for its validators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import attrs
import pytest
from attrs import validators

import raxol_sql as rx
from raxol_sql.queries import Query
from raxol_sql.records import shape_of

Make = Callable[..., Query[Any]]
T = TypeVar("T")


def _never(instance: object, attribute: object, value: object) -> None:
    raise AssertionError("a validator ran")


def _record(query: Query[Any], columns: str, *row: object) -> Any:
    return shape_of(query, tuple(columns.split()))(row)


def test_a_frozen_record_stays_frozen(make: Make) -> None:
    @attrs.frozen
    class Point:
        x: int

    made = _record(make(record=Point), "x", 1)

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        made.x = 2
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        del made.x
    with pytest.raises(AttributeError):
        object.__setattr__(made, "other", 1)


@pytest.mark.parametrize("slots", [True, False])
def test_an_init_of_the_class_itself_is_called_with_names(make: Make, slots: bool) -> None:
    @attrs.define(init=False, slots=slots)
    class Own:
        a: int
        b: int = 0

        def __init__(self, *, b: int, **others: int) -> None:
            self.a = others["a"] + 1
            self.b = b

    assert _record(make(record=Own), "a b", 1, 2).a == 2


def test_an_init_that_calls_the_generated_one_runs_validators(make: Make) -> None:
    @attrs.define(init=False)
    class Own:
        a: int = attrs.field(validator=_never)

        def __init__(self, a: int) -> None:
            self.__attrs_init__(a + 1)  # type: ignore[attr-defined]

    with pytest.raises(AssertionError, match="ran"):
        _record(make(record=Own), "a", 1)


def test_a_field_that_python_reads_by_another_name_is_filled(make: Make) -> None:
    odd = attrs.make_class("Odd", {"ﬁ": attrs.field(alias="size", repr=False)}, frozen=True)

    made = _record(make(record=odd), "size", 2)

    assert vars(made) == vars(odd(2)) == {"ﬁ": 2}


def test_a_new_of_the_class_itself_is_called(make: Make) -> None:
    @attrs.frozen(slots=False)
    class Counted:
        a: int
        made = 0

        def __new__(cls, *args: object, **kwargs: object) -> Any:
            cls.made += 1
            return super().__new__(cls)

    assert _record(make(record=Counted), "a", 1) == Counted(1)
    assert Counted.made == 2


def test_a_metaclass_that_makes_the_instances_is_asked(make: Make) -> None:
    class Single(type):
        only = None

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            cls.only = cls.only or super().__call__(*args, **kwargs)
            return cls.only

    @attrs.frozen
    class Settings(metaclass=Single):
        a: int

    assert _record(make(record=Settings), "a", 1) is _record(make(record=Settings), "a", 2)


def test_an_exception_may_be_a_record(make: Make) -> None:
    @attrs.frozen
    class Refused(Exception):  # noqa: N818 (it is a record of a table of refusals)
        code: int
        text: str

    made = _record(make(record=Refused), "text code", "no", 7)

    assert (made.code, made.text, made.args) == (7, "no", (7, "no"))
    with pytest.raises(Refused):
        raise made


@pytest.mark.parametrize("slots", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
def test_a_hash_that_is_kept_is_kept(make: Make, slots: bool, frozen: bool) -> None:
    @attrs.define(slots=slots, frozen=frozen, unsafe_hash=True, cache_hash=True)
    class Kept:
        a: int = attrs.field(validator=_never)

    with validators.disabled():
        assert hash(_record(make(record=Kept), "a", 1)) == hash(Kept(1))


def test_hooks_see_the_record_itself(make: Make) -> None:
    seen: list[Any] = []

    class Mixin:
        __slots__ = ()

        def __attrs_pre_init__(self) -> None:
            seen.append(type(self).__name__)

    @attrs.frozen
    class Child(Mixin):
        a: int = attrs.field(validator=_never)

        def __attrs_pre_init__(self) -> None:
            super().__attrs_pre_init__()

        def __attrs_post_init__(self) -> None:
            seen.append(self)

    made = _record(make(record=Child), "a", 1)

    assert made.a == 1
    assert seen == ["Child", made]


def test_a_hook_before_takes_the_arguments(make: Make) -> None:
    seen = []

    @attrs.frozen
    class Told:
        a: int
        b: int = attrs.field(kw_only=True)
        c: int = 3

        def __attrs_pre_init__(self, a: int, c: int, *, b: int) -> None:
            seen.append((a, b, c))

    assert _record(make(record=Told), "b a", 2, 1) == Told(1, b=2)
    assert seen == [(1, 2, 3)] * 2


def test_a_hook_after_may_ask_for_the_hash(make: Make) -> None:
    @attrs.frozen
    class Hashed:
        a: int
        key: int = attrs.field(init=False, default=0, eq=False)

        def __attrs_post_init__(self) -> None:
            object.__setattr__(self, "key", hash(self))

    assert _record(make(record=Hashed), "a", 1).key == hash(Hashed(1))


def test_a_default_may_be_made_of_the_fields_before_it(make: Make) -> None:
    @attrs.frozen
    class Range:
        low: int
        high: int = attrs.field(validator=_never)
        kind: str = attrs.field(init=False)

        @high.default
        def _high(self) -> int:
            return self.low + 1

        @kind.default
        def _kind(self) -> str:
            return type(self).__name__

    made = _record(make(record=Range), "low", 1)

    assert (made.low, made.high, made.kind) == (1, 2, "Range")


def test_a_default_is_converted_and_a_factory_called_for_each(make: Make) -> None:
    @attrs.frozen
    class Tagged:
        a: int
        size: int = attrs.field(default="7", converter=int)
        tags: list[str] = attrs.field(factory=list)
        more: tuple[str, ...] = attrs.field(factory=list, converter=tuple, init=False)

    one, two = (_record(make(record=Tagged), "a", 1) for _ in range(2))

    assert one == two == Tagged(1, "7")
    assert one.size == 7
    assert one.more == ()
    assert one.tags is not two.tags


@pytest.mark.skipif(not hasattr(attrs, "Converter"), reason="came with attrs 24.1")
def test_a_converter_may_take_the_record_and_the_field(make: Make) -> None:
    def tell(value: int, record: Any, field: Any) -> str:
        return f"{type(record).__name__}.{field.name} = {value}"

    converter = attrs.Converter(tell, takes_self=True, takes_field=True)

    @attrs.frozen
    class Told:
        a: str = attrs.field(converter=converter)

    assert _record(make(record=Told), "a", 1).a == "Told.a = 1"


def test_an_error_of_a_converter_comes_as_it_is(make: Make) -> None:
    @attrs.frozen
    class Number:
        a: int = attrs.field(converter=int)

    with pytest.raises(ValueError, match="invalid literal"):
        _record(make(record=Number), "a", "x")


def test_a_field_that_nobody_sets_stays_unset(make: Make) -> None:
    @attrs.frozen
    class Later:
        a: int
        b: int = attrs.field(init=False)

    made = _record(make(record=Later), "a", 1)

    assert not hasattr(made, "b")


def test_a_setattr_of_the_class_itself_sees_every_value(make: Make) -> None:
    @attrs.define(on_setattr=attrs.setters.NO_OP)
    class Logged:
        a: int = attrs.field(validator=_never)
        b: int = 2
        seen = []  # noqa: RUF012 (attrs takes no field without a type)

        def __setattr__(self, name: str, value: object) -> None:
            self.seen.append(name)
            object.__setattr__(self, name, value)

    assert _record(make(record=Logged), "a", 1).a == 1
    assert Logged.seen == ["a", "b"]


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("slots", [True, False])
def test_a_property_over_a_field_is_asked_as_ever(make: Make, frozen: bool, slots: bool) -> None:
    @attrs.define(frozen=frozen, slots=slots)
    class Base:
        a: int

    class Hidden(Base):
        @property
        def a(self) -> object:
            return vars(self).get("hidden")

        @a.setter
        def a(self, value: int) -> None:
            vars(self)["hidden"] = value

    made = _record(make(record=Hidden), "a", 1)

    assert vars(made) == vars(Hidden(1))


def test_a_child_that_inherits_its_init_is_called(make: Make) -> None:
    @attrs.define
    class Base:
        a: int

    @attrs.define(init=False)
    class Child(Base):
        b: int = 2

    assert not hasattr(_record(make(record=Child), "a", 1), "b")
    with pytest.raises(TypeError, match="unexpected keyword argument 'b'"):
        _record(make(record=Child), "a b", 1, 2)


def test_a_hook_that_attrs_has_not_seen_does_not_run(make: Make) -> None:
    @attrs.frozen
    class Base:
        a: int

    class Plain(Base):
        def __attrs_pre_init__(self) -> None:
            raise AssertionError

        __attrs_post_init__ = __attrs_pre_init__

    assert _record(make(record=Plain), "a", 1) == Plain(1)


def test_a_class_may_be_generic_or_a_plain_child(make: Make) -> None:
    @attrs.frozen
    class Page(Generic[T]):
        items: T

    class Plain(Page[int]):
        more = 1

    for record in (Page, Plain):
        made = _record(make(record=record), "items", 1)
        assert made == record(1)
        assert type(made) is record
    assert vars(made) == {}


@pytest.mark.parametrize("validate", [True, False])
def test_arguments_go_by_position_and_by_name(make: Make, validate: bool) -> None:
    @attrs.frozen
    class Base:
        a: int
        key: int = attrs.field(kw_only=True)
        b: int = 2

        def __attrs_pre_init__(self) -> None:
            pass

    @attrs.frozen
    class Mixed(Base):
        c: int = 3
        other: int = attrs.field(kw_only=True, default=5, alias="extra")
        d: int = 4

    query = make(record=Mixed, validate=validate)

    assert _record(query, "d key a", 40, 9, 10) == Mixed(10, d=40, key=9)
    assert _record(query, "key a c", 9, 10, 30) == Mixed(10, c=30, key=9)
    assert _record(query, "extra c b a key", 50, 30, 20, 10, 9) == Mixed(
        10, 20, 30, extra=50, key=9
    )


def test_a_row_may_be_as_wide_as_the_server_s(make: Make) -> None:
    names = [f"f{number}" for number in range(1600)]
    wide = attrs.make_class("Wide", names, frozen=True, slots=True)

    made = _record(make(record=wide), " ".join(reversed(names)), *range(1600))

    assert attrs.astuple(made) == tuple(reversed(range(1600)))


def test_a_null_against_its_directive_comes_before_the_class(make: Make) -> None:
    @attrs.frozen
    class Number:
        a: int = attrs.field(converter=int)
        b: int

    query = make(record=Number, more="-- @not-null b")

    with pytest.raises(rx.errors.RecordError, match="the column 'b' is NULL"):
        _record(query, "a b", "x", None)

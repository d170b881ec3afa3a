"""What calling an attrs class does, and how much of it the values of a row need."""

from __future__ import annotations

import enum
from collections.abc import Callable
from inspect import getattr_static
from types import FunctionType, MemberDescriptorType, SimpleNamespace
from typing import Any

import attrs

from raxol_sql.records.names import can_be_written
from raxol_sql.records.twin import twin_of

_WITHOUT_VALIDATORS = SimpleNamespace(_run_validators=False)
# What a type checker takes for a function; and `attrs.Converter` came with attrs 24.1.
_Factory: Any = attrs.Factory
_Converter: Any = getattr(attrs, "Converter", ())


class Filling(enum.Enum):
    """How the fields of an instance take their values, where nothing else has to happen."""

    ASSIGNED = "by assignment to an instance"
    TWIN = "by assignment to an instance of the twin, which then changes its class"
    IN_DICT = "by items of its __dict__"


def is_generated(record: Any) -> bool:
    """Whether calling ``record`` does what attrs has written for its fields, and nothing else."""
    owner = next(base for base in record.__mro__ if "__attrs_attrs__" in vars(base))
    code = getattr(record.__init__, "__code__", None)
    return (
        code is not None
        and code.co_filename.startswith("<attrs generated")
        and record.__init__ is vars(owner).get("__init__")
        and record.__new__ is object.__new__
        and type(record).__call__ is type.__call__
    )


def initialiser(record: Any) -> Callable[..., None]:
    """The ``__init__`` that attrs has written for ``record``, but running no validators."""
    init: FunctionType = record.__init__
    if "_config" not in init.__code__.co_names:
        return init
    # The switch that attrs asks before it runs them is a global of each function that it writes.
    names = {**init.__globals__, "_config": _WITHOUT_VALIDATORS}
    made = FunctionType(init.__code__, names, init.__name__, init.__defaults__, init.__closure__)
    made.__kwdefaults__ = init.__kwdefaults__
    return made


def filling_of(record: Any) -> Filling | None:
    """
    How to fill an instance of a generated ``record`` so that it is what calling the class makes.

    None where a method sees the instance before it is whole, or where a field is more than its
    place in memory: then only the ``__init__`` of attrs does it right.
    """
    fields = attrs.fields(record)
    if (
        _mentions(record, "__attrs_pre_init__")
        or _mentions(record, "_attrs_cached_hash")
        or not all(_is_plain(record, field) for field in fields)
    ):
        return None
    if record.__setattr__ is object.__setattr__:
        return Filling.ASSIGNED
    if not _wrote_attrs(record.__setattr__):
        return None
    if record.__dictoffset__ == 0:
        return Filling.TWIN if twin_of(record) else None
    # A frozen class with a __dict__ is filled by attrs in this way too. Not so one whose
    # __setattr__ converts and validates: there the dictionary would only cost memory.
    if _wrote_attrs(record.__delattr__) and not any(_is_slot(record, field) for field in fields):
        return Filling.IN_DICT
    return None


def runs_code_of_the_program(record: Any) -> bool:
    """Whether making a ``record`` may run more than assignments, and so may raise anything."""
    return (
        not is_generated(record)
        or filling_of(record) is None
        or has_hook_after(record)
        or any(
            field.converter is not None or factory_of(field) not in (None, dict, list, set)
            for field in attrs.fields(record)
        )
    )


def has_hook_after(record: Any) -> bool:
    """Whether the ``__init__`` of attrs ends with a call of ``__attrs_post_init__``."""
    return _mentions(record, "__attrs_post_init__")


def factory_of(field: attrs.Attribute[Any]) -> Callable[..., Any] | None:
    """The factory of a field's default, which makes one for each record, if it has one."""
    default: Any = field.default
    return default.factory if isinstance(default, _Factory) else None


def _mentions(record: Any, name: str) -> bool:
    """Whether the ``__init__`` of attrs does something with an attribute ``name``."""
    code = record.__init__.__code__
    return name in (*code.co_names, *code.co_consts)


def _wrote_attrs(method: Any) -> bool:
    """Whether a ``__setattr__`` or ``__delattr__`` is one of those that attrs puts on a class."""
    return getattr(method, "__globals__", None) is attrs.make_class.__globals__


def _is_plain(record: type, field: attrs.Attribute[Any]) -> bool:
    """Whether nothing but a value, or a function of a value, goes to the field's own place."""
    place = getattr_static(record, field.name, None)
    return (
        can_be_written(field.name)
        and (isinstance(place, MemberDescriptorType) or not hasattr(type(place), "__set__"))
        and not isinstance(field.converter, _Converter)
        and not getattr(field.default, "takes_self", False)
    )


def _is_slot(record: type, field: attrs.Attribute[Any]) -> bool:
    return isinstance(getattr_static(record, field.name, None), MemberDescriptorType)

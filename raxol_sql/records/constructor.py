"""The constructors of attrs classes, and how much of them a row builder needs."""

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
# The annotation satisfies type checkers; `attrs.Converter` exists since attrs 24.1.
_Factory: Any = attrs.Factory
_Converter: Any = getattr(attrs, "Converter", ())


class Filling(enum.Enum):
    """The way to set the fields of an instance if its constructor does nothing else."""

    ASSIGNED = "by assignment to an instance"
    TWIN = "by assignment to an instance of the twin, which then changes its class"
    IN_DICT = "by items of its __dict__"


def is_generated(record: Any) -> bool:
    """Return whether calling ``record`` runs only the ``__init__`` that attrs generated."""
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
    """Return the ``__init__`` that attrs generated for ``record``, without its validators."""
    init: FunctionType = record.__init__
    if "_config" not in init.__code__.co_names:
        return init
    # The switch that attrs reads before it runs them is a global of each generated function.
    names = {**init.__globals__, "_config": _WITHOUT_VALIDATORS}
    made = FunctionType(init.__code__, names, init.__name__, init.__defaults__, init.__closure__)
    made.__kwdefaults__ = init.__kwdefaults__
    return made


def filling_of(record: Any) -> Filling | None:
    """
    Return how to fill an instance of a generated ``record`` with the result of calling its class.

    None if a method sees the instance before it is complete, or if setting a field does more than
    store its value: only the ``__init__`` of attrs is correct then.
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
    # attrs fills a frozen class with a __dict__ in the same way, but not a class whose __setattr__
    # converts and validates: there the dictionary would only cost memory.
    if _wrote_attrs(record.__delattr__) and not any(_is_slot(record, field) for field in fields):
        return Filling.IN_DICT
    return None


def runs_code_of_the_program(record: Any) -> bool:
    """Return whether making a ``record`` may run the program's code, which may raise anything."""
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
    """Return whether the ``__init__`` of attrs ends with a call of ``__attrs_post_init__``."""
    return _mentions(record, "__attrs_post_init__")


def factory_of(field: attrs.Attribute[Any]) -> Callable[..., Any] | None:
    """Return the factory that makes a field's default for each record, or None."""
    default: Any = field.default
    return default.factory if isinstance(default, _Factory) else None


def _mentions(record: Any, name: str) -> bool:
    """Return whether the ``__init__`` of attrs uses an attribute ``name``."""
    code = record.__init__.__code__
    return name in (*code.co_names, *code.co_consts)


def _wrote_attrs(method: Any) -> bool:
    """Return whether attrs generated a ``__setattr__`` or ``__delattr__``."""
    return getattr(method, "__globals__", None) is attrs.make_class.__globals__


def _is_plain(record: type, field: attrs.Attribute[Any]) -> bool:
    """Return whether setting a field only stores a value, or a function of a value."""
    place = getattr_static(record, field.name, None)
    return (
        can_be_written(field.name)
        and (isinstance(place, MemberDescriptorType) or not hasattr(type(place), "__set__"))
        and not isinstance(field.converter, _Converter)
        and not getattr(field.default, "takes_self", False)
    )


def _is_slot(record: type, field: attrs.Attribute[Any]) -> bool:
    return isinstance(getattr_static(record, field.name, None), MemberDescriptorType)

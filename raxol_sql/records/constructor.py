"""Making a record of values that the database has checked already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

_HOOKS = ("__attrs_pre_init__", "__attrs_post_init__")


def constructor(record: type) -> Callable[..., Any]:
    """
    What makes a ``record`` as calling it does, without running its attrs validators.

    Converters, defaults and the hooks before and after run as ever. A class that does more of
    its own than attrs generates, by an ``__init__`` or ``__new__``, is called as it is.
    """
    fields = attrs.fields(record)
    if not any(field.validator for field in fields) or not _is_all_generated(record):
        return record
    # A class of the same fields has the same generated __init__, but for the validators. With
    # slots and frozen it sets each field by object.__setattr__, which works on any record.
    twin: Any = attrs.frozen(
        type(record.__name__, (), {name: getattr(record, name) for name in _hooks(record)}),
        these={field.name: _unvalidated(field) for field in fields},
        slots=True,
        eq=False,
    )
    initialise = twin.__init__

    def make(**values: Any) -> Any:
        made: Any = object.__new__(record)
        initialise(made, **values)
        return made

    return make


def _is_all_generated(record: Any) -> bool:
    code = getattr(record.__init__, "__code__", None)
    return (
        code is not None
        and code.co_filename.startswith("<attrs generated")
        and record.__new__ is object.__new__
        and not issubclass(record, BaseException)
        and not hasattr(record, "_attrs_cached_hash")
    )


def _hooks(record: type) -> list[str]:
    return [name for name in _HOOKS if hasattr(record, name)]


def _unvalidated(field: attrs.Attribute[Any]) -> Any:
    return attrs.field(
        default=field.default,
        converter=field.converter,
        init=field.init,
        kw_only=field.kw_only,
        alias=field.alias,
    )

"""What the attrs validators of a record's field say of a value, in the words of a changeset."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import attrs
from attrs import validators

from raxol_sql.changesets.field_error import FieldError
from raxol_sql.changesets.validations import Check, inclusion_of, length_of, number_of

# attrs has no names for the classes of its validators, but it keeps what they were made with.
_AND: Any = type(validators.and_())
_OPTIONAL: Any = type(validators.optional(validators.gt(0)))
_NUMBER: Any = type(validators.gt(0))
_MAX_LENGTH: Any = type(validators.max_len(1))
_MIN_LENGTH: Any = type(validators.min_len(1))
_MATCHES: Any = type(validators.matches_re(""))
_IN: Any = type(validators.in_(()))
_LIMITS = {limit for bits in (15, 31, 63) for limit in (2**bits - 1, -(2**bits))}
_COMPARISONS = {
    "<": "less_than",
    "<=": "less_than_or_equal_to",
    ">": "greater_than",
    ">=": "greater_than_or_equal_to",
}


def refused(field: attrs.Attribute[Any], value: Any) -> Iterator[FieldError]:
    """
    What the validators of ``field`` have against ``value``.

    Those of attrs that compare, measure, match or choose say it as `Changeset` does. Every other
    one is called, and whatever it raises means "is invalid". There is no record yet, so one that
    looks at other fields of it has no say before there is.
    """
    if field.validator is None:
        return
    for validator in _single(field.validator):
        check = _known(validator)
        error = _called(validator, field, value) if check is None else check(value)
        if error is not None:
            yield error


def rules_of(field: attrs.Attribute[Any]) -> tuple[int | None, bool]:
    """
    What the validators of ``field`` ask of a table: how long a text may be, if they say so, and
    whether a number has bounds other than those of PostgreSQL's types.
    """
    longest: int | None = None
    is_bounded = False
    for validator in () if field.validator is None else _single(field.validator):
        if isinstance(validator, _MAX_LENGTH):
            longest = validator.max_length
        elif isinstance(validator, _NUMBER):
            is_bounded = is_bounded or validator.bound not in _LIMITS
    return longest, is_bounded


def _single(validator: Any) -> Iterator[Any]:
    """The validators that are put together in one."""
    if isinstance(validator, _AND):
        for one in validator._validators:
            yield from _single(one)
    elif isinstance(validator, _OPTIONAL):
        # Only values other than None are asked about.
        inner = validator.validator
        for one in inner if isinstance(inner, list | tuple) else (inner,):
            yield from _single(one)
    else:
        yield validator


def _known(validator: Any) -> Check | None:
    if isinstance(validator, _NUMBER) and isinstance(validator.bound, int | float | Decimal):
        return number_of({_COMPARISONS[validator.compare_op]: validator.bound})
    if isinstance(validator, _MAX_LENGTH):
        return length_of(most=validator.max_length)
    if isinstance(validator, _MIN_LENGTH):
        return length_of(least=validator.min_length)
    if isinstance(validator, _IN):
        return inclusion_of(validator.options)
    return None


def _called(validator: Any, field: attrs.Attribute[Any], value: Any) -> FieldError | None:
    try:
        validator(_NoRecord(), field, value)
    except _AskedError:
        return None
    except Exception:  # a validator of the program may raise anything
        if isinstance(validator, _MATCHES):
            return FieldError("has invalid format", "format")
        return FieldError("is invalid", "validator")
    return None


class _AskedError(Exception):
    """A validator looks at the record that there is not yet."""


class _NoRecord:
    """Stands for that record."""

    def __getattr__(self, name: str) -> Any:
        raise _AskedError

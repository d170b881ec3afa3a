"""The attrs validators of a record's fields, applied to the values of a changeset."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import attrs
from attrs import validators

from raxol_sql.changesets.field_error import FieldError
from raxol_sql.changesets.validations import Check, inclusion_of, length_of, number_of

# The classes of attrs' validators are private, but their instances keep their arguments.
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


def errors_of(field: attrs.Attribute[Any], value: Any) -> Iterator[FieldError]:
    """
    Yield the errors of the validators of ``field`` for ``value``.

    The validators of attrs for comparisons, lengths, patterns and choices give the messages of
    `Changeset`. Any other validator is called, and an error that it raises means "is invalid".
    There is no record yet, so a validator that reads other fields is skipped until there is one.
    """
    if field.validator is None:
        return
    for validator in _single(field.validator):
        check = _as_check(validator)
        error = _call(validator, field, value) if check is None else check(value)
        if error is not None:
            yield error


def rules_of(field: attrs.Attribute[Any]) -> tuple[int | None, bool]:
    """
    Return what the validators of ``field`` require of a table.

    That is the maximum length of a text, or None, and whether a number has bounds other than those
    of PostgreSQL's types.
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
    """Yield the validators that one validator combines."""
    if isinstance(validator, _AND):
        for one in validator._validators:
            yield from _single(one)
    elif isinstance(validator, _OPTIONAL):
        # A changeset validates only values other than None.
        inner = validator.validator
        for one in inner if isinstance(inner, list | tuple) else (inner,):
            yield from _single(one)
    else:
        yield validator


def _as_check(validator: Any) -> Check | None:
    if isinstance(validator, _NUMBER) and isinstance(validator.bound, int | float | Decimal):
        return number_of({_COMPARISONS[validator.compare_op]: validator.bound})
    if isinstance(validator, _MAX_LENGTH):
        return length_of(most=validator.max_length)
    if isinstance(validator, _MIN_LENGTH):
        return length_of(least=validator.min_length)
    if isinstance(validator, _IN):
        return inclusion_of(validator.options)
    return None


def _call(validator: Any, field: attrs.Attribute[Any], value: Any) -> FieldError | None:
    try:
        validator(_NoRecord(), field, value)
    except _AskedError:
        return None
    except Exception:  # the program's validator may raise anything
        if isinstance(validator, _MATCHES):
            return FieldError("has invalid format", "format")
        return FieldError("is invalid", "validator")
    return None


class _AskedError(Exception):
    """A validator reads the record, which does not exist yet."""


class _NoRecord:
    """A placeholder for that record."""

    def __getattr__(self, name: str) -> Any:
        raise _AskedError

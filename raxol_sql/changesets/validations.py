"""Validations of a single value; each returns a `FieldError` or None."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Sized
from decimal import Decimal
from typing import Any

from raxol_sql.changesets.field_error import FieldError

Check = Callable[[Any], FieldError | None]

_NUMBER: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "less_than": ("must be less than %{number}", lambda value, number: value < number),
    "greater_than": ("must be greater than %{number}", lambda value, number: value > number),
    "less_than_or_equal_to": (
        "must be less than or equal to %{number}",
        lambda value, number: value <= number,
    ),
    "greater_than_or_equal_to": (
        "must be greater than or equal to %{number}",
        lambda value, number: value >= number,
    ),
    "equal_to": ("must be equal to %{number}", lambda value, number: value == number),
    "not_equal_to": ("must be not equal to %{number}", lambda value, number: value != number),
}
NUMBER_RULES = tuple(_NUMBER)
_UNITS = {"characters": "character(s)", "bytes": "byte(s)", "items": "item(s)"}


def format_of(pattern: str | re.Pattern[str], message: str = "has invalid format") -> Check:
    """
    Return a check for text that ``pattern`` matches as a whole, as a CHECK with ``^`` and ``$``.

    Python's ``$`` also matches before a line feed at the end, which PostgreSQL's does not.
    """
    compiled = re.compile(pattern)

    def check(value: Any) -> FieldError | None:
        if isinstance(value, str) and compiled.fullmatch(value):
            return None
        return FieldError(message, "format")

    return check


def number_of(rules: dict[str, Any], message: str | None = None) -> Check:
    """Return a check for a number that meets all ``rules``; it reports the first broken one."""

    def check(value: Any) -> FieldError | None:
        if not isinstance(value, int | float | Decimal) or _is_nan(value):
            return FieldError("is invalid", "number")
        for kind, number in rules.items():
            template, holds = _NUMBER[kind]
            if not holds(value, number):
                return FieldError.of(message or template, "number", kind=kind, number=number)
        return None

    return check


def length_of(
    *,
    exactly: int | None = None,
    least: int | None = None,
    most: int | None = None,
    count: str = "characters",
    message: str | None = None,
) -> Check:
    """Return a check of the length of a text in characters or bytes, or of a collection."""

    def check(value: Any) -> FieldError | None:
        if not isinstance(value, Sized):
            return FieldError("is invalid", "length")
        if isinstance(value, str):
            # A lone surrogate makes a text invalid, but must not raise here.
            of_bytes = count == "bytes"
            size = len(value.encode(errors="surrogatepass")) if of_bytes else len(value)
            unit = count
        else:
            size, unit = len(value), "bytes" if isinstance(value, bytes) else "items"
        for kind, bound, words, is_wrong in (
            ("is", exactly, "be", exactly is not None and size != exactly),
            ("min", least, "be at least", least is not None and size < least),
            ("max", most, "be at most", most is not None and size > most),
        ):
            if is_wrong:
                verb = words if unit != "items" else words.replace("be", "have", 1)
                template = message or f"should {verb} %{{count}} {_UNITS[unit]}"
                return FieldError.of(template, "length", kind=kind, count=bound)
        return None

    return check


def inclusion_of(allowed: Container[Any], message: str = "is invalid") -> Check:
    """Return a check for one of ``allowed``."""
    return lambda value: None if _is_in(value, allowed) else FieldError(message, "inclusion")


def exclusion_of(reserved: Container[Any], message: str = "is reserved") -> Check:
    """Return a check for a value that is not in ``reserved``."""
    return lambda value: FieldError(message, "exclusion") if _is_in(value, reserved) else None


def subset_of(allowed: Container[Any], message: str = "has an invalid entry") -> Check:
    """Return a check for a collection of which all items are in ``allowed``."""

    def check(value: Any) -> FieldError | None:
        is_right = all(_is_in(one, allowed) for one in value)
        return None if is_right else FieldError(message, "subset")

    return check


def _is_nan(value: float | Decimal) -> bool:
    # No comparison with NaN is true, and comparing a Decimal NaN raises.
    return value.is_nan() if isinstance(value, Decimal) else value != value


def _is_in(value: Any, allowed: Container[Any]) -> bool:
    try:
        return value in allowed
    except TypeError:  # not hashable, so in no set
        return False

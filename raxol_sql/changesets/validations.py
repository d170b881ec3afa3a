"""What is asked of a single value; each gives what is wrong with it, or None."""

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
    Text that ``pattern`` matches as a whole, as a CHECK with ``^`` and ``$`` asks for.

    Python's own ``$`` would let a line feed pass at the end, which PostgreSQL's does not.
    """
    compiled = re.compile(pattern)

    def check(value: Any) -> FieldError | None:
        if isinstance(value, str) and compiled.fullmatch(value):
            return None
        return FieldError(message, "format")

    return check


def number_of(rules: dict[str, Any], message: str | None = None) -> Check:
    """A number for which all ``rules`` hold; of those that do not, the first is told."""

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
    """Text of so many characters or bytes, or a collection of so many items."""

    def check(value: Any) -> FieldError | None:
        if not isinstance(value, Sized):
            return FieldError("is invalid", "length")
        if isinstance(value, str):
            # Half a surrogate pair is text that is wrong, and no reason to fail.
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
    """One of ``allowed``."""
    return lambda value: None if _is_in(value, allowed) else FieldError(message, "inclusion")


def exclusion_of(reserved: Container[Any], message: str = "is reserved") -> Check:
    """None of ``reserved``."""
    return lambda value: FieldError(message, "exclusion") if _is_in(value, reserved) else None


def subset_of(allowed: Container[Any], message: str = "has an invalid entry") -> Check:
    """A collection of nothing but ``allowed``."""

    def check(value: Any) -> FieldError | None:
        is_right = all(_is_in(one, allowed) for one in value)
        return None if is_right else FieldError(message, "subset")

    return check


def _is_nan(value: float | Decimal) -> bool:
    # It is in no relation to anything, and a Decimal of it cannot even be compared.
    return value.is_nan() if isinstance(value, Decimal) else value != value


def _is_in(value: Any, allowed: Container[Any]) -> bool:
    try:
        return value in allowed
    except TypeError:  # a list is in no set
        return False

"""Values that no repr, log line or traceback shows."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from raxol_sql.config.passwords import MASK

E = TypeVar("E", bound=BaseException)


class Secret:
    """
    A text that its repr, ``str()`` and any format show as a mask.

    ``reveal()`` gives the text: call it inside of the expression that needs it, so that no local
    variable of a frame holds the text when an error leaves the frame. Equal to a secret, or a text,
    with the same characters. Immutable, and safe to share between threads.
    """

    __slots__ = ("_reveal",)

    # Behind a function, so that what prints the attributes of objects does not print it either.
    _reveal: Callable[[], str]

    def __init__(self, value: str) -> None:
        object.__setattr__(self, "_reveal", lambda: value)

    def reveal(self) -> str:
        """The text."""
        return self._reveal()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a secret does not change")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Secret, str)):
            return NotImplemented
        theirs = other.reveal() if isinstance(other, Secret) else other
        return hmac.compare_digest(
            self._reveal().encode("utf-8", "surrogatepass"),
            theirs.encode("utf-8", "surrogatepass"),
        )

    def __hash__(self) -> int:
        return hash(self._reveal())

    def __bool__(self) -> bool:
        return bool(self._reveal())

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        return Secret, (self._reveal(),)

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)


class Hidden:
    """Arguments among which there may be a secret: its repr shows none of them."""

    __slots__ = ("reveal",)

    def __init__(self, *values: Any) -> None:
        self.reveal: Callable[[], tuple[Any, ...]] = lambda: values

    def __repr__(self) -> str:
        return MASK


def without_frames(error: E) -> E:
    """
    ``error`` without the frames that it came through, and without what it came after.

    For errors of code whose local variables hold secrets: what prints the variables of a traceback
    shows them. To be raised outside of the ``except`` block that caught it.
    """
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)

"""A value that is shown nowhere."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import NoReturn

from raxol_sql.config.passwords import MASK


class Secret:
    """
    A text that its repr, ``str()`` and any format show as a mask.

    ``reveal()`` gives the text: call it inside of the expression that needs it, so that no local
    variable of a frame holds the text when an error leaves the frame. Equal to a secret, or a text,
    with the same characters. Immutable.
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


class HiddenMapping(Mapping[str, object]):
    """A mapping whose repr shows its names only: what it holds may be a secret, or have one."""

    __slots__ = ("_given",)

    def __init__(self, given: Mapping[str, object]) -> None:
        self._given = lambda: given

    def __getitem__(self, name: str) -> object:
        return self._given()[name]

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._given())

    def __len__(self) -> int:
        return len(self._given())

    def __repr__(self) -> str:
        return f"<{len(self)} names: {', '.join(map(str, self))}>"

"""Dumpers: how values of a Python class are written for a PostgreSQL type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

TEXT = 0
BINARY = 1

# psycopg's dumpers in C return a bytearray.
Data = bytes | bytearray
Text = Data | None
Dumped = tuple[Data | None, int]


class CannotDump(TypeError):  # noqa: N818 (users see it as ParameterTypeMismatch)
    """A value that cannot be sent; the message gives the reason and never shows the value."""


@attrs.frozen(eq=False, repr=False)
class ValueDumper:
    """
    The dumper for values of one Python class and one PostgreSQL type.

    ``dump`` returns the bytes and their format; ``None`` is NULL. ``text`` returns the input of the
    type's input function. Either may raise `CannotDump`.
    """

    dump: Callable[[Any], Dumped]
    text: Callable[[Any], Text]


def text_dumper(text: Callable[[Any], Text]) -> ValueDumper:
    """Return the dumper for values that are sent as text only."""
    return ValueDumper(lambda value: (text(value), TEXT), text)


NULL = text_dumper(lambda _: None)


class ValueDumpers(dict[type, Callable[[Any], Dumped]]):
    """
    The dumpers for one PostgreSQL type, by the class of the value.

    Each is created for the first value of its class, and kept.
    """

    def __init__(self, choose: Callable[[type], ValueDumper]) -> None:
        self._choose = choose
        self._texts: dict[type, Callable[[Any], Text]] = {}

    def __missing__(self, kind: type) -> Callable[[Any], Dumped]:
        form = self._choose(kind)
        self._texts[kind] = form.text
        self[kind] = form.dump
        return form.dump

    def text(self, value: Any) -> Text:
        """Return the value as input for the type's input function; `None` is NULL."""
        kind = type(value)
        if kind not in self._texts:
            self.__missing__(kind)
        return self._texts[kind](value)

"""The form that values of one Python type take for one type of the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

TEXT = 0
BINARY = 1

# psycopg's dumpers in C make a bytearray.
Data = bytes | bytearray
Text = Data | None
Dumped = tuple[Data | None, int]


class CannotDump(TypeError):  # noqa: N818 (users meet it as ParameterMisfit)
    """A value that cannot be sent; its text says why, and never shows the value."""


@attrs.frozen
class ValueDumper:
    """
    How values of one Python type are written for one type of the server.

    ``dump`` gives the bytes and their format, of which ``None`` is NULL; ``text`` gives them as
    the type's input function reads them. Either may raise `CannotDump`.
    """

    dump: Callable[[Any], Dumped]
    text: Callable[[Any], Text]


def text_dumper(text: Callable[[Any], Text]) -> ValueDumper:
    """The form of values that are sent as a text only."""
    return ValueDumper(lambda value: (text(value), TEXT), text)


NULL = text_dumper(lambda _: None)


class ValueDumpers(dict[type, Callable[[Any], Dumped]]):
    """
    The forms for one type of the server: what dumps a value, by the value's type.

    Each is chosen when a value of its type is met for the first time, and kept.
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
        """The value as the type's input function reads it; `None` is NULL."""
        kind = type(value)
        if kind not in self._texts:
            self.__missing__(kind)
        return self._texts[kind](value)

"""The source of a generated function, written line by line."""

from __future__ import annotations

from collections import Counter
from typing import Any


class Source:
    """
    The lines of a function of one argument, and the objects that they name.

    Each name that it gives is new, so that no two things in the source share one.
    """

    def __init__(self, header: str) -> None:
        self._lines = [header]
        self._depth = 1
        self._objects: dict[str, Any] = {}
        self._taken: Counter[str] = Counter()

    def name(self, word: str) -> str:
        """A name that begins with ``word``, for a variable."""
        self._taken[word] += 1
        return f"{word}{self._taken[word]}"

    def refer(self, word: str, value: object) -> str:
        """A name that begins with ``word``, and stands for ``value``."""
        name = self.name(word)
        self._objects[name] = value
        return name

    def line(self, text: str) -> None:
        """Adds a line to the block that is open."""
        self._lines.append("    " * self._depth + text)

    def open(self, text: str) -> None:
        """Adds a line that opens a block."""
        self.line(text)
        self._depth += 1

    def close(self) -> None:
        """Ends the block that was opened last."""
        self._depth -= 1

    def function(self, name: str, title: str) -> Any:
        """The function ``name`` that the lines define; ``title`` is its file in tracebacks."""
        exec(compile(str(self), f"<{title}>", "exec"), self._objects)
        return self._objects[name]

    def __str__(self) -> str:
        return "\n".join(self._lines) + "\n"

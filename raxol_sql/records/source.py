"""Source code of generated functions."""

from __future__ import annotations

from collections import Counter
from typing import Any


class Source:
    """
    The source lines of a function of one argument, and the objects that they refer to.

    Each name that it returns is unique in the source.
    """

    def __init__(self, header: str) -> None:
        self._lines = [header]
        self._depth = 1
        self._objects: dict[str, Any] = {}
        self._taken: Counter[str] = Counter()

    def name(self, word: str) -> str:
        """Return a new name for a variable, which begins with ``word``."""
        self._taken[word] += 1
        return f"{word}{self._taken[word]}"

    def refer(self, word: str, value: object) -> str:
        """Return a new name that begins with ``word`` and refers to ``value``."""
        name = self.name(word)
        self._objects[name] = value
        return name

    def line(self, text: str) -> None:
        """Add a line to the open block."""
        self._lines.append("    " * self._depth + text)

    def open(self, text: str) -> None:
        """Add a line that opens a block."""
        self.line(text)
        self._depth += 1

    def close(self) -> None:
        """End the block that was opened last."""
        self._depth -= 1

    def function(self, name: str, title: str) -> Any:
        """Return the function ``name`` of these lines; ``title`` is its file in tracebacks."""
        exec(compile(str(self), f"<{title}>", "exec"), self._objects)
        return self._objects[name]

    def __str__(self) -> str:
        return "\n".join(self._lines) + "\n"

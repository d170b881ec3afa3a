"""Who has a session, since when, and from where in the program."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

_INSIDE = (str(Path(__file__).parents[2]) + os.sep, contextlib.__file__)
# For what, since when, and who: a tuple, because every call makes one, and hardly any is looked at.
CheckoutKey = tuple[str, float, Any]
# The file and the line.
CallSite = tuple[str, int]


@attrs.frozen
class Checkout:
    """
    A connection in use: its purpose, since when (on the monotonic clock), and its holder.

    ``place`` is where in the program a block of calls began, None for a single call.
    """

    purpose: str
    since: float
    who: Any
    place: CallSite | None = None

    def told(self, now: float, name_of: Callable[[Any], str]) -> str:
        """A line for people."""
        at = f" begun at {Path(self.place[0]).name}:{self.place[1]}" if self.place else ""
        return f"{self.purpose}{at}, {now - self.since:.1f} s, {name_of(self.who)}"


def call_site() -> CallSite:
    """Where the innermost frame is that is not of this package, nor of what its blocks are of."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INSIDE):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def call_site_text() -> str:
    """That place as ``file:line``."""
    file, line = call_site()
    return f"{file}:{line}"

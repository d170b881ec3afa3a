"""The holder of a session: purpose, start and call site."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

_INSIDE = (str(Path(__file__).parents[2]) + os.sep, contextlib.__file__)
# Files that are known to be inside: every transaction passes about ten of them.
_files_inside: set[str] = set()
# The purpose, the start and the owner. A tuple, because every call makes one that is rarely read.
CheckoutKey = tuple[str, float, Any]
# The file and the line.
CallSite = tuple[str, int]


@attrs.frozen(eq=False, repr=False)
class Checkout:
    """
    A connection in use: its purpose, start (monotonic) and holder.

    ``place`` is the call site of a block of calls, None for a single call.
    """

    purpose: str
    since: float
    who: Any
    place: CallSite | None = None

    def describe(self, now: float, name_of: Callable[[Any], str]) -> str:
        """Return a line for the log or an error message."""
        at = f" begun at {Path(self.place[0]).name}:{self.place[1]}" if self.place else ""
        return f"{self.purpose}{at}, {now - self.since:.1f} s, {name_of(self.who)}"


def call_site() -> CallSite:
    """Return the innermost frame outside this package and outside contextlib."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        file = frame.f_code.co_filename
        if file not in _files_inside:
            if not file.startswith(_INSIDE):
                break
            _files_inside.add(file)
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def call_site_text() -> str:
    """Return the call site as ``file:line``."""
    file, line = call_site()
    return f"{file}:{line}"

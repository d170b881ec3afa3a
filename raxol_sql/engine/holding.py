"""Who holds the connections of a pool, as those are told who wait for one."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import attrs

from raxol_sql.errors import PoolExhausted

_INSIDE = (str(Path(__file__).parent.parent) + os.sep, contextlib.__file__)
_log = logging.getLogger("raxol_sql.pool")


# For what, since when, and who: a tuple, because every call makes one, and hardly any is looked at.
Taken = tuple[str, float, Any]
# The file and the line.
Place = tuple[str, int]


@attrs.frozen
class Holding:
    """
    That somebody has a connection: for what, since when (on the monotonic clock), and who.

    ``place`` is where in the program a block of calls began, None for a single call.
    """

    purpose: str
    since: float
    who: Any
    place: Place | None = None

    def told(self, now: float, name_of: Callable[[Any], str]) -> str:
        """A line for people."""
        at = f" begun at {Path(self.place[0]).name}:{self.place[1]}" if self.place else ""
        return f"{self.purpose}{at}, {now - self.since:.1f} s, {name_of(self.who)}"


def place_of_caller() -> Place:
    """Where the innermost frame is that is not of this package, nor of what its blocks are of."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INSIDE):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def spot_of_caller() -> str:
    """That place as ``file:line``."""
    file, line = place_of_caller()
    return f"{file}:{line}"


def exhausted(
    holdings: Iterable[Holding],
    *,
    now: float,
    name_of: Callable[[Any], str],
    size: int,
    waited: float,
    waiting: int,
    me: Any,
) -> PoolExhausted:
    """
    The error for somebody who found all connections in use.

    What helps is what DBConnection's users know: shorten, enlarge, wait longer, and, before that,
    look for who keeps what they do not need.
    """
    held = sorted(holdings, key=lambda holding: holding.since)
    lines = [
        f"no connection became free in {waited:.1f} s: {len(held)} of {size} (pool_size) are in "
        f"use, and {waiting} {'waits' if waiting == 1 else 'wait'} for one"
    ]
    lines += [f"    {holding.told(now, name_of)}" for holding in held]
    if held and all(holding.who == me for holding in held):
        lines.append(
            "All of them are held by the very caller who waits, who would wait for ever: inside of "
            "a transaction, or of the rows of a stream, use that one's own run()."
        )
    else:
        lines.append(
            "What helps: (1) end what holds a connection for long: slow statements, transactions "
            "that wait for something else, streams that are not closed; (2) a larger pool_size, if "
            "the server has room (max_connections); (3) a longer timeout, if waiting is better "
            "than failing; (4) fewer callers at a time."
        )
    return PoolExhausted("\n".join(lines))


class LeakWatch:
    """
    Warns of connections that are held for longer than ``seconds``, of each holding once.

    It looks when somebody has to wait, and when the pool is closed: a connection that nobody
    misses does no harm. The warning is logged to ``raxol_sql.pool``. For the callers of one pool.
    """

    def __init__(self, seconds: float, name_of: Callable[[Any], str]) -> None:
        self._seconds = seconds
        self._name_of = name_of
        self._warned: set[tuple[str, float]] = set()

    def look(self, holdings: Iterable[Holding], now: float) -> None:
        """Warns of those among the holdings that it has not warned of yet."""
        for holding in holdings:
            known = (holding.purpose, holding.since)
            if now - holding.since < self._seconds or known in self._warned:
                continue
            self._warned.add(known)
            _log.warning(
                "a connection may have been leaked: %s; a transaction or a stream that is begun "
                "has to end, so put it into a with block",
                holding.told(now, self._name_of),
            )

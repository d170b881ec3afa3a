"""Checked-out connections: the pool-exhausted error and leak detection."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from raxol_sql.engine.session.checkout import Checkout
from raxol_sql.errors import PoolExhaustedError

_log = logging.getLogger("raxol_sql.pool")


def pool_exhausted(
    holdings: Iterable[Checkout],
    *,
    now: float,
    name_of: Callable[[Any], str],
    size: int,
    waited: float,
    waiting: int,
    me: Any,
) -> PoolExhaustedError:
    """Return the error for a caller that timed out because all connections are in use."""
    held = sorted(holdings, key=lambda holding: holding.since)
    lines = [
        f"no connection became free in {waited:.1f} s: {len(held)} of {size} (pool_size) are in "
        f"use, and {waiting} {'waits' if waiting == 1 else 'wait'} for one"
    ]
    lines += [f"    {holding.describe(now, name_of)}" for holding in held]
    if held and all(holding.who == me for holding in held):
        lines.append(
            "This thread or task already holds every connection, so it would wait for itself: "
            "inside a transaction or a stream, call tx.run() instead of db.run()."
        )
    else:
        lines.append(
            "You can (1) release connections sooner: look for slow statements, transactions that "
            "wait for something else, and streams that are not closed; (2) raise pool_size, if the "
            "server has connection slots left (max_connections); (3) raise the timeout; "
            "(4) run fewer calls at a time."
        )
    return PoolExhaustedError("\n".join(lines))


class LeakDetector:
    """
    Warns once of each connection that is checked out for longer than ``seconds``.

    It checks when a caller has to wait, and when the pool is closed: a leak does no harm as long as
    no caller waits for a connection. The warning is logged to ``raxol_sql.pool``. For the callers
    of one pool.
    """

    def __init__(self, seconds: float, name_of: Callable[[Any], str]) -> None:
        self._seconds = seconds
        self._name_of = name_of
        self._warned: set[tuple[str, float]] = set()

    def look(self, holdings: Iterable[Checkout], now: float) -> None:
        """Warn of those checkouts that it has not warned of yet."""
        for holding in holdings:
            known = (holding.purpose, holding.since)
            if now - holding.since < self._seconds or known in self._warned:
                continue
            self._warned.add(known)
            _log.warning(
                "possible connection leak: %s. Use `with`, so that the transaction or stream is "
                "closed",
                holding.describe(now, self._name_of),
            )

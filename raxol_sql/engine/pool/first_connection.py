"""The first connection of a pool, and the wait for it."""

from __future__ import annotations

import math
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from time import monotonic

import psycopg

from raxol_sql.config import Conninfo
from raxol_sql.engine.core.concurrency import IOBackend
from raxol_sql.engine.pool.connector import LONGEST_PAUSE, Connector
from raxol_sql.failures import Phase, Verdict, classify

_PAUSE = 0.05


def seconds_of(wait: float | timedelta) -> float:
    """
    Return a duration in seconds; raises TypeError for another type, ValueError for an infinite one.
    """
    if isinstance(wait, bool) or not isinstance(wait, (int, float, timedelta)):
        raise TypeError(f"wait is a number of seconds or a timedelta; not {wait!r}")
    seconds = wait.total_seconds() if isinstance(wait, timedelta) else float(wait)
    if not 0 <= seconds < math.inf:
        raise ValueError(f"wait is 0 or more seconds, and has an end; not {wait!r}")
    return seconds


@asynccontextmanager
async def first_connection(
    colour: IOBackend, dial: Connector, conninfo: Conninfo | None, wait: float
) -> AsyncIterator[None]:
    """
    Make the first connection for the pool that the block opens; close it if the pool needs none.

    Without a ``conninfo`` the pool makes its own. Raises as `_connect`.
    """
    try:
        if conninfo is not None:
            await _connect(colour, dial, conninfo, wait)
        yield
    finally:
        await dial.discard_kept()


async def _connect(colour: IOBackend, dial: Connector, conninfo: Conninfo, wait: float) -> None:
    """
    Make one connection, to see that the server lets in, and keep it for the pool.

    Tries for ``wait`` seconds, with pauses that grow to half a second, while waiting can help, and
    once in any case. Raises the driver's error of the last attempt, with a note if there were more.
    """
    began = monotonic()
    attempts = 0
    while True:
        attempts += 1
        attempted = monotonic()
        left = began + wait - monotonic()
        try:
            first = await dial.attempt(_within(conninfo, left, attempts), autocommit=True)
        except psycopg.Error as error:
            is_final = classify(error, Phase.ACQUIRE).verdict is Verdict.NEVER
            longest = min(LONGEST_PAUSE, _PAUSE * 2 ** min(attempts - 1, 16))
            pause = random.SystemRandom().random() * longest
            left = began + wait - monotonic()
            if is_final or left <= 0 or dial.is_over:
                if attempts > 1:
                    error.add_note(f"open(wait={wait:g}): {attempts} attempts were made")
                raise
        else:
            dial.keep(first, attempted)
            return
        # Not in the handler: the next error would come with this one, and its frames.
        await colour.sleep(min(pause, left))


def _within(conninfo: Conninfo, left: float, attempts: int) -> Conninfo:
    """``conninfo`` for an attempt for which so many seconds are left, unless it is the first."""
    if attempts == 1 and left <= 0:
        return conninfo
    most = int(conninfo.parameters.get("connect_timeout") or 0)
    # libpq counts whole seconds, and takes less than two for two.
    own = max(2, math.ceil(left))
    return conninfo.changed(connect_timeout=min(own, most) if most > 0 else own)

"""Where a session comes from: a pool of connections, or the one of a transaction."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from raxol_sql.engine.core.deadline import deadline_of, earliest
from raxol_sql.engine.session.session import Session
from raxol_sql.engine.transaction.retrier import Retrier
from raxol_sql.errors import TransactionError
from raxol_sql.telemetry import OperationTimer, Watching


class SessionSource(Protocol):
    """
    A source of sessions.

    One is acquired for a call, and released after it; or reserved for a block of calls, and freed
    after that. What was taken is given back, come what may. ``purpose`` names the call to others
    who wait, and ``until`` is when it has to end, on the monotonic clock; None for never.

    ``timeout`` is what a call may take that says nothing else, in milliseconds, 0 for no limit, and
    ``until`` when all calls here have to end. ``commit_check`` is how it is told what became of a
    transaction that says nothing else. ``repeating`` knows what may be done again after a failure;
    None where nothing may, because it would be a part of something larger. ``telemetry`` is told
    what happens. ``shows_values`` allows errors to say which arguments a query had.
    """

    timeout: int
    until: float | None
    commit_check: str
    repeating: Retrier | None
    shows_values: bool

    @property
    def telemetry(self) -> Watching: ...

    async def acquire(self, purpose: str, until: float | None) -> Session: ...

    async def release(self, session: Session) -> None: ...

    async def reserve(self, purpose: str, until: float | None) -> Session: ...

    async def free(self, session: Session) -> None: ...


@asynccontextmanager
async def held(
    sessions: SessionSource, purpose: str, timeout: int | None, watch: OperationTimer | None = None
) -> AsyncIterator[Session]:
    """A session for the length of a call that may take ``timeout``, or what calls usually may."""
    until = deadline_of(sessions.timeout if timeout is None else timeout)
    session = await sessions.acquire(purpose, until)
    if watch is not None:
        watch.took(session.idle_since)
    try:
        yield session
    finally:
        await sessions.release(session)


class TransactionSession:
    """
    The one session of a transaction: calls take turns on it, and it is not given back.

    None of its calls ends after ``until``, if the transaction itself has to end by then.
    """

    def __init__(
        self, outer: SessionSource, until: float | None, telemetry: Watching | None = None
    ) -> None:
        self.timeout = outer.timeout
        self.telemetry: Watching = telemetry or outer.telemetry
        self.shows_values = outer.shows_values
        self.until = until
        self.commit_check = "none"
        self.repeating: Retrier | None = None
        self._session: Session | None = None
        self._is_over = False

    async def acquire(self, purpose: str, until: float | None) -> Session:
        session = await self.reserve(purpose, until)
        end = self.until
        await session.turn.acquire(earliest(until, end))
        if self._session is None:  # it ended while this waited
            session.turn.release()
        session = await self.reserve(purpose, until)
        session.limits.is_pressed = end is not None and (until is None or end < until)
        session.wire.until = end if session.limits.is_pressed else until
        return session

    async def release(self, session: Session) -> None:
        session.turn.release()

    async def reserve(self, purpose: str, until: float | None) -> Session:
        if self._session is None:
            state = "over" if self._is_over else "not open"
            raise TransactionError(f"this transaction is {state}: use it inside of its with block")
        return self._session

    async def free(self, session: Session) -> None:
        """Nothing: the transaction keeps it."""

    def begin(self, session: Session) -> None:
        """From now on ``session`` is to be had here."""
        self._session = session
        # Between its statements it lies idle for nobody.
        session.idle_since = math.inf

    def end(self) -> None:
        """After this the session is no longer to be had here."""
        self._session = None
        self._is_over = True

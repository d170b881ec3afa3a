"""Sources of sessions: a pool, or a transaction."""

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

    A session is acquired for a call and then released, or reserved for a block of calls and then
    freed. ``purpose`` names the call in messages to waiting callers, and ``until`` is its deadline
    (monotonic), None for none.

    ``timeout`` is the default timeout of a call in milliseconds, 0 for no limit, and ``until`` the
    deadline of all calls. ``commit_check`` is the default of transactions. ``retrier`` retries
    failed calls; it is None inside a transaction, where only the whole can be retried.
    ``telemetry`` receives events. ``shows_values`` allows errors to contain arguments of queries.
    """

    timeout: int
    until: float | None
    commit_check: str
    retrier: Retrier | None
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
    """Check out a session for a call with a ``timeout``, by default that of the source."""
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
    The single session of a transaction, which its calls use one at a time.

    ``until`` is the deadline of the transaction, if it has one, and so of its calls.
    """

    def __init__(
        self, outer: SessionSource, until: float | None, telemetry: Watching | None = None
    ) -> None:
        self.timeout = outer.timeout
        self.telemetry: Watching = telemetry or outer.telemetry
        self.shows_values = outer.shows_values
        self.until = until
        self.commit_check = "none"
        self.retrier: Retrier | None = None
        self._session: Session | None = None
        self._is_over = False

    async def acquire(self, purpose: str, until: float | None) -> Session:
        session, end = self._session, self.until
        if session is None:
            raise self._not_open()
        await session.turn.acquire(until if end is None else earliest(until, end))
        if self._session is None:  # the transaction ended while this call waited
            session.turn.release()
            raise self._not_open()
        session.limits.uses_deadline = end is not None and (until is None or end < until)
        session.wire.until = end if session.limits.uses_deadline else until
        return session

    async def release(self, session: Session) -> None:
        session.turn.release()

    async def reserve(self, purpose: str, until: float | None) -> Session:
        if self._session is None:
            raise self._not_open()
        return self._session

    async def free(self, session: Session) -> None:
        """Do nothing: the transaction keeps the session."""

    def begin(self, session: Session) -> None:
        """Make ``session`` available to calls."""
        self._session = session
        # Between its statements, no other caller may use the session.
        session.idle_since = math.inf

    def end(self) -> None:
        """Make the session unavailable."""
        self._session = None
        self._is_over = True

    def _not_open(self) -> TransactionError:
        state = "over" if self._is_over else "not open"
        return TransactionError(f"this transaction is {state}: use it inside of its with block")

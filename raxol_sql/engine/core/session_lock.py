"""The lock of a transaction's session."""

from __future__ import annotations

import asyncio
import threading
from time import monotonic
from typing import Protocol

from raxol_sql.errors import DeadlineExceededError, TransactionError
from raxol_sql.failures import Effect

_IN_THE_MIDDLE = (
    "another call on this transaction is in progress in this thread or task; wait for it to finish"
)


class SessionLock(Protocol):
    """
    A lock for one call, which rejects a caller that already holds it.

    This happens when a call starts another one, for example while it reads the rows of a COPY.
    """

    @property
    def is_mine(self) -> bool:
        """Return whether the caller holds the lock."""

    async def acquire(self, until: float | None) -> None:
        """
        Acquire the lock, until a deadline (monotonic) if not None.

        Raises `TransactionError` if the caller already holds it, and `DeadlineExceededError`.
        """

    def release(self) -> None:
        """Release the lock; does nothing without it."""


class ThreadSessionLock:
    """
    A session lock for threads.

    The underlying lock records its owner: acquiring it and recording the owner is one step, which
    no exception of a signal handler can divide.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()

    @property
    def is_mine(self) -> bool:
        is_owned: bool = self._lock._is_owned()  # type: ignore[attr-defined]
        return is_owned

    async def acquire(self, until: float | None) -> None:
        lock = self._lock
        if lock._is_owned():  # type: ignore[attr-defined]
            raise TransactionError(_IN_THE_MIDDLE)
        # Nearly always it is free, and no deadline needs to be computed.
        if lock.acquire(blocking=False):
            return
        if until is None:
            lock.acquire()
        elif not lock.acquire(timeout=max(0.0, until - monotonic())):
            raise DeadlineExceededError(Effect.NONE.value)

    def release(self) -> None:
        if self._lock._is_owned():  # type: ignore[attr-defined]
            self._lock.release()


class TaskSessionLock:
    """A session lock for tasks."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._owner: asyncio.Task[object] | None = None

    @property
    def is_mine(self) -> bool:
        return self._owner is not None and self._owner is asyncio.current_task()

    async def acquire(self, until: float | None) -> None:
        if self.is_mine:
            raise TransactionError(_IN_THE_MIDDLE)
        if self._lock.locked() and until is not None:
            try:
                async with asyncio.timeout(max(0.0, until - monotonic())):
                    await self._lock.acquire()
            except TimeoutError:
                raise DeadlineExceededError(Effect.NONE.value) from None
        else:
            await self._lock.acquire()
        self._owner = asyncio.current_task()

    def release(self) -> None:
        if self._lock.locked():
            self._owner = None
            self._lock.release()

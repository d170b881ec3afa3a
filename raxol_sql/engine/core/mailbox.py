"""Queues from any thread to one reader."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Protocol


class Mailbox(Protocol):
    """
    A queue with one reader.

    ``put`` never blocks, and may be called from any thread, from a destructor and as the callback
    of a weak reference. Items keep their order.
    """

    put: Callable[[Any], object]

    async def get(self, timeout: float | None) -> Any:
        """
        Return the next item, or None after ``timeout`` seconds; wait without limit if that is None.
        """

    def take(self) -> Any:
        """Return the next item if there is one, else None."""


class ThreadMailbox:
    """
    A mailbox whose reader is a thread.

    Both ends are functions in C, in which no signal handler runs: an exception of a handler leaves
    an item either in the mailbox or with the reader.
    """

    def __init__(self) -> None:
        queue: SimpleQueue[Any] = SimpleQueue()
        self.put: Callable[[Any], object] = queue.put
        self._get = queue.get

    async def get(self, timeout: float | None) -> Any:
        try:
            return self._get(True, timeout)
        except Empty:
            return None

    def take(self) -> Any:
        try:
            return self._get(False)
        except Empty:
            return None


class LoopMailbox:
    """A mailbox whose reader is a task of the event loop in which it was made."""

    def __init__(self) -> None:
        self.put: Callable[[Any], object] = self._put
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._items: deque[Any] = deque()
        self._waiter: asyncio.Future[None] | None = None

    async def get(self, timeout: float | None) -> Any:
        if not self._items:
            self._waiter = waiter = self._loop.create_future()
            alarm = None if timeout is None else self._loop.call_later(timeout, self._wake)
            try:
                await waiter
            finally:
                self._waiter = None
                if alarm is not None:
                    alarm.cancel()
        return self.take()

    def take(self) -> Any:
        return self._items.popleft() if self._items else None

    def _put(self, item: Any) -> None:
        self._items.append(item)
        # A closed loop runs no more tasks, also for a mailbox that the garbage collector reaches.
        with suppress(RuntimeError):
            if threading.get_ident() == self._thread:
                self._wake()
            else:
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

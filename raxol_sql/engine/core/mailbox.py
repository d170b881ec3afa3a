"""Items that any thread hands to one reader, which may wait for them."""

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
    A queue with one reader, which waits in its own way.

    ``put`` never waits, and may be called from any thread, from a destructor and as the callback
    of a weak reference. The items come out in their order.
    """

    put: Callable[[Any], object]

    async def get(self, timeout: float | None) -> Any:
        """The next item; None if there is none for ``timeout`` seconds, or ever if that is None."""

    def take(self) -> Any:
        """The next item if there is one, else None."""


class ThreadMailbox:
    """
    A mailbox whose reader is a thread.

    Both ends are functions written in C, so no signal handler runs in the middle of them: an
    exception of such a handler leaves an item in the mailbox or takes it out, nothing between.
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
        if threading.get_ident() == self._thread:
            self._wake()
            return
        # A loop that is closed has ended its tasks.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

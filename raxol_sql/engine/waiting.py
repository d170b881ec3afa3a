"""Waiting for the server, blocking or in an event loop: the only place that waits for a socket."""

from __future__ import annotations

import asyncio
import math
import select
from collections.abc import Callable
from typing import Protocol

import psycopg
from psycopg.pq.abc import PGconn

# A look costs about half a microsecond: together they take as long as a short statement does.
_LOOKS = 100


class Waiting(Protocol):
    """
    The waits of one libpq connection, which is in non-blocking mode.

    Each ends early with whatever the signal handler, the event loop or the driver raises; what
    was sent and received until then stays in libpq's buffers.
    """

    def __init__(self, pgconn: PGconn) -> None: ...

    async def answer(self, watch: bool) -> bool:
        """
        Until libpq has a result, or the end of the results.

        With ``watch`` it looks for it for a while, where that can be done, before it sleeps; gives
        whether it did so in vain.
        """

    async def input(self, seconds: float | None = None) -> None:
        """
        Until there was something to read; libpq has it then.

        Raises TimeoutError if there was nothing for ``seconds``.
        """

    async def flush(self, seconds: float | None = None) -> None:
        """
        Until libpq has sent all that it holds.

        Takes meanwhile what the server sends, so that neither waits for the other for ever.
        Raises TimeoutError if nothing went on for ``seconds``.
        """

    def detach(self) -> None:
        """Lets go of the socket, which somebody else is going to close or to use."""


class BlockingWaiting:
    """Waits in the calling thread; signals are handled, and end a wait if their handler raises."""

    def __init__(self, pgconn: PGconn) -> None:
        self._pgconn = pgconn
        self._readable = _poller(pgconn.socket, write=False)
        self._ready = _poller(pgconn.socket, write=True)

    async def answer(self, watch: bool) -> bool:
        pgconn = self._pgconn
        if watch:
            for _ in range(_LOOKS):
                pgconn.consume_input()
                if not pgconn.is_busy():
                    return False
        while pgconn.is_busy():
            self._readable(None)
            pgconn.consume_input()
        return watch

    async def input(self, seconds: float | None = None) -> None:
        self._sleep(self._readable, seconds)

    async def flush(self, seconds: float | None = None) -> None:
        while self._pgconn.flush():
            self._sleep(self._ready, seconds)

    def detach(self) -> None:
        """Nothing: nobody else knows that this waits."""

    def _sleep(self, poll: Callable[[int | None], object], seconds: float | None) -> None:
        if not poll(None if seconds is None else math.ceil(seconds * 1000)):
            raise TimeoutError
        self._pgconn.consume_input()


class LoopWaiting:
    """
    Waits in the event loop.

    The reader stays registered from one wait to the next. When something comes and nobody waits
    for it, it goes, until the next wait: what is not asked for stays in the socket, and holds the
    server back.
    """

    def __init__(self, pgconn: PGconn) -> None:
        self._pgconn = pgconn
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._socket = -1

    async def answer(self, watch: bool) -> bool:
        while self._pgconn.is_busy():
            await self.input()
        return False

    async def input(self, seconds: float | None = None) -> None:
        self._waiter = waiter = self._attached().create_future()
        try:
            # A timer costs as much as the rest of a wait.
            await (waiter if seconds is None else asyncio.wait_for(waiter, seconds))
        finally:
            self._waiter = None

    async def flush(self, seconds: float | None = None) -> None:
        while self._pgconn.flush():
            loop = self._attached()
            self._waiter = waiter = loop.create_future()
            loop.add_writer(self._socket, _settle, waiter)
            try:
                await (waiter if seconds is None else asyncio.wait_for(waiter, seconds))
            finally:
                loop.remove_writer(self._socket)
                self._waiter = None

    def detach(self) -> None:
        if self._loop is not None:
            if not self._loop.is_closed():
                self._loop.remove_reader(self._socket)
            self._loop = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(psycopg.OperationalError("the connection was taken away"))

    def _attached(self) -> asyncio.AbstractEventLoop:
        """The loop in which the reader is registered."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._socket = self._pgconn.socket
            self._loop.add_reader(self._socket, self._read)
        return self._loop

    def _read(self) -> None:
        waiter = self._waiter
        if waiter is None or waiter.done():
            self.detach()
            return
        try:
            self._pgconn.consume_input()
        except Exception as error:
            waiter.set_exception(error)
            self.detach()
        else:
            # Half a result is no reason to wake up.
            if not self._pgconn.is_busy():
                waiter.set_result(None)


def _settle(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _poller(socket: int, *, write: bool) -> Callable[[int | None], object]:
    """
    What waits until ``socket`` can be read, or also until it can be written.

    It takes the longest wait in milliseconds, and gives something false after that.
    """
    poll = select.poll()
    poll.register(socket, select.POLLIN | select.POLLOUT if write else select.POLLIN)
    return poll.poll

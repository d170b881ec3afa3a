"""Waiting for a socket, in a thread or in an event loop."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from time import monotonic
from typing import Protocol

import psycopg
from psycopg.pq.abc import PGconn

# A check costs about half a microsecond; all of them take as long as a short statement.
_LOOKS = 100


class WaitTimeout(TimeoutError):  # noqa: N818 (as TimeoutError's own kind, told from a handler's)
    """The deadline of a wait has passed."""


class SocketWaiter(Protocol):
    """
    The waits of one libpq connection, which is in non-blocking mode.

    Each raises what the signal handler, the event loop or the driver raises, and `WaitTimeout` at
    the deadline ``until`` (monotonic), if there is one; sent and received data stay in libpq's
    buffers.
    """

    until: float | None

    def __init__(self, pgconn: PGconn) -> None: ...

    async def answer(self, watch: bool) -> bool:
        """
        Wait until libpq has a result, or the end of the results.

        With ``watch`` it polls for a while before it sleeps, where this is possible; returns
        whether it polled in vain.
        """

    async def input(self) -> None:
        """Wait until data was received; libpq has it then."""

    async def flush(self) -> None:
        """
        Wait until libpq has sent everything.

        Also receives data from the server, so that neither side blocks the other forever.
        """

    def detach(self) -> None:
        """Release the socket, which other code is going to close or use."""


class SyncWaiter:
    """Waits in the calling thread; an exception of a signal handler ends a wait."""

    def __init__(self, pgconn: PGconn) -> None:
        self.until: float | None = None
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
            self._sleep(self._readable)
        return watch

    async def input(self) -> None:
        self._sleep(self._readable)

    async def flush(self) -> None:
        while self._pgconn.flush():
            self._sleep(self._ready)

    def detach(self) -> None:
        """Do nothing: nothing is registered for the socket."""

    def _sleep(self, poll: Callable[[int | None], object]) -> None:
        if self.until is None:
            poll(None)
        else:
            left = self.until - monotonic()
            # In milliseconds, and never negative, which means no timeout.
            if not poll(int(left * 1000) + 1 if left > 0 else 0):
                raise WaitTimeout
        self._pgconn.consume_input()


class AsyncioWaiter:
    """
    Waits in the event loop.

    The reader stays registered between waits. If data arrives outside a wait, it is removed until
    the next wait: unsolicited data stays in the socket, which slows the server down. The timer
    stays, too: it is set once and checks the deadline when it fires, because setting it for each
    wait costs as much as the rest of the wait.
    """

    def __init__(self, pgconn: PGconn) -> None:
        self.until: float | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._rings = 0.0
        self._pgconn = pgconn
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._socket = -1

    async def answer(self, watch: bool) -> bool:
        while self._pgconn.is_busy():
            await self.input()
        return False

    async def input(self) -> None:
        loop = self._attach()
        self._waiter = waiter = loop.create_future()
        if self.until is not None and (self._alarm is None or self.until < self._rings):
            self._set_alarm(loop)
        try:
            await waiter
        finally:
            self._waiter = None

    async def flush(self) -> None:
        while self._pgconn.flush():
            loop = self._attach()
            loop.add_writer(self._socket, self._write)
            try:
                await self.input()
            finally:
                loop.remove_writer(self._socket)

    def detach(self) -> None:
        if self._loop is not None:
            if not self._loop.is_closed():
                self._loop.remove_reader(self._socket)
            self._loop = None
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(
                psycopg.OperationalError("the connection was closed while waiting")
            )

    def _attach(self) -> asyncio.AbstractEventLoop:
        """Return the loop in which the reader is registered."""
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
            # An incomplete result does not end the wait.
            if not self._pgconn.is_busy():
                waiter.set_result(None)

    def _write(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _set_alarm(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        assert self.until is not None, "there is no alarm for a wait without an end"
        self._rings = self.until
        self._alarm = loop.call_later(max(0.0, self.until - monotonic()), self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._alarm = None
        waiter = self._waiter
        if waiter is None or waiter.done() or self.until is None:
            return
        if monotonic() >= self.until:
            waiter.set_exception(WaitTimeout())
        else:
            self._set_alarm(loop)


def _poller(socket: int, *, write: bool) -> Callable[[int | None], object]:
    """
    Return a function that waits until ``socket`` is readable, or also writable.

    It takes the timeout in milliseconds, and returns a false value on timeout.
    """
    poll = select.poll()
    poll.register(socket, select.POLLIN | select.POLLOUT if write else select.POLLIN)
    return poll.poll

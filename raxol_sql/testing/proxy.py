"""A proxy in front of a PostgreSQL server that does to the line what networks do to it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import socket
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import attrs
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from raxol_sql.testing.address import Address
from raxol_sql.testing.cuts import COMMIT, Cut, Direction, Fired, How, Pattern, When
from raxol_sql.testing.line import Ending, Line
from raxol_sql.testing.rules import Rules

T = TypeVar("T")

_HOST = "127.0.0.1"
_BACKLOG = 128
# Seconds within which the proxy's thread has done what it was asked for, on any machine.
_ANSWERING = 10.0
# Seconds between two tries to accept where the system has no descriptor left.
_PAUSE = 0.05
_DIRECTIONS: dict[str, frozenset[Direction]] = {
    "both": frozenset(["to_server", "to_client"]),
    "to_server": frozenset(["to_server"]),
    "to_client": frozenset(["to_client"]),
}


@attrs.frozen
class Passed:
    """
    How many messages of each type have been passed on, such as ``{b"Q": 2, b"X": 1}``.

    The types are single bytes, or names for what a client sends first; see `to_server`.
    """

    to_server: Counter[bytes]
    to_client: Counter[bytes]


class FaultProxy:
    """
    A TCP proxy on 127.0.0.1 in front of the server that ``target`` leads to.

    ``target`` is a connection string with one host: a name, an address, or the directory of a Unix
    socket. In its ``with`` block everything that connects to ``conninfo`` gets there, and what
    passes can be delayed, stopped and cut, for all connections at once, those that are open and
    those to come. The faults add up; `heal` takes them back.

    It runs in a separate thread, so it serves blocking and asyncio code alike, and its methods
    may be called from any thread: each returns when what it says is in force, which takes less
    than a millisecond. It ends with its block, or ``lifetime`` seconds after it began; then no
    thread and no socket of it is left. More than ``limit`` connections at a time are turned away.
    A message passes once it is complete, so each takes as much memory as it is long. It does not
    look into what is encrypted: ``conninfo`` asks for none.

    Raises ValueError for a target that names no host, or several. Each method raises RuntimeError
    where the proxy has ended.
    """

    def __init__(self, target: str, *, lifetime: float = 600.0, limit: int = 200) -> None:
        self._parameters = conninfo_to_dict(target)
        self._target = Address.of(target)
        self._lifetime = lifetime
        self._limit = limit
        self._accepted = 0
        self._port = 0
        self._lines: dict[Line, asyncio.Task[None]] = {}
        self._started = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._holder: socket.socket
        self._loop: asyncio.AbstractEventLoop
        self._rules: Rules
        self._stopping: asyncio.Event
        self._accepting: tuple[socket.socket, asyncio.Task[None]] | None = None

    def __enter__(self) -> Self:
        # It keeps the port, also while it does not listen: another process would take it.
        self._holder = _bound(0)
        self._port = self._holder.getsockname()[1]
        self._started.clear()
        self._thread = threading.Thread(target=self._run, name="fault proxy", daemon=True)
        self._thread.start()
        self._started.wait(_ANSWERING)
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """
        Ends all connections and the proxy; once is enough, and again does nothing.

        Raises what has gone wrong in the proxy itself, if anything has.
        """
        if self._thread is None:
            return
        with suppress(RuntimeError):
            self._do(self._stopping.set)
        self._thread.join(_ANSWERING)
        self._thread = None
        if self._failure is not None:
            raise self._failure

    @property
    def port(self) -> int:
        """The port that it listens to on 127.0.0.1, the same for all its life."""
        return self._port

    @property
    def conninfo(self) -> str:
        """The connection string of ``target``, but through the proxy."""
        parameters = dict(self._parameters)
        parameters |= {"host": _HOST, "hostaddr": _HOST, "port": self._port}
        parameters |= {"sslmode": "disable", "gssencmode": "disable"}
        return make_conninfo("", **parameters)

    @property
    def connections(self) -> int:
        """How many connections are open now; one that is not read from may be left already."""
        return len(self._lines)

    @property
    def accepted(self) -> int:
        """How many connections there have been, in all."""
        return self._accepted

    @property
    def passed(self) -> Passed:
        """Which messages have been passed on until now."""
        return self._do(lambda: Passed(self._rules.to_server.copy(), self._rules.to_client.copy()))

    def heal(self) -> None:
        """
        Lets everything pass again, and disarms the cuts that have not fired.

        What was frozen, stopped or not answered goes on where it was; what was cut stays so.
        """
        self._do_all(self._heal)

    pass_ = heal

    def refuse(self) -> None:
        """Refuses new connections, as if there were no server; those that are open go on."""
        self._do_all(self._refuse)

    def accept_and_be_silent(self) -> None:
        """Accepts new connections, and says nothing on them; those that are open go on."""
        self._set(is_silent=True)

    def delay(self, seconds: float) -> None:
        """Keeps whatever comes for so long before it goes on, in either direction."""
        self._set(delay=seconds)

    def slice(self, size: int = 1) -> None:
        """
        Passes everything on in pieces of at most ``size`` bytes.

        A slow reader may find several of them. 20 000 pieces take about a second.
        """
        self._set(piece=size)

    def black_hole(self, direction: Literal["both", "to_server", "to_client"] = "both") -> None:
        """
        Passes nothing on any more, and keeps the connections open.

        Nothing is read either, so a sender of much is blocked once the system's buffers are full.
        """
        self._set(stopped=_DIRECTIONS[direction])

    def cut(self) -> None:
        """Ends every connection now, as a process that exits does (FIN to both sides)."""
        self._do_all(partial(self._end, "cut"))

    def reset(self) -> None:
        """Ends every connection now, as a machine that has forgotten it does (RST to both)."""
        self._do_all(partial(self._end, "reset"))

    def half_close(self, direction: Direction) -> None:
        """
        Sends a FIN on every connection in one direction only; the other one stays as it is.

        What would go in that direction after it is lost.
        """

        def half_close() -> None:
            for line in self._lines:
                line.half_close(direction)

        self._do(half_close)

    def redirect(self, target: str) -> None:
        """Leads new connections to another server, as when an address moves in a failover."""
        address = Address.of(target)
        self._do(lambda: setattr(self, "_target", address))

    def cut_at(
        self,
        message: Pattern,
        *,
        when: When = "before",
        nth: int = 1,
        how: How = "cut",
        patience: float = 5.0,
    ) -> Fired:
        """
        Cuts a connection at the ``nth`` message from now, over all connections, and only once.

        With ``when="before"`` the message does not arrive; everything before it does. With "after"
        it does, and nothing comes after it: for one to the server, the server does what it says,
        and nothing of its answer gets to the client. In either case the server answers to
        everything it was sent, and its session ends, before the client notices anything; what
        it has done by then is what stays. That is waited for at most ``patience`` seconds, and
        `Fired.is_settled` tells whether it was enough.

        ``how`` is how it ends for the client: "cut" (FIN), "reset" (RST), or "freeze": nothing
        passes any more on that connection, the session stays, and `heal` has it go on with nothing
        lost.

        Raises ValueError for a ``when``, a ``how`` or an ``nth`` that there is not.
        """
        cut = Cut(message, when, how, nth, patience)
        self._do(lambda: self._rules.cuts.append(cut))
        return cut.fired

    def commit_lost(self, *, nth: int = 1, how: How = "cut") -> Fired:
        """Cuts before a COMMIT, which is never delivered: the transaction is rolled back."""
        return self.cut_at(COMMIT, when="before", nth=nth, how=how)

    def commit_answer_lost(self, *, nth: int = 1, how: How = "cut") -> Fired:
        """Cuts after a COMMIT, whose answer is never delivered: the transaction has happened."""
        return self.cut_at(COMMIT, when="after", nth=nth, how=how)

    def _set(self, **values: object) -> None:
        def change() -> None:
            for name, value in values.items():
                setattr(self._rules, name, value)
            self._rules.change.happen()

        self._do(change)

    def _do(self, action: Callable[[], T]) -> T:
        async def act() -> T:
            return action()

        return self._do_all(act)

    def _do_all(self, action: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What ``action`` gives in the proxy's loop."""
        if self._thread is None or not self._thread.is_alive():
            raise RuntimeError("this proxy runs only in its with block, and within its lifetime")
        work = action()
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result(_ANSWERING)
        except (RuntimeError, concurrent.futures.CancelledError):
            work.close()
            raise RuntimeError("this proxy has just ended") from None

    def _run(self) -> None:
        try:
            # Whatever loop the process prefers otherwise: this is about sockets, not about speed.
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(self._serve())
        except BaseException as failure:
            self._failure = failure
        finally:
            self._holder.close()
            self._started.set()

    async def _serve(self) -> None:
        self._loop, self._rules = asyncio.get_running_loop(), Rules()
        self._stopping = asyncio.Event()
        self._listen()
        self._started.set()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._lifetime):
                    await self._stopping.wait()
        finally:
            await self._refuse()
            await self._end("cut")

    def _listen(self) -> None:
        listener = _bound(self._port)
        listener.listen(_BACKLOG)
        self._accepting = listener, asyncio.create_task(self._accept(listener))

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            await self._readable(listener)
            try:
                # Not sock_accept(): when that is cancelled, a client that has just come is lost.
                client, _ = listener.accept()
            except BlockingIOError:
                continue
            except OSError:
                await asyncio.sleep(_PAUSE)
                continue
            client.setblocking(False)
            self._accepted += 1
            self._take(client)

    async def _readable(self, listener: socket.socket) -> None:
        ready = asyncio.Event()
        self._loop.add_reader(listener, ready.set)
        try:
            await ready.wait()
        finally:
            self._loop.remove_reader(listener)

    def _take(self, client: socket.socket) -> None:
        if len(self._lines) >= self._limit:
            client.close()
            return
        line = Line(client, self._target, self._rules)
        task = self._lines[line] = asyncio.create_task(line.run())
        task.add_done_callback(lambda _: self._ended(line))

    def _ended(self, line: Line) -> None:
        task = self._lines.pop(line)
        if not task.cancelled() and task.exception() is not None:
            self._failure = self._failure or task.exception()

    async def _heal(self) -> None:
        self._rules.heal()
        for line in self._lines:
            line.thaw()
        if self._accepting is None:
            self._listen()

    async def _refuse(self) -> None:
        accepting, self._accepting = self._accepting, None
        if accepting is not None:
            listener, task = accepting
            task.cancel()
            await asyncio.wait([task])
            # A process that was forked since has this socket as well, and would go on.
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    async def _end(self, how: Ending) -> None:
        ending = [*self._lines.values()]
        for line in self._lines:
            line.end(how)
        if ending:
            await asyncio.wait(ending)


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    # Several may be bound to the port, and of these the one that listens gets the connections.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.setblocking(False)
    bound.bind((_HOST, port))
    return bound

"""One connection through a proxy: what comes from either side goes to the other."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Literal

from raxol_sql.testing.address import Address
from raxol_sql.testing.conversation import Answer, Conversation
from raxol_sql.testing.cuts import Cut, Direction
from raxol_sql.testing.messages import (
    ENCRYPTION,
    FLUSH,
    OPAQUE,
    BackendStream,
    FrontendStream,
    Message,
)
from raxol_sql.testing.rules import Rules

Ending = Literal["cut", "reset"]
# Bytes that are read at a time, which with a delay is what is on its way at most.
_PIECE = 256 * 1024
# How many such pieces are looked for that were not read, at the end.
_UNREAD = 16
_RESET = struct.pack("ii", 1, 0)


class Line:
    """
    A connection from a client, and the one to the server that belongs to it.

    Everything here is for the proxy's event loop only. `run` carries in both directions until
    both sides have ended, or `end` is called; then both sockets are closed.
    """

    def __init__(self, client: socket.socket, address: Address, rules: Rules) -> None:
        self._client = client
        self._address = address
        self._server = address.socket()
        self._rules = rules
        self._frontend = FrontendStream()
        self._backend = BackendStream()
        self._conversation = Conversation()
        self._over = asyncio.Event()
        self._thawed = asyncio.Event()
        self._ending: Ending = "cut"
        self._running: set[asyncio.Task[None]] = set()
        self._carrying = 2
        self._shut: set[socket.socket] = set()
        self._halted: frozenset[Direction] = frozenset()
        self._server_is_gone = False
        # What is sent is sent whole, even if two have something to send.
        self._sending = {client: asyncio.Lock(), self._server: asyncio.Lock()}
        self._cut: Cut | None = None
        # The answer that is not to reach the client; from when on nothing does; what is kept of
        # it, if it is not lost for good.
        self._lost: Answer | None = None
        self._loses = False
        self._kept: list[bytes] | None = None

    async def run(self) -> None:
        """Carries until the end; raises what is a mistake of this kit, and of no connection."""
        self._start(self._open())
        try:
            await self._over.wait()
        finally:
            for task in self._running:
                task.cancel()
            results = await asyncio.gather(*self._running, return_exceptions=True)
            _close(self._client, self._ending)
            _close(self._server, self._ending)
        for result in results:
            if isinstance(result, Exception):
                raise result

    def end(self, how: Ending) -> None:
        """Ends both sides: with a FIN, or with a RST; the first who says so says how."""
        if not self._over.is_set():
            self._ending = how
            self._over.set()

    def half_close(self, direction: Direction) -> None:
        """Sends a FIN in that direction, after which nothing that goes there arrives."""
        self._shut_down(self._server if direction == "to_server" else self._client)

    def thaw(self) -> None:
        """Has a line go on that was frozen at a message."""
        self._thawed.set()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._running.add(asyncio.create_task(work))

    async def _open(self) -> None:
        await self._rules.change.wait_until(lambda: not self._rules.is_silent)
        try:
            await asyncio.get_running_loop().sock_connect(self._server, self._address.where)
        except OSError:
            self.end("reset")
            return
        for end in (self._client, self._server):
            if end.family != socket.AF_UNIX:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for carry in (self._carry_to_server, self._carry_to_client):
            self._start(self._carried(carry))

    async def _carried(self, carry: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await carry()
        except OSError:
            # One side was reset, so the other is.
            self.end("reset")
            return
        except Exception:
            self.end("reset")
            raise
        self._carrying -= 1
        if not self._carrying:
            self.end("cut")

    async def _carry_to_server(self) -> None:
        conversation, rules = self._conversation, self._rules
        while piece := await self._receive(self._client, "to_server"):
            passing: list[bytes] = []
            for kind, data in self._frontend.feed(piece):
                if kind == OPAQUE:
                    passing.append(data)
                    continue
                message = conversation.understand(kind, data)
                cut = rules.cut_at("to_server", message) if rules.cuts else None
                if cut is None:
                    self._sent(message)
                    passing.append(data)
                    continue
                await self._send(self._server, b"".join(passing))
                passing.clear()
                if not await self._cut_while_sending(cut, message):
                    return
            await self._send(self._server, b"".join(passing))
        await self._send(self._server, self._frontend.rest)
        self._shut_down(self._server)

    async def _carry_to_client(self) -> None:
        try:
            while piece := await self._receive(self._server, "to_client"):
                passing: list[bytes] = []
                for kind, data in self._backend.feed(piece):
                    if self._backend.is_opaque:
                        self._frontend.is_opaque = True
                    if kind == OPAQUE or self._passes(kind, data):
                        passing.append(data)
                await self._send(self._client, b"".join(passing))
                self._rules.change.happen()
        except OSError:
            # A server that ends with something unread resets the line, which is no news by then.
            if self._cut is None:
                raise
        finally:
            self._conversation.over()
            self._server_is_gone = True
            self._rules.change.happen()
        if self._cut is not None:
            await self._rules.change.wait_until(lambda: self._cut is None)
        await self._send(self._client, self._backend.rest)
        self._shut_down(self._client)

    def _sent(self, message: Message) -> Answer | None:
        self._rules.to_server[message.kind] += 1
        if message.kind in ENCRYPTION:
            self._backend.is_asked_for_encryption = True
        return self._conversation.sent(message)

    def _passes(self, kind: bytes, data: bytes) -> bool:
        """Whether a message of the server goes to the client; begins a cut if it is to be cut."""
        rules = self._rules
        answer = self._conversation.received(kind)
        if self._lost is not None and answer is self._lost:
            self._loses = True
        if not self._loses:
            message = Message(kind, data)
            cut = rules.cut_at("to_client", message) if rules.cuts else None
            passes = cut is None or cut.when == "after"
            if cut is not None:
                self._cut, self._loses = cut, True
                self._kept = [] if cut.how == "freeze" else None
                self._halted |= {"to_server"}
                self._start(self._carried_out(cut, message))
            if passes:
                rules.to_client[kind] += 1
                return True
        if self._kept is not None:
            self._kept.append(data)
        return False

    async def _cut_while_sending(self, cut: Cut, message: Message) -> bool:
        """Cuts at a message of the client; gives whether the line goes on after that."""
        until = _now() + cut.patience
        self._cut = cut
        if cut.when == "before":
            is_settled = await self._settled(None, until)
            goes_on = await self._end_by(cut, message, is_settled, until)
            if goes_on:
                self._sent(message)
                await self._send(self._server, message.data)
            return goes_on
        answer = self._lost = self._sent(message)
        self._kept = [] if cut.how == "freeze" else None
        # To what gets no answer, such as a piece of a copy, whatever comes next is one.
        self._loses = answer is None
        await self._send(self._server, message.data)
        is_settled = answer is None or await self._settled(answer, until)
        self._loses = True
        return await self._end_by(cut, message, is_settled, until)

    async def _carried_out(self, cut: Cut, message: Message) -> None:
        """Cuts at a message of the server."""
        try:
            until = _now() + cut.patience
            await self._end_by(cut, message, await self._settled(None, until), until)
        except OSError:
            self.end("reset")

    async def _settled(self, answer: Answer | None, until: float) -> bool:
        """Waits until the server has answered to a message, or to all; gives whether it has."""
        conversation = self._conversation
        if conversation.may_keep_back:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._send(self._server, FLUSH)

        def is_settled() -> bool:
            if answer is None:
                return conversation.is_settled
            return answer.is_complete or answer.waits_for_client

        return await self._rules.change.wait_until(is_settled, until - _now())

    async def _end_by(self, cut: Cut, message: Message, is_settled: bool, until: float) -> bool:
        """Ends the line as the cut says; gives True once a frozen one goes on."""
        if cut.how == "freeze":
            self._halted = frozenset(["to_server", "to_client"])
            self._thawed.clear()
            cut.fired.tell(message, is_settled=is_settled)
            await self._thawed.wait()
            while self._kept:
                await self._send(self._client, self._kept.pop(0))
            self._cut, self._lost, self._loses, self._kept = None, None, False, None
            self._halted = frozenset()
            self._rules.change.happen()
            return True
        self._loses = True
        # The session ends first: what the client finds on the server then is what stays.
        self._shut_down(self._server)
        is_gone = await self._rules.change.wait_until(lambda: self._server_is_gone, until - _now())
        cut.fired.tell(message, is_settled=is_settled and is_gone)
        self.end(cut.how)
        return False

    async def _receive(self, source: socket.socket, direction: Direction) -> bytes:
        rules = self._rules
        await self._allowed(direction)
        piece = await asyncio.get_running_loop().sock_recv(source, _PIECE)
        # Where there is always more to read, no other would get a turn.
        await asyncio.sleep(0)
        if piece and rules.delay:
            await rules.change.wait_until(lambda: not rules.delay, rules.delay)
        await self._allowed(direction)
        return piece

    async def _allowed(self, direction: Direction) -> None:
        rules = self._rules
        if direction in rules.stopped or direction in self._halted:
            await rules.change.wait_until(
                lambda: direction not in rules.stopped and direction not in self._halted
            )

    async def _send(self, target: socket.socket, data: bytes) -> None:
        loop, rules = asyncio.get_running_loop(), self._rules
        async with self._sending[target]:
            while data and target not in self._shut:
                size = rules.piece or len(data)
                await loop.sock_sendall(target, data[:size])
                data = data[size:]
                if data:
                    # The other side has its chance to read this piece before the next one comes.
                    await asyncio.sleep(0)

    def _shut_down(self, target: socket.socket) -> None:
        self._shut.add(target)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _close(end: socket.socket, how: Ending) -> None:
    with suppress(OSError):
        if how == "reset":
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        else:
            end.shutdown(socket.SHUT_WR)
            # What was not read would turn the FIN into a RST.
            for _ in range(_UNREAD):
                if not end.recv(_PIECE):
                    break
    end.close()

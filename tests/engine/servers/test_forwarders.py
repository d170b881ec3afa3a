"""A forwarder before a server that is away: it accepts, and closes."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from raxol_sql.testing import FaultProxy

if TYPE_CHECKING:
    from tests.engine.conftest import Play

Way = Callable[[socket.socket], None]


def hang_up(client: socket.socket) -> None:
    """At once, as HAProxy does without a server behind it."""


def hang_up_when_asked(client: socket.socket) -> None:
    """After the request for TLS came."""
    client.recv(8)


def reset(client: socket.socket) -> None:
    """The same, by a reset."""
    client.recv(8)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def stop_in_the_handshake(client: socket.socket) -> None:
    """A server that is stopped when it has agreed to TLS."""
    client.recv(8)
    client.sendall(b"S")
    client.recv(1)


def stop_in_a_record(client: socket.socket) -> None:
    """The same, with the beginning of its answer on the way."""
    client.recv(8)
    client.sendall(b"S")
    client.recv(1)
    client.sendall(b"\x16\x03\x03\x00\x7a\x02")


def fail(client: socket.socket) -> None:
    """A server that cannot start another process says so before any TLS."""
    client.recv(8)
    client.sendall(b"Ecould not fork new process for connection\n\0")


def refuse(client: socket.socket) -> None:
    """A server without TLS."""
    client.recv(8)
    client.sendall(b"N")
    client.recv(1)


def alert(client: socket.socket) -> None:
    """A server that does not go on with what the client offers."""
    client.recv(8)
    client.sendall(b"S")
    client.recv(4096)
    client.sendall(b"\x15\x03\x03\x00\x02\x02\x28")


class Forwarder:
    """Treats so many clients in its own way, and forwards the others."""

    def __init__(self, way: Way, times: int, target: FaultProxy) -> None:
        self.came = 0
        self._way, self.times, self._target = way, times, target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.came += 1
                if self.came > self.times:
                    self._forward(client)
                    continue
                with client, suppress(OSError):
                    client.settimeout(5)
                    self._way(client)

    def _forward(self, client: socket.socket) -> None:
        thread = threading.Thread(target=_pump, args=(client, self._target.port))
        self._threads.append(thread)
        thread.start()


def _pump(client: socket.socket, port: int) -> None:
    with client, socket.create_connection(("127.0.0.1", port)) as server, suppress(OSError):
        other = {client: server, server: client}
        while True:
            ready, _, _ = select.select([*other], [], [])
            for one in ready:
                if not (data := one.recv(65536)):
                    return
                other[one].sendall(data)


@pytest.fixture
def forward(line: FaultProxy) -> Callable[..., Any]:
    """Opens a forwarder to the primary, and gives it with a connection string."""

    @contextmanager
    def opened(way: Way, times: int, mode: str) -> Iterator[tuple[Forwarder, str]]:
        forwarder = Forwarder(way, times, line)
        given = {**conninfo_to_dict(line.conninfo), "port": forwarder.port, "sslmode": mode}
        try:
            yield forwarder, make_conninfo(**given)
        finally:
            line.cut()
            forwarder.close()

    return opened


NO_ANSWER = [hang_up, hang_up_when_asked, reset, stop_in_the_handshake, stop_in_a_record, fail]


@pytest.mark.parametrize("way", NO_ANSWER)
def test_a_line_that_ends_during_tls_is_tried_again(
    play: Play, q: Any, primary: Any, forward: Any, way: Way
) -> None:
    async def story(db: Any) -> None:
        assert await db.run(q.count()) == 0

    # With prefer libpq may try each time with TLS and without.
    with forward(way, 5, "prefer") as (forwarder, conninfo):
        play(story, conninfo, wait=20, pool_size=1)
        assert forwarder.came > 5


@pytest.mark.parametrize("way", NO_ANSWER)
def test_a_line_that_ends_is_no_refusal_where_tls_is_required(
    play: Play, primary: Any, forward: Any, way: Way
) -> None:
    """It is tried for as long as the wait is."""

    async def story(db: Any) -> None:
        raise AssertionError("there is no TLS")

    with forward(way, 1000, "require") as (forwarder, conninfo):
        with pytest.raises(psycopg.OperationalError):
            play(story, conninfo, wait=0.6)
        assert forwarder.came > 2


@pytest.mark.parametrize("way", [refuse, alert])
def test_a_server_that_says_no_to_tls_is_not_asked_again(
    play: Play, primary: Any, forward: Any, way: Way
) -> None:
    async def story(db: Any) -> None:
        raise AssertionError("there is no TLS")

    with forward(way, 1000, "require") as (forwarder, conninfo):
        began = time.monotonic()
        with pytest.raises(psycopg.OperationalError):
            play(story, conninfo, wait=30)
        assert forwarder.came == 1
        assert time.monotonic() - began < 20  # it did not wait


def test_calls_go_on_when_the_server_is_back_behind_its_forwarder(
    play: Play, q: Any, primary: Any, line: Any, forward: Any
) -> None:
    async def story(db: Any) -> None:
        forwarder.times = forwarder.came + 6
        line.cut()
        assert await db.run(q.count()) == 0

    with forward(hang_up, 0, "prefer") as (forwarder, conninfo):
        play(story, conninfo, pool_size=2, pool_min_size=1)


@pytest.mark.parametrize("ways", [(refuse, hang_up), (hang_up_when_asked, refuse)])
def test_of_several_hosts_one_that_gave_no_answer_is_reason_to_try_again(
    play: Play, q: Any, primary: Any, line: Any, forward: Any, ways: tuple[Way, Way]
) -> None:
    async def story(db: Any) -> None:
        raise AssertionError("there is no TLS")

    one, other = ways
    with forward(one, 1000, "require") as (first, conninfo), forward(other, 1000, "require") as two:
        second, _ = two
        ports = f"{first.port},{second.port}"
        both = make_conninfo(conninfo, host="127.0.0.1,127.0.0.1", hostaddr="", port=ports)
        with pytest.raises(psycopg.OperationalError):
            play(story, both, wait=0.6)
        assert first.came > 2

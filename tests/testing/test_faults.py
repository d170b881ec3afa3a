"""Each fault of a line is what it says, as a client and as the server see it, and can be healed."""

from __future__ import annotations

import errno
import gc
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from raxol_sql.testing import FaultProxy
from tests.stopwatch import Watch

SOON = 0.3


@contextmanager
def plain(proxy: FaultProxy) -> Iterator[socket.socket]:
    """A connection without any protocol."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as line:
        yield line


def until(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 5
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


def in_a_thread(work: Callable[[], object]) -> threading.Event:
    """Does the work in a thread, and tells when it is done."""
    done = threading.Event()
    threading.Thread(target=lambda: (work(), done.set())).start()
    return done


def sessions(side: psycopg.Connection[Any]) -> int:
    return side.execute(
        "select 1 from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()"
    ).rowcount


@contextmanager
def takes(at_least: float, at_most: float) -> Iterator[None]:
    with Watch().at_most(at_most, at_least):
        yield


def works(connection: psycopg.Connection[Any]) -> bool:
    return connection.execute("select 1").fetchone() == (1,)


def test_a_refused_connection_is_refused_and_the_open_ones_go_on(proxy: FaultProxy) -> None:
    with psycopg.connect(proxy.conninfo) as connection:
        proxy.refuse()

        with pytest.raises(psycopg.OperationalError, match="refused"):
            psycopg.connect(proxy.conninfo)
        assert works(connection)

        proxy.refuse()
        proxy.heal()
        proxy.heal()
        with psycopg.connect(proxy.conninfo) as another:
            assert works(another)


def test_a_port_that_refuses_is_kept(proxy: FaultProxy) -> None:
    proxy.refuse()

    with socket.socket() as other:
        assert other.connect_ex(("127.0.0.1", proxy.port)) == errno.ECONNREFUSED
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", proxy.port))


def test_whoever_is_accepted_in_silence_is_not_answered_before_it_is_healed(
    proxy: FaultProxy,
) -> None:
    with psycopg.connect(proxy.conninfo) as open_before:
        proxy.accept_and_be_silent()
        assert works(open_before)

        with plain(proxy) as line:
            # SSLRequest, to which a server says something at once.
            line.sendall(b"\0\0\0\x08\x04\xd2\x16\x2f")
            line.settimeout(SOON)
            with pytest.raises(TimeoutError):
                line.recv(1)

            proxy.heal()
            line.settimeout(5)
            assert line.recv(1) == b"N"


@pytest.mark.parametrize("direction", ["both", "to_server", "to_client"])
def test_in_a_black_hole_nothing_arrives_and_nothing_is_lost(
    proxy: FaultProxy, side: psycopg.Connection[Any], direction: Any
) -> None:
    with psycopg.connect(proxy.conninfo, autocommit=True) as connection:
        proxy.black_hole(direction)
        done = in_a_thread(lambda: connection.execute("insert into notes values (1)"))
        arrives = direction == "to_client"
        if arrives:
            assert until(lambda: side.execute("select n from notes").rowcount == 1)

        assert not done.wait(SOON)
        assert side.execute("select n from notes").rowcount == arrives

        proxy.heal()
        assert done.wait(5)
        assert side.execute("select n from notes").rowcount == 1
        assert works(connection)


def test_whoever_connects_into_a_black_hole_waits_for_as_long_as_its_own_patience(
    proxy: FaultProxy,
) -> None:
    proxy.black_hole()

    with takes(1.9, 4.0), pytest.raises(psycopg.errors.ConnectionTimeout):
        psycopg.connect(proxy.conninfo, connect_timeout=2)


def test_whoever_writes_into_a_black_hole_is_blocked_once_the_buffers_are_full(
    proxy: FaultProxy,
) -> None:
    with plain(proxy) as line:
        proxy.black_hole()
        line.settimeout(SOON)

        with pytest.raises(TimeoutError):
            line.sendall(b"x" * 50_000_000)


def test_a_delay_is_paid_in_each_direction(proxy: FaultProxy) -> None:
    with psycopg.connect(proxy.conninfo, autocommit=True) as connection:
        proxy.delay(0.1)
        with takes(0.2, 1.0):
            assert works(connection)

        proxy.delay(0)
        with takes(0.0, 0.1):
            assert works(connection)


def test_a_delay_is_over_when_it_is_healed(proxy: FaultProxy) -> None:
    with psycopg.connect(proxy.conninfo, autocommit=True) as connection:
        proxy.delay(60)
        threading.Timer(0.1, proxy.heal).start()
        with takes(0.05, 5.0):
            assert works(connection)


def test_a_cut_ends_every_connection_and_no_later_one(
    proxy: FaultProxy, side: psycopg.Connection[Any]
) -> None:
    with psycopg.connect(proxy.conninfo) as one, psycopg.connect(proxy.conninfo) as two:
        one.execute("insert into notes values (1)")
        proxy.cut()

        assert proxy.connections == 0
        for connection in (one, two):
            with pytest.raises(psycopg.OperationalError):
                connection.execute("select 1")
        with psycopg.connect(proxy.conninfo) as another:
            assert works(another)
    assert until(lambda: sessions(side) == 0)
    assert side.execute("select n from notes").rowcount == 0


def test_a_cut_is_an_end_and_a_reset_is_an_error(proxy: FaultProxy) -> None:
    with plain(proxy) as line:
        line.sendall(b"\0\0\0\x08\x04\xd2\x16\x2f")
        assert line.recv(1) == b"N"
        proxy.cut()
        assert line.recv(1) == b""

    with plain(proxy) as line:
        line.sendall(b"\0\0\0\x08\x04\xd2\x16\x2f")
        assert line.recv(1) == b"N"
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            line.recv(1)


def test_a_line_that_is_closed_to_the_client_still_carries_what_it_sends(
    proxy: FaultProxy, side: psycopg.Connection[Any]
) -> None:
    with closing(psycopg.connect(proxy.conninfo, autocommit=True)) as connection:
        proxy.half_close("to_client")
        connection.pgconn.send_query(b"insert into notes values (1)")
        connection.pgconn.flush()

        assert until(lambda: side.execute("select n from notes").rowcount == 1)
        with pytest.raises(psycopg.OperationalError, match="closed the connection"):
            connection.pgconn.consume_input()
    assert until(lambda: sessions(side) == 0)


def test_a_line_that_is_closed_to_the_server_ends_the_session(
    proxy: FaultProxy, side: psycopg.Connection[Any]
) -> None:
    with psycopg.connect(proxy.conninfo) as connection:
        proxy.half_close("to_server")

        assert until(lambda: sessions(side) == 0)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")


def test_a_server_that_is_not_there_is_a_reset(tmp_path: Path) -> None:
    with (
        FaultProxy(f"host={tmp_path}") as proxy,
        pytest.raises(ConnectionResetError),
        plain(proxy) as line,
    ):
        line.recv(1)


def test_a_client_that_resets_ends_its_session(
    proxy: FaultProxy, side: psycopg.Connection[Any]
) -> None:
    connection = psycopg.connect(proxy.conninfo)
    assert sessions(side) == 1
    with socket.socket(fileno=connection.pgconn.socket) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        line.detach()
    connection.close()

    assert until(lambda: sessions(side) == 0 and proxy.connections == 0)


def test_new_connections_can_be_led_to_another_server(proxy: FaultProxy, tmp_path: Path) -> None:
    with psycopg.connect(proxy.conninfo) as connection:
        proxy.redirect(f"host={tmp_path}")

        assert works(connection)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(proxy.conninfo)


def test_connections_beyond_the_limit_are_turned_away(database: str) -> None:
    with FaultProxy(database, limit=1) as proxy, psycopg.connect(proxy.conninfo) as connection:
        with plain(proxy) as line:
            assert line.recv(1) == b""
        assert works(connection)


@pytest.mark.parametrize("target", ["dbname=x", "host=a,b", "host=a port=1,2"])
def test_a_target_has_one_host(target: str) -> None:
    with pytest.raises(ValueError, match="one host"):
        FaultProxy(target)


def test_a_proxy_leads_to_a_tcp_port_as_well(proxy: FaultProxy) -> None:
    with FaultProxy(proxy.conninfo) as before, psycopg.connect(before.conninfo) as connection:
        assert works(connection)


@pytest.mark.parametrize(
    "fault",
    [
        lambda proxy: None,
        lambda proxy: proxy.black_hole(),
        lambda proxy: proxy.refuse(),
        lambda proxy: proxy.delay(60),
        lambda proxy: proxy.accept_and_be_silent(),
        lambda proxy: proxy.close(),
    ],
)
def test_at_the_end_no_thread_and_no_socket_is_left(
    database: str, side: psycopg.Connection[Any], fault: Callable[[FaultProxy], None]
) -> None:
    gc.collect()
    threads, files = threading.active_count(), len([*Path("/proc/self/fd").iterdir()])

    with FaultProxy(database) as proxy:
        connection = psycopg.connect(proxy.conninfo)
        fault(proxy)
        with suppress(OSError), plain(proxy) as line:
            line.sendall(b"\0\0\0\x08\x04\xd2\x16\x2f")
    connection.close()

    assert threading.active_count() == threads
    assert len([*Path("/proc/self/fd").iterdir()]) == files
    assert until(lambda: sessions(side) == 0)


def test_a_proxy_ends_by_itself_and_says_so(database: str) -> None:
    others = {*threading.enumerate()}
    with FaultProxy(database, lifetime=0.2) as proxy:
        with plain(proxy) as line:
            assert line.recv(1) == b""
        assert until(lambda: {*threading.enumerate()} <= others)

        with pytest.raises(RuntimeError, match="lifetime"):
            proxy.heal()
        with pytest.raises(psycopg.OperationalError, match="refused"):
            psycopg.connect(proxy.conninfo)


def test_a_process_that_was_forked_does_not_keep_the_port_open(proxy: FaultProxy) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.read(reading, 1)
        os._exit(0)
    try:
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError), plain(proxy):
            pass
    finally:
        os.write(writing, b"x")
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)


def test_a_proxy_can_be_used_again(database: str) -> None:
    again = FaultProxy(database)
    for _ in range(2):
        with again as proxy, psycopg.connect(proxy.conninfo) as connection:
            assert works(connection)


def test_a_proxy_that_has_not_begun_says_so(database: str) -> None:
    with pytest.raises(RuntimeError, match="with block"):
        FaultProxy(database).cut()


def test_methods_may_be_called_from_many_threads_at_once(proxy: FaultProxy) -> None:
    def change() -> None:
        for _ in range(50):
            proxy.delay(0.001)
            proxy.refuse()
            proxy.heal()

    threads = [threading.Thread(target=change) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with psycopg.connect(proxy.conninfo) as connection:
        assert works(connection)


def test_a_stream_without_end_does_not_keep_the_proxy_from_listening(proxy: FaultProxy) -> None:
    endless = "copy (select repeat('x', 1000), generate_series(1, 100000000)) to stdout"
    with psycopg.connect(proxy.conninfo) as connection, connection.cursor() as cursor:

        def read() -> None:
            with cursor.copy(endless) as copy:
                for number, _ in enumerate(copy):
                    if number == 1000:
                        with takes(0.0, 2.0):
                            proxy.cut()

        with pytest.raises(psycopg.OperationalError):
            read()

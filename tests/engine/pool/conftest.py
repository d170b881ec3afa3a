"""What the tests of the pool share: callers at the same time, servers and doors of their own."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from raxol_sql import embedded
from raxol_sql.engine.core.concurrency import run_sync
from raxol_sql.testing import FaultProxy

if TYPE_CHECKING:
    from tests.engine.conftest import Play

SQL = """\
    -- name: echo :one -> scalar
    select :n::int8;
    -- name: me :one -> scalar
    -- @idempotent
    select pg_backend_pid();
    -- name: nap :one -> scalar
    select :n::int8 from pg_sleep(:seconds);
    -- name: doze :one -> scalar
    -- @timeout 10s
    select :n::int8 from pg_sleep(:seconds);
    -- name: put :affected
    insert into pool_notes (n) values (:n);
    -- name: count :one -> scalar
    -- @idempotent
    select count(*) from pool_notes;
"""
HBA = """\
local all locked scram-sha-256
local all rejected reject
"""
SPARE = """\
    create table pool_notes (n int8 not null);
    create role locked login superuser password 'right';
    create role rejected login superuser;
    create role narrow login connection limit 2;
"""
# Those of the database under test; the tests' own have no name.
MINE = """\
    select pid from pg_stat_activity
    where application_name = 'raxol_sql' and datname = current_database() order by pid
"""
END = "select pg_terminate_backend(pid) from pg_stat_activity where pid = any(%s)"


@pytest.fixture
def q(write: Callable[..., Any]) -> Any:
    """Queries that say where they run, and that write into a table of the tests' own."""
    return write(SQL)


@pytest.fixture
def notes(side: psycopg.Connection[Any]) -> Iterator[Callable[[], list[int]]]:
    """Makes the table that `q` writes into, and says what is in it."""
    side.execute("drop table if exists pool_notes; create table pool_notes (n int8 not null)")
    yield lambda: [n for (n,) in side.execute("select n from pool_notes order by n")]
    side.execute("drop table pool_notes")


@pytest.fixture
def backends(side: psycopg.Connection[Any]) -> Callable[[], list[int]]:
    """The processes of the server that serve the databases under test."""
    return lambda: [pid for (pid,) in side.execute(MINE)]


@pytest.fixture
def end_all(
    side: psycopg.Connection[Any], backends: Callable[[], list[int]], until: Any
) -> Callable[..., list[int]]:
    """Ends all of these, or so many, waits until they have said so, and gives them."""

    def end(count: int | None = None) -> list[int]:
        pids = backends()[:count]
        side.execute(END, (pids,))
        until(lambda: not {*pids} & {*backends()})
        return pids

    return end


@pytest.fixture
def soon() -> Callable[[Callable[[], Any]], Awaitable[Any]]:
    """As `until`, for a story, in which other tasks go on meanwhile."""

    async def wait(condition: Callable[[], Any]) -> Any:
        end = time.monotonic() + 10
        while not (value := condition()):
            assert time.monotonic() < end, "what was waited for did not happen"
            await asyncio.sleep(0.005)
        return value

    return wait


@pytest.fixture
def begin(play: Play) -> Iterator[Callable[..., asyncio.Future[Any]]]:
    """
    Begins a call beside the story: in a task, or in a thread for the blocking colour.

    Takes an async function and its arguments, and gives what can be awaited.
    """
    with ThreadPoolExecutor(128, thread_name_prefix="caller") as threads:

        def begun(call: Callable[..., Any], *given: Any, **named: Any) -> asyncio.Future[Any]:
            if play.colour == "asyncio":
                return asyncio.ensure_future(call(*given, **named))
            loop = asyncio.get_running_loop()
            return loop.run_in_executor(threads, lambda: run_sync(call(*given, **named)))

        yield begun


@pytest.fixture
def proxy(accounts_database: str) -> Iterator[FaultProxy]:
    """A proxy in front of the database."""
    with FaultProxy(accounts_database) as proxy:
        yield proxy


class Own:
    """A server of the tests' own, which may be stopped, killed and frozen; up when it is asked."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self.server = embedded.start(project)

    @property
    def conninfo(self) -> str:
        return self.server.conninfo()

    def side(self, text: str) -> list[Any]:
        """The rows of a statement on a connection of its own."""
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            cursor = connection.execute(text)
            return cursor.fetchall() if cursor.description else []

    def configure(self, *lines: str) -> None:
        """Restarts it with these lines in its configuration."""
        self.stop()
        with (self.server.data / "postgresql.auto.conf").open("a") as file:
            file.write("\n".join(["", *lines, ""]))
        self.start()

    def start(self) -> None:
        self.server = embedded.start(self._project)

    def stop(self) -> None:
        embedded.stop(self._project)

    def kill(self) -> None:
        """Ends it as a crash does, and waits until none of its processes is left."""
        os.kill(self.server.pid, signal.SIGKILL)
        embedded.stop(self._project)

    def demote(self) -> None:
        """Restarts it as a standby: what it has can be read."""
        self.stop()
        signal_file = self.server.data / "standby.signal"
        signal_file.touch()
        self.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """The process that takes new connections stands still; those that are there go on."""
        os.kill(self.server.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.server.pid, signal.SIGCONT)


@contextmanager
def own(beside: embedded.Server) -> Iterator[Own]:
    folder = beside.project.parent
    with tempfile.TemporaryDirectory(prefix="rx", dir=folder, ignore_cleanup_errors=True) as name:
        project = Path(name)
        project.chmod(0o755)  # as root the server is run by nobody, who has to get here
        try:
            yield Own(project)
        finally:
            embedded.stop(project)


@pytest.fixture(scope="session")
def _spare(server: embedded.Server) -> Iterator[Own]:
    with own(server) as spare:
        hba = spare.server.data / "pg_hba.conf"
        hba.write_text(HBA + hba.read_text())
        spare.side(SPARE)
        spare.configure("max_connections = 12", "superuser_reserved_connections = 0")
        yield spare


@pytest.fixture
def spare(_spare: Own) -> Own:
    """
    A server with room for 12, whose table `q` writes into is empty.

    The role ``locked`` needs its password, "right"; ``rejected`` is let in by none; ``narrow`` has
    two connections at most.
    """
    _spare.start()
    _spare.side("truncate pool_notes")
    return _spare


@pytest.fixture
def another(server: embedded.Server) -> Iterator[Own]:
    """One more server, for this test alone."""
    with own(server) as another:
        another.side("create table pool_notes (n int8 not null)")
        yield another


class Door:
    """
    A port at which no server is: who comes is noted, and does not get in.

    ``answer`` is what each is told before the door is shut; None keeps them waiting for ever.
    """

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        self.came: list[float] = []
        self.answer: bytes | None = b""
        self._kept: list[socket.socket] = []
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((address, port))
        self._listener.listen(256)
        self.port: int = self._listener.getsockname()[1]
        self.conninfo = make_conninfo(
            host=address,
            port=self.port,
            user="postgres",
            dbname="raxol_engine",
            sslmode="disable",
            gssencmode="disable",
        )
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        for client in self._kept:
            client.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.came.append(time.monotonic())
                if self.answer is None:
                    self._kept.append(client)
                    continue
                with client, suppress(OSError):
                    if self.answer:
                        client.recv(4096)
                        client.sendall(self.answer)


@pytest.fixture
def make_door() -> Iterator[Callable[..., Door]]:
    """Makes doors."""
    doors: list[Door] = []

    def make(*given: Any) -> Door:
        doors.append(Door(*given))
        return doors[-1]

    yield make
    for door in doors:
        door.close()


@pytest.fixture
def door(make_door: Callable[..., Door]) -> Door:
    """A door."""
    return make_door()


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., list[str]]:
    """
    Runs a Python program, given as text, to its end, and gives the lines that it prints.

    It has the queries of `q` as ``q``, the arguments as ``sys.argv[1:]``, and half a minute. It
    is expected to end well and to say nothing else. It may fork although it has threads, of which
    Python 3.12 warns.
    """
    folder = tmp_path / "queries"
    folder.mkdir()
    (folder / "q.sql").write_text(textwrap.dedent(SQL))
    head = f"""\
        import asyncio, gc, logging, os, signal, sys, threading, time
        import psycopg
        import raxol_sql as rx
        logging.getLogger("raxol_sql.pool").addHandler(logging.NullHandler())
        q = rx.load({str(folder)!r}).q
    """

    def run(text: str, *arguments: str, code: int = 0) -> list[str]:
        file = tmp_path / "program.py"
        file.write_text(textwrap.dedent(head) + textwrap.dedent(text))
        # In a group of its own, so that nothing that it forked is left behind either.
        options = ("-W", "error::ResourceWarning", "-W", "ignore:This process:DeprecationWarning")
        process = subprocess.Popen(
            [sys.executable, *options, file, *arguments],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=30)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert (err, process.returncode) == ("", code), err
        return out.splitlines()

    return run

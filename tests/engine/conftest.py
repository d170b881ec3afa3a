"""What the tests of the engine share: one emptied database, and a story for either colour."""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
import textwrap
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg_pool import PoolTimeout

import raxol_sql as rx
from raxol_sql import embedded
from raxol_sql.demo.accounts import Account, User, UserPreferences
from raxol_sql.engine.core.concurrency import run_sync

Story = Callable[[Any], Awaitable[Any]]


@pytest.fixture(scope="session")
def engine_database(server: embedded.Server, _accounts_template: str) -> str:
    """The one database with the repository's tables in which all of these tests run."""
    name = "raxol_engine"
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} template {_accounts_template}")
    return server.conninfo(name)


@pytest.fixture
def accounts_database(engine_database: str) -> str:
    """That database, empty, and with nobody connected to it; a copy for each would be slow."""
    with psycopg.connect(engine_database, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )
        connection.execute("truncate users restart identity cascade")
    return engine_database


@pytest.fixture
def side(accounts_database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection of the test's own, beside the database that it tests."""
    with psycopg.connect(accounts_database, autocommit=True) as connection:
        yield connection


class Awaited:
    """The blocking facade with the awaits of the asyncio one, so that one story tells of both."""

    def __init__(self, verbs: Any) -> None:
        self.verbs = verbs

    async def run(self, bound: Any, **options: Any) -> Any:
        return self.verbs.run(bound, **options)

    async def run_many(self, query: Any, rows: Any, **options: Any) -> Any:
        return self.verbs.run_many(query, rows, **options)

    async def run_all(self, bounds: Any) -> Any:
        return self.verbs.run_all(bounds)

    async def preload(self, parents: Any, query: Any, **options: Any) -> Any:
        return self.verbs.preload(parents, query, **options)

    def watch_queries(self, **options: Any) -> Any:
        return self.verbs.watch_queries(**options)

    async def stream(self, bound: Any, **options: Any) -> AsyncIterator[Any]:
        rows = self.verbs.stream(bound, **options)
        try:
            for row in rows:
                yield row
        finally:
            rows.close()

    async def copy(self, *arguments: Any) -> Any:
        return self.verbs.copy(*arguments)

    @asynccontextmanager
    async def _inside(self, block: Any) -> AsyncIterator[Any]:
        with block as inside:
            yield Awaited(inside)

    def transaction(self, **options: Any) -> Any:
        return self._inside(self.verbs.transaction(**options))

    async def run_transaction(self, work: Any, *, verify: Any = None, **options: Any) -> Any:
        if verify is not None:
            options["verify"] = lambda: run_sync(verify())
        return self.verbs.run_transaction(lambda tx: run_sync(work(Awaited(tx))), **options)

    async def resolve(self, token: Any) -> Any:
        return self.verbs.resolve(token)

    async def purge_outcomes(self, days: int = 7) -> int:
        count: int = self.verbs.purge_outcomes(days)
        return count

    async def health(self, **options: Any) -> Any:
        return self.verbs.health(**options)

    def connection(self, **options: Any) -> Any:
        return _entered(self.verbs.connection(**options))

    async def recycle(self) -> None:
        self.verbs.recycle()

    async def resize(self, least: int, most: int) -> None:
        self.verbs.resize(least, most)

    async def close(self) -> None:
        self.verbs.close()

    def __getattr__(self, name: str) -> Any:
        """What is the same in both colours: figures, events, switches."""
        return getattr(self.verbs, name)


class _AwaitedConnection:
    """A blocking connection of psycopg, awaited."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.plain = connection

    async def execute(self, *given: Any) -> Any:
        return _AwaitedCursor(self.plain.execute(*given))

    async def close(self) -> None:
        self.plain.close()

    async def set_autocommit(self, value: bool) -> None:
        self.plain.autocommit = value


class _AwaitedCursor:
    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        self._cursor = cursor

    async def fetchone(self) -> Any:
        return self._cursor.fetchone()


@asynccontextmanager
async def _entered(block: Any) -> AsyncIterator[Any]:
    with block as inside:
        yield _AwaitedConnection(inside)


@attrs.frozen
class Play:
    """Runs a story, an async function of a database, on a database of one colour."""

    colour: str
    conninfo: str

    def __call__(self, story: Story, conninfo: str | None = None, **configuration: Any) -> Any:
        async def main() -> Any:
            async with self.opened(conninfo, **configuration) as db:
                return await story(db)

        return asyncio.run(main())

    @asynccontextmanager
    async def opened(self, conninfo: str | None = None, **configuration: Any) -> AsyncIterator[Any]:
        """An open database of this colour."""
        url = conninfo or self.conninfo
        tries = _TRIES if configuration.get("timeout", _SHORT + 1) <= _SHORT else 1
        if self.colour == "asyncio":
            async with AsyncExitStack() as stack:
                yield await _opened(
                    lambda: stack.enter_async_context(rx.AsyncDatabase.open(url, **configuration)),
                    tries,
                )
        else:

            async def open_() -> rx.Database:
                return stack.enter_context(rx.Database.open(url, **configuration))

            with ExitStack() as stack:
                yield Awaited(await _opened(open_, tries))


# A timeout in milliseconds that a test has for its calls, and so often opening is tried with it.
_SHORT, _TRIES = 200, 50


async def _opened(open_: Callable[[], Awaitable[Any]], tries: int) -> Any:
    """
    What ``open_`` gives in one of the ``tries``.

    A short timeout, which is for the calls that a test makes, is one for opening as well, and a
    busy machine may take longer to log in.
    """
    for _ in range(tries - 1):
        try:
            return await open_()
        except PoolTimeout:
            continue
    return await open_()


@pytest.fixture(params=["blocking", "asyncio"])
def play(request: pytest.FixtureRequest, accounts_database: str) -> Play:
    """Runs a story through the blocking facade, and in another test through the asyncio one."""
    return Play(request.param, accounts_database)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Any]:
    """Loads a text as the queries of a file; records are those of the repository, and others."""
    numbers = itertools.count()

    def load(text: str, *records: type) -> Any:
        root = tmp_path / f"sql{next(numbers)}"
        root.mkdir()
        (root / "q.sql").write_text(textwrap.dedent(text))
        return rx.load(root, records=[User, UserPreferences, Account, *records]).q

    return load


@pytest.fixture
def collect() -> Callable[..., Awaitable[list[Any]]]:
    """All that a stream gives, as a list, up to a count."""

    async def collected(stream: Any, upto: int | None = None) -> list[Any]:
        async with aclosing(stream):
            found = []
            async for row in stream:
                found.append(row)
                if len(found) == upto:
                    break
            return found

    return collected


@pytest.fixture
def until() -> Callable[[Callable[[], Any]], Any]:
    """Waits for a condition, for half a minute at most, and gives its first true value."""

    def wait(condition: Callable[[], Any]) -> Any:
        end = time.monotonic() + 30
        while not (value := condition()):
            assert time.monotonic() < end, "what was waited for did not happen"
            time.sleep(0.005)
        return value

    return wait


class Relay:
    """
    Stands between a client and the server, and counts the messages of the client by their type.

    A client waits for the server at a Sync or a simple Query, and only there: these are its
    ``round_trips``. What it asks the server to Flush it reads when it waits anyway.
    """

    def __init__(self, folder: Path, server: embedded.Server) -> None:
        self.messages: Counter[str] = Counter()
        self.conninfo = make_conninfo(server.conninfo("raxol_engine"), host=str(folder))
        self._target = str(Path(server.host) / f".s.PGSQL.{server.port}")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / f".s.PGSQL.{server.port}"))
        self._listener.listen()
        self._sockets: list[socket.socket] = [self._listener]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def round_trips(self) -> int:
        return sum(self.messages[kind] for kind in "SQ")

    def close(self) -> None:
        for end in self._sockets:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in self._sockets:
            end.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._target)
                self._sockets += [client, server]
                for pump in ((client, server, True), (server, client, False)):
                    self._threads.append(threading.Thread(target=self._pump, args=pump))
                    self._threads[-1].start()

    def _pump(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        buffer, started = b"", False
        with suppress(OSError):
            while data := source.recv(65536):
                if counted:
                    buffer, started = self._count(buffer + data, started)
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _count(self, buffer: bytes, started: bool) -> tuple[bytes, bool]:
        while True:
            offset = 1 if started else 0  # the first message has no type
            if len(buffer) < offset + 4:
                return buffer, started
            length = offset + struct.unpack_from("!i", buffer, offset)[0]
            if len(buffer) < length:
                return buffer, started
            if started:
                self.messages[chr(buffer[0])] += 1
            buffer, started = buffer[length:], True


@pytest.fixture
def relay(
    tmp_path_factory: pytest.TempPathFactory, server: embedded.Server, accounts_database: str
) -> Iterator[Relay]:
    """A relay in front of the database."""
    relay = Relay(tmp_path_factory.mktemp("r"), server)
    try:
        yield relay
    finally:
        relay.close()

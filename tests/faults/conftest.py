"""What these tests share: a database of their own, stories for either colour, and a PgBouncer."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import socket
import subprocess
import tempfile
import textwrap
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import raxol_sql as rx
from raxol_sql import embedded
from raxol_sql.engine.core.concurrency import run_sync

Story = Callable[[Any], Awaitable[Any]]

# A package puts it where the PATH of an account without rights may not lead.
_FOLDERS = [*os.get_exec_path(), "/usr/local/sbin", "/usr/sbin"]
_PORT = 6432


class Awaited:
    """The blocking facade with the awaits of the asyncio one, so that one story tells of both."""

    def __init__(self, verbs: Any) -> None:
        self._verbs = verbs

    async def run(self, bound: Any, **options: Any) -> Any:
        return self._verbs.run(bound, **options)

    async def run_many(self, query: Any, rows: Any) -> Any:
        return self._verbs.run_many(query, rows)

    async def run_all(self, bounds: Any) -> Any:
        return self._verbs.run_all(bounds)

    async def stream(self, bound: Any, **options: Any) -> AsyncIterator[Any]:
        rows = self._verbs.stream(bound, **options)
        try:
            for row in rows:
                yield row
        finally:
            rows.close()

    async def copy(self, *arguments: Any) -> Any:
        return self._verbs.copy(*arguments)

    @asynccontextmanager
    async def transaction(self, **options: Any) -> AsyncIterator[Any]:
        with self._verbs.transaction(**options) as inside:
            yield Awaited(inside)

    async def run_transaction(self, work: Any, **options: Any) -> Any:
        return self._verbs.run_transaction(lambda tx: run_sync(work(Awaited(tx))), **options)


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
        if self.colour == "asyncio":
            async with rx.AsyncDatabase.open(url, **configuration) as db:
                yield db
        else:
            with rx.Database.open(url, **configuration) as db:
                yield Awaited(db)


@pytest.fixture
def side(database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection of the test's own, beside the database that it tests."""
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def until() -> Callable[[Callable[[], Any]], Any]:
    """Waits for a condition, for ten seconds at most, and gives its first true value."""

    def wait(condition: Callable[[], Any]) -> Any:
        end = time.monotonic() + 10
        while not (value := condition()):
            assert time.monotonic() < end, "what was waited for did not happen"
            time.sleep(0.005)
        return value

    return wait


@pytest.fixture(params=["blocking", "asyncio"])
def play(
    request: pytest.FixtureRequest, database: str, side: psycopg.Connection[Any], until: Any
) -> Iterator[Play]:
    """
    Runs a story through the blocking facade, and in another test through the asyncio one.

    At the end no connection to the database is left but the test's own.
    """
    yield Play(request.param, database)
    others = "select from pg_stat_activity where datname = current_database() and pid <> %s"
    until(lambda: not side.execute(others, [side.info.backend_pid]).fetchall())


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Any]:
    """Loads a text as the queries of a file."""
    numbers = itertools.count()

    def load(text: str, *records: type) -> Any:
        root = tmp_path / f"sql{next(numbers)}"
        root.mkdir()
        (root / "q.sql").write_text(textwrap.dedent(text), newline="")
        return rx.load(root, records=records).q

    return load


class Runs:
    """Counts, beyond any rollback, how often a statement was executed that has ``count`` in it."""

    count = "(select nextval('runs'))"

    def __init__(self, side: psycopg.Connection[Any]) -> None:
        self._side = side
        side.execute("create sequence runs minvalue 0 start 0")
        self.forget()

    def forget(self) -> None:
        """Counts from nothing again."""
        self._side.execute("select setval('runs', 0)")

    @property
    def number(self) -> int:
        """How many there were."""
        row = self._side.execute("select last_value from runs").fetchone()
        assert row
        return int(row[0])


@pytest.fixture
def runs(side: psycopg.Connection[Any]) -> Runs:
    """A count of executions."""
    return Runs(side)


@attrs.frozen
class Bouncer:
    """A running PgBouncer: where it is, and its process."""

    conninfo: str
    process: subprocess.Popen[bytes]


@pytest.fixture
def bouncer(server: embedded.Server, database: str) -> Iterator[Callable[..., Bouncer]]:
    """
    Starts a PgBouncer in transaction mode in front of the database, with settings of one's own.

    ``target`` is the host and port behind it, unless it is the tests' server. Skips the test where
    there is no such program.
    """
    found = (shutil.which("pgbouncer", path=folder) for folder in _FOLDERS)
    program = next(filter(None, found), None)
    with ExitStack() as running:

        def start(target: str = "", **settings: object) -> Bouncer:
            if program is None:
                pytest.skip("no PgBouncer is installed")
            where = target or f"host={server.host} port={server.port}"
            return running.enter_context(_running(program, server, where, database, settings))

        yield start


@contextmanager
def _running(
    program: str, server: embedded.Server, target: str, database: str, settings: dict[str, object]
) -> Iterator[Bouncer]:
    with tempfile.TemporaryDirectory(prefix="rx") as name:
        folder = Path(name)
        given = {
            "unix_socket_dir": folder,
            "listen_port": _PORT,
            "auth_type": "any",
            "pool_mode": "transaction",
            **settings,
        }
        lines = ["[databases]", f"* = {target} user=postgres", "[pgbouncer]"]
        lines += [f"{key} = {value}" for key, value in given.items()]
        (folder / "pgbouncer.ini").write_text("\n".join(lines) + "\n")
        # It refuses to be root, and the server's socket is there for the server's account alone.
        owner = os.stat(server.host)
        changes = owner.st_uid != os.geteuid()
        if changes:
            os.chown(folder, owner.st_uid, owner.st_gid)
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [program, str(folder / "pgbouncer.ini")],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=owner.st_uid if changes else None,
                group=owner.st_gid if changes else None,
                extra_groups=[] if changes else None,
            )
        try:
            end = time.monotonic() + 10
            with socket.socket(socket.AF_UNIX) as client:
                while client.connect_ex(str(folder / f".s.PGSQL.{_PORT}")):
                    assert process.poll() is None, log.read_text()
                    assert time.monotonic() < end, log.read_text()
                    time.sleep(0.005)
            yield Bouncer(make_conninfo(database, host=str(folder), port=_PORT), process)
        finally:
            process.kill()
            process.wait()

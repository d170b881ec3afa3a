"""A PgBouncer in transaction mode, of each sort, in front of the tests' own server."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

if TYPE_CHECKING:
    from raxol_sql import embedded
    from tests.engine.conftest import Play

# A package puts it where the PATH of an account without rights may not lead.
FOLDERS = [*os.get_exec_path(), "/usr/local/sbin", "/usr/sbin"]
# The first that takes a client's prepared statements along from one connection to another.
KEEPS_STATEMENTS = (1, 21)
PORT = 6432
CONFIGURATION = """\
[databases]
* = host={server.host} port={server.port} user=postgres
[pgbouncer]
unix_socket_dir = {folder}
listen_port = {port}
auth_type = any
pool_mode = transaction
default_pool_size = {connections}
"""


@attrs.frozen
class Program:
    """An installed PgBouncer."""

    path: str
    version: tuple[int, ...]

    @property
    def keeps_statements(self) -> bool:
        return self.version >= KEEPS_STATEMENTS


def _version(path: str) -> tuple[int, ...]:
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+)\.(\d+)", told)
    assert found, told
    return int(found[1]), int(found[2])


@pytest.fixture(scope="session")
def programs() -> list[Program]:
    """Every PgBouncer that is installed, the newest first."""
    found = {shutil.which("pgbouncer", path=folder) for folder in FOLDERS}
    programs = [Program(path, _version(path)) for path in found if path]
    return sorted(programs, key=lambda program: program.version, reverse=True)


@pytest.fixture
def pooler(
    programs: list[Program], server: embedded.Server, accounts_database: str
) -> Iterator[Callable[..., str]]:
    """
    Starts a PgBouncer for a test, and gives the connection string of the database behind it.

    It keeps prepared statements or it does not, and has so many connections to the server. Skips
    the test where there is no such program.
    """
    with ExitStack() as running:

        def start(*, keeps_statements: bool, connections: int) -> str:
            fitting = [each for each in programs if each.keeps_statements == keeps_statements]
            if not fitting:
                sort = "1.21 or newer" if keeps_statements else "older than 1.21"
                pytest.skip(f"no PgBouncer {sort} is installed")
            folder = running.enter_context(_running(fitting[0], server, connections))
            return make_conninfo(accounts_database, host=str(folder), port=PORT)

        yield start


@contextmanager
def _running(program: Program, server: embedded.Server, connections: int) -> Iterator[Path]:
    """The folder of the socket of a PgBouncer that runs."""
    with tempfile.TemporaryDirectory(prefix="rx") as name:
        folder = Path(name)
        configuration = folder / "pgbouncer.ini"
        text = CONFIGURATION.format(
            server=server, folder=folder, port=PORT, connections=connections
        )
        if program.keeps_statements:
            text += "max_prepared_statements = 100\n"
        configuration.write_text(text)
        # It refuses to be root, and the server's socket is there for the server's account alone.
        owner = os.stat(server.host)
        changes = owner.st_uid != os.geteuid()
        if changes:
            os.chown(folder, owner.st_uid, owner.st_gid)
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [program.path, str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=owner.st_uid if changes else None,
                group=owner.st_gid if changes else None,
                extra_groups=[] if changes else None,
            )
        try:
            _wait_for(folder / f".s.PGSQL.{PORT}", process, log)
            yield folder
        finally:
            # Its gentler ends wait for the clients, and it has nothing to lose.
            process.kill()
            process.wait()


def _wait_for(address: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 10
    with socket.socket(socket.AF_UNIX) as client:
        while client.connect_ex(str(address)):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.005)


@contextmanager
def _held(conninfo: str) -> Iterator[int]:
    with psycopg.connect(conninfo) as client:
        row = client.execute("select pg_backend_pid()").fetchone()
        assert row
        yield row[0]


@pytest.fixture
def held() -> Callable[[str], Any]:
    """For the length of a block another client has a connection of the pooler's; gives its pid."""
    return _held


@pytest.fixture
def together(play: Play) -> Callable[[Iterable[Coroutine[Any, Any, None]]], Awaitable[None]]:
    """Runs stories at the same time, as the colour has it: in tasks, or in threads."""

    async def run(stories: Iterable[Coroutine[Any, Any, None]]) -> None:
        if play.colour == "blocking":
            await asyncio.gather(*(asyncio.to_thread(asyncio.run, each) for each in stories))
        else:
            await asyncio.gather(*stories)

    return run

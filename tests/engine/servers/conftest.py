"""Servers that are no ordinary ones: with rights revoked, in recovery, and behind pgpool-II."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from raxol_sql.testing import FaultProxy, FaultServer, Standby

SQL = """\
    -- name: put :affected
    insert into server_notes (n) values (:n);
    -- name: count :one -> scalar
    -- @timeout 5s
    select count(*)::int from server_notes;
    -- name: all :many -> scalar
    select n from server_notes order by n;
    -- name: in_recovery :one -> scalar
    select pg_is_in_recovery();
    -- name: load :copy
    copy server_notes (n) from stdin;
    -- name: nap :exec
    -- @timeout 300ms
    select pg_sleep(10);
"""
TABLES = """\
    create table server_notes (n int not null);
    create table raxol_outcomes (
        key uuid primary key,
        is_tombstone boolean not null default false,
        created_at timestamptz not null default now()
    );
    create role app login;
    grant all on server_notes, raxol_outcomes to app;
"""
PGPOOL = """\
backend_clustering_mode = '{mode}'
listen_addresses = ''
port = {port}
socket_dir = '{folder}'
pcp_listen_addresses = ''
pcp_port = 9898
pcp_socket_dir = '{folder}'
pid_file_name = '{folder}/pid'
logdir = '{folder}'
work_dir = '{folder}'
backend_hostname0 = '{primary.host}'
backend_port0 = {primary.port}
backend_weight0 = 0
backend_flag0 = 'ALWAYS_PRIMARY|DISALLOW_TO_FAILOVER'
backend_hostname1 = '{standby.host}'
backend_port1 = {standby.port}
backend_weight1 = 1
backend_flag1 = 'DISALLOW_TO_FAILOVER'
load_balance_mode = on
num_init_children = 12
max_pool = 1
enable_pool_hba = off
sr_check_period = 0
health_check_period = 0
failover_on_backend_error = off
"""
PGBOUNCER = """\
[databases]
* = host={server.host} port={server.port} user=app
[pgbouncer]
unix_socket_dir = {folder}
listen_port = {port}
auth_type = any
pool_mode = {mode}
default_pool_size = 4
"""
# A package puts it where the PATH of an account without rights may not lead.
FOLDERS = [*os.get_exec_path(), "/usr/local/sbin", "/usr/sbin"]
PORT = 9999


@pytest.fixture
def q(write: Callable[..., Any]) -> Any:
    """Queries that read and write notes."""
    return write(SQL)


@pytest.fixture(scope="session")
def _primary() -> Iterator[FaultServer]:
    with FaultServer() as primary:
        with psycopg.connect(primary.conninfo(), autocommit=True) as side:
            side.execute(TABLES)
        yield primary


@pytest.fixture(scope="session")
def standby(_primary: FaultServer) -> Standby:
    """A server in recovery."""
    return _primary.standby()


@pytest.fixture
def primary(_primary: FaultServer) -> FaultServer:
    """The server that it follows, without notes."""
    _primary.ask("truncate server_notes, raxol_outcomes")
    return _primary


@pytest.fixture
def notes(primary: FaultServer) -> Callable[[], list[int]]:
    """What the primary has."""
    return lambda: [n for (n,) in primary.ask("select n from server_notes order by n")]


@pytest.fixture
def line(primary: FaultServer) -> Iterator[FaultProxy]:
    """A line to the primary that can be cut."""
    with FaultProxy(make_conninfo(primary.conninfo(), user="app")) as proxy:
        yield proxy


@pytest.fixture
def revoke(primary: FaultServer) -> Iterator[Callable[..., None]]:
    """Takes privileges from everybody until the end of the test, as in "select on TABLE"."""
    revoked: list[str] = []

    def run(*privileges: str) -> None:
        for privilege in privileges:
            primary.ask(f"revoke {privilege} from public")
            revoked.append(privilege)

    yield run
    for privilege in revoked:
        primary.ask(f"grant {privilege} to public")


@pytest.fixture(scope="session", params=["streaming_replication"])
def pgpool(
    request: pytest.FixtureRequest, _primary: FaultServer, standby: Standby
) -> Iterator[str]:
    """
    The connection string of a pgpool-II before the two servers, which sends every read that it may
    to the standby; skips the test where there is none installed.
    """
    program = shutil.which("pgpool", path=os.pathsep.join(FOLDERS))
    if program is None:
        pytest.skip("no pgpool-II is installed")
    with _running(program, request.param, _primary, standby) as folder:
        yield make_conninfo(host=str(folder), port=PORT, user="postgres", dbname="postgres")


@contextmanager
def _running(program: str, mode: str, primary: FaultServer, standby: Standby) -> Iterator[Path]:
    one, other = primary._known(), standby._known()

    def configured(folder: Path) -> str:
        return PGPOOL.format(mode=mode, folder=folder, port=PORT, primary=one, standby=other)

    with started([program, "-n", "-f"], configured, one.host, PORT) as folder:
        yield folder


@pytest.fixture
def pgbouncer() -> Iterator[Callable[..., str]]:
    """
    Starts a PgBouncer before a server, and gives the connection string of the role app.

    ``path`` is its program; the test is skipped where that is not installed.
    """
    with ExitStack() as running:

        def start(path: str, server: FaultServer, mode: str = "transaction") -> str:
            if not Path(path).exists():
                pytest.skip(f"{path} is not installed")
            known = server._known()

            def configured(folder: Path) -> str:
                return PGBOUNCER.format(folder=folder, port=PORT, server=known, mode=mode)

            folder = running.enter_context(started([path], configured, known.host, PORT))
            return make_conninfo(host=str(folder), port=PORT, user="app", dbname="postgres")

        yield start


@contextmanager
def started(
    command: list[str], configured: Callable[[Path], str], socket: str, port: int
) -> Iterator[Path]:
    """
    The folder of the socket of a pooler that runs, which gets the path of its configuration.

    It runs as the owner of the server's ``socket``, which only that account may use.
    """
    with tempfile.TemporaryDirectory(prefix="rx") as name:
        folder = Path(name)
        configuration = folder / "pooler.conf"
        configuration.write_text(configured(folder))
        owner = os.stat(socket)
        changes = owner.st_uid != os.geteuid()
        if changes:
            os.chown(folder, owner.st_uid, owner.st_gid)
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command, str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=owner.st_uid if changes else None,
                group=owner.st_gid if changes else None,
                extra_groups=[] if changes else None,
            )
        try:
            _wait_for(make_conninfo(host=str(folder), port=port, user="postgres"), process, log)
            yield folder
        finally:
            # At once: by their gentler ends they wait for clients. pgpool-II ends its processes.
            process.send_signal(signal.SIGINT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(conninfo: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            psycopg.connect(conninfo, dbname="postgres").close()
        except psycopg.OperationalError:
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < end, log.read_text()[-2000:]
            time.sleep(0.02)
        else:
            return

"""The walk to a server, ports that do not answer, and a server that turns roles away."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from raxol_sql.config import Config
from raxol_sql.ops.finding import Finding, Status
from raxol_sql.ops.network.reaching import Reached, reach
from raxol_sql.testing import FaultServer

SECRET = "canary-" + secrets.token_hex(4)
PHRASE = "Could not connect to database"
HBA = """\
host all rejected 127.0.0.1/32 reject
hostssl all tlsonly,encrypted 127.0.0.1/32 trust
host all tlsonly 127.0.0.1/32 reject
hostnossl all plainonly 127.0.0.1/32 trust
hostssl all plainonly 127.0.0.1/32 reject
hostssl all certified 127.0.0.1/32 trust clientcert=verify-ca
hostssl all named 127.0.0.1/32 cert
host all unlisted 127.0.0.2/32 trust
host all trusted,narrow,absent 127.0.0.1/32 trust
host all locked,sleeping,postgres,somebody 127.0.0.1/32 scram-sha-256
"""
ROLES = f"""\
create role locked login password '{SECRET}';
create role rejected login superuser;
create role trusted login;
create role tlsonly login;
create role encrypted login;
create role plainonly login;
create role certified login;
create role named login;
create role unlisted login;
create role narrow login connection limit 0;
create role sleeping nologin password '{SECRET}';
"""
OPENSSL = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext"


@attrs.frozen
class Tcp:
    """A server that listens on a TCP port; with TLS its certificate, for localhost, is ``root``."""

    port: int
    root: Path | None

    def conninfo(self, user: str = "trusted", **parameters: object) -> str:
        given = {"host": "127.0.0.1", "port": self.port, "user": user, "dbname": "postgres"}
        return make_conninfo("", **{**given, "password": SECRET, **parameters})


@pytest.fixture(scope="module")
def tcp() -> Iterator[Tcp]:
    """A server with room for 8 sessions, 3 of them for superusers; with TLS where it can be had."""
    binaries = _system_binaries()
    has_tls = binaries is not None and shutil.which("openssl") is not None
    with ExitStack() as made:
        patch = made.enter_context(pytest.MonkeyPatch.context())
        if binaries is not None and has_tls:
            patch.setenv("RAXOL_SQL_PG_BIN", str(binaries))
        server = made.enter_context(FaultServer())
        with psycopg.connect(server.conninfo(), autocommit=True) as connection:
            connection.execute(ROLES)
            connection.execute("create database closed allow_connections false")
            connection.execute("create database private")
            connection.execute("revoke connect on database private from public")
            row = connection.execute("show data_directory").fetchone()
        data = Path(str(row and row[0]))
        hba = data / "pg_hba.conf"
        # Its own lines end with one that rejects all others.
        kept = [line for line in hba.read_text().splitlines() if not line.startswith("host")]
        hba.write_text("\n".join([HBA, *kept, ""]))
        root = _own_certificate(data) if has_tls else None
        process = Path(f"/proc/{server.pid}")
        variables = (process / "environ").read_text().split("\0")
        environment = dict(line.split("=", 1) for line in variables if "=" in line)
        program = os.readlink(process / "exe")
        server.stop()
        yield Tcp(made.enter_context(_listening(program, data, environment, has_tls)), root)


@pytest.fixture(scope="module")
def tls(tcp: Tcp) -> Tcp:
    """That server, which has TLS."""
    if tcp.root is None:
        pytest.skip("no PostgreSQL with TLS, or no openssl, is installed")
    return tcp


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no project says anything of a server."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port that answers to no new connection, as an address behind a firewall does."""
    with ExitStack() as open_ones:
        listener = open_ones.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            # The queue of those who are not accepted is full, and others are not heard.
            filling = open_ones.enter_context(socket.socket())
            filling.setblocking(False)
            filling.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def walk(conninfo: str, *, timeout: float = 5.0, **explicit: object) -> Reached:
    """The walk to a connection string; nothing of it tells the password."""
    reached = reach(Config.find(conninfo, **explicit), timeout=timeout)
    told = repr(reached) + "".join(one.message + one.remedy for one in reached.findings)
    assert SECRET not in told
    return reached


def by_name(reached: Reached) -> dict[str, Finding]:
    return {one.check: one for one in reached.findings}


def statuses(reached: Reached) -> dict[str, str]:
    return {one.check: one.status.value for one in reached.network}


def failing(reached: Reached, check: str) -> Finding:
    """The finding that fails: what comes before it does not, and what comes after is skipped."""
    names = [one.check for one in reached.network]
    found = by_name(reached)
    at = names.index(check)
    assert [found[name].status for name in names[at + 1 :]] == [Status.SKIP] * (len(names) - at - 1)
    assert {found[name].status for name in names[:at]} <= {Status.OK, Status.SKIP}
    assert all(f"{check} failed" in found[name].message for name in names[at + 1 :])
    one = found[check]
    assert one.status is Status.FAIL
    assert one.message.startswith(PHRASE)
    assert one.remedy
    assert one.ms is not None
    assert reached.greeting is None
    assert reached.conninfo == ""
    assert reached.cause is not None
    assert reached.cause.message == one.message
    return one


def until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, f"never seen: {what}"
        time.sleep(0.02)


def certificate(folder: Path, name: str) -> Path:
    command = ["openssl", *OPENSSL.split(), "subjectAltName=DNS:localhost"]
    files = ["-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.crt"]
    subprocess.run([*command, *files], check=True, capture_output=True)
    return folder / f"{name}.crt"


def _system_binaries() -> Path | None:
    """The newest PostgreSQL that the system has: the embedded one is built without TLS."""
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    return max(folders, key=lambda folder: int(folder.parent.name), default=None)


def _own_certificate(data: Path) -> Path:
    """The server's, in its folder."""
    owner = data.stat()
    own = certificate(data, "server")
    for path in (own, own.with_suffix(".key")):
        os.chown(path, owner.st_uid, owner.st_gid)
        path.chmod(0o600)
    return own


@contextmanager
def _listening(
    program: str, data: Path, environment: dict[str, str], has_tls: bool
) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "ssl": "on" if has_tls else "off",
        "ssl_ca_file": "server.crt" if has_tls else "",
        "max_connections": 8,
        "superuser_reserved_connections": 3,
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    owner = data.stat()
    changes = owner.st_uid != os.geteuid()
    process = subprocess.Popen(
        [program, "-D", str(data), *options],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=owner.st_uid if changes else None,
        group=owner.st_gid if changes else None,
        extra_groups=[] if changes else None,
    )
    try:
        until(lambda: _accepts(port), "the server listens")
        yield port
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def _accepts(port: int) -> bool:
    conninfo = f"host=127.0.0.1 port={port} user=trusted dbname=postgres"
    try:
        psycopg.connect(conninfo, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True

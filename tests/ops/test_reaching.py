"""The way to the server, each step provoked to fail for real (C1, G1, G2, G4, G5, G6)."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from raxol_sql import embedded
from raxol_sql.config import Config
from raxol_sql.ops.finding import Finding, Status
from raxol_sql.ops.network.reaching import Reached, reach
from raxol_sql.ops.network.target import parameters_of, targets_of
from raxol_sql.testing import FaultProxy, FaultServer, to_server

SECRET = "canary-" + secrets.token_hex(4)
PHRASE = "Could not connect to database"
HBA = """\
host all rejected 127.0.0.1/32 reject
host all trusted,narrow,absent 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""
ROLES = f"""\
create role locked login password '{SECRET}';
create role rejected login superuser;
create role trusted login;
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


def _certificate(folder: Path, name: str) -> Path:
    command = ["openssl", *OPENSSL.split(), "subjectAltName=DNS:localhost"]
    files = ["-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.crt"]
    subprocess.run([*command, *files], check=True, capture_output=True)
    return folder / f"{name}.crt"


def _system_binaries() -> Path | None:
    """The newest PostgreSQL that the system has: the embedded one is built without TLS."""
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    return max(folders, key=lambda folder: int(folder.parent.name), default=None)


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
        hba.write_text(HBA + hba.read_text())
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


def _own_certificate(data: Path) -> Path:
    """The server's, in its folder."""
    owner = data.stat()
    certificate = _certificate(data, "server")
    for path in (certificate, certificate.with_suffix(".key")):
        os.chown(path, owner.st_uid, owner.st_gid)
        path.chmod(0o600)
    return certificate


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
        _until(lambda: _accepts(port), "the server listens")
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


def _until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, f"never seen: {what}"
        time.sleep(0.02)


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


def test_a_healthy_server_has_nothing_but_ok_and_skip(accounts_database: str) -> None:
    reached = walk(accounts_database, password=SECRET)

    assert {one.status for one in reached.findings} == {Status.OK, Status.SKIP}
    assert statuses(reached) == {
        "resolve": "SKIP",
        "tcp": "OK",
        "tls": "SKIP",
        "login": "OK",
        "pooler": "OK",
    }
    assert reached.cause is None
    assert reached.greeting is not None
    assert reached.greeting.role == "postgres"
    assert not reached.greeting.is_standby
    assert reached.greeting.ms > 0
    with psycopg.connect(reached.conninfo) as connection:
        assert connection.info.dbname == reached.greeting.database


def test_the_credentials_say_where_they_come_from_and_what_the_server_makes_of_them(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAXOL_DB_PASS", SECRET)

    found = by_name(reach(Config.find(database)))

    assert found["user"].message == "postgres, from argument url"
    assert found["password"].message == "from RAXOL_DB_PASS; the server asked for none"
    assert found["current_user"].message == "postgres"
    assert {found[name].group for name in ("user", "password", "current_user")} == {"credentials"}


def test_a_name_that_nobody_knows_fails_at_resolve() -> None:
    reached = walk(f"postgresql://a:{SECRET}@no-such.invalid/x")

    one = failing(reached, "resolve")
    assert "no-such.invalid" in one.message
    assert reached.cause is not None
    assert not reached.cause.is_final


def test_a_port_at_which_nobody_listens_is_refused_at_tcp() -> None:
    reached = walk(f"postgresql://a:{SECRET}@127.0.0.1:1/x")

    one = failing(reached, "tcp")
    assert one.message == f"{PHRASE} x on 127.0.0.1:1: connection refused: no server listens there"
    assert "start the server" in one.remedy


def test_an_address_that_does_not_answer_ends_in_time_and_names_the_firewall(
    black_hole: int,
) -> None:
    since = time.monotonic()
    reached = walk(f"postgresql://a:{SECRET}@127.0.0.1:{black_hole}/x", timeout=1.0)

    assert 0.9 < time.monotonic() - since < 2
    one = failing(reached, "tcp")
    assert one.message.endswith("no answer in 1.0 s")
    assert "firewall" in one.remedy


def test_a_socket_that_is_not_there_fails_at_tcp(tmp_path: Path) -> None:
    one = failing(walk(make_conninfo(host=str(tmp_path), dbname="x")), "tcp")

    assert f"there is no socket {tmp_path}/.s.PGSQL.5432" in one.message
    assert "unix_socket_directories" in one.remedy


def test_a_socket_whose_path_is_too_long_fails_at_tcp(tmp_path: Path) -> None:
    deep = tmp_path / "/".join(["folder"] * 20)
    deep.mkdir(parents=True)
    (deep / ".s.PGSQL.5432").touch()

    assert "too long" in failing(walk(make_conninfo(host=str(deep), dbname="x")), "tcp").message


def test_a_socket_that_a_dead_server_has_left_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / ".s.PGSQL.5432"))

    one = failing(walk(make_conninfo(host=str(tmp_path), dbname="x")), "tcp")

    assert "connection refused" in one.message


@pytest.mark.parametrize(("sslmode", "check"), [("prefer", "tls"), ("disable", "login")])
def test_a_server_that_accepts_and_says_nothing_ends_in_time(
    database: str, sslmode: str, check: str
) -> None:
    with FaultProxy(database) as proxy:
        proxy.accept_and_be_silent()
        since = time.monotonic()
        reached = walk(make_conninfo(proxy.conninfo, sslmode=sslmode), timeout=0.7)

    assert time.monotonic() - since < 2
    assert "gave no answer in 0." in failing(reached, check).message


def test_a_server_that_hangs_up_at_once_is_told_from_one_that_is_silent(database: str) -> None:
    with FaultProxy(database, limit=0) as proxy:
        reached = walk(make_conninfo(proxy.conninfo, sslmode="prefer"))

    assert "ends them at once" in failing(reached, "tls").message


def test_a_server_that_lets_in_and_answers_nothing_ends_in_time(database: str) -> None:
    with FaultProxy(database) as proxy:
        proxy.cut_at(to_server(b"P"), how="freeze")
        since = time.monotonic()
        reached = walk(proxy.conninfo, timeout=0.7)

    assert time.monotonic() - since < 5
    assert "gave no answer" in failing(reached, "login").message


@pytest.mark.parametrize("sslmode", ["prefer", "allow"])
def test_a_server_without_tls_is_as_well_where_none_is_needed(database: str, sslmode: str) -> None:
    with FaultProxy(database) as proxy:
        reached = walk(make_conninfo(proxy.conninfo, sslmode=sslmode))

    assert by_name(reached)["tls"].status is Status.SKIP
    assert "offers none" in by_name(reached)["tls"].message
    assert reached.cause is None


@pytest.mark.parametrize("sslmode", ["require", "verify-full"])
def test_a_server_without_tls_fails_where_it_is_asked_for(database: str, sslmode: str) -> None:
    with FaultProxy(database) as proxy:
        reached = walk(make_conninfo(proxy.conninfo, sslmode=sslmode))

    assert f"sslmode={sslmode}" in failing(reached, "tls").message
    assert "ssl = on" in by_name(reached)["tls"].remedy
    assert reached.cause is not None
    assert reached.cause.is_final


@pytest.mark.parametrize("sslmode", ["prefer", "require"])
def test_tls_that_is_offered_is_told_with_its_version_and_cipher(tls: Tcp, sslmode: str) -> None:
    reached = walk(tls.conninfo(sslmode=sslmode))

    one = by_name(reached)["tls"]
    assert one.status is Status.OK
    assert one.message.startswith("TLSv1.")
    assert "AES" in one.message or "CHACHA20" in one.message
    assert "not verified" in one.message
    assert reached.cause is None


@pytest.mark.parametrize(
    ("sslmode", "host", "said"),
    [("verify-ca", "127.0.0.1", "is trusted"), ("verify-full", "localhost", "is for localhost")],
)
def test_a_certificate_that_is_trusted_is_said_to_be(
    tls: Tcp, sslmode: str, host: str, said: str
) -> None:
    reached = walk(tls.conninfo(sslmode=sslmode, host=host, sslrootcert=tls.root))

    assert by_name(reached)["tls"].message.endswith(said)
    assert reached.cause is None


def test_a_certificate_for_another_name_fails_and_says_for_which(tls: Tcp) -> None:
    reached = walk(tls.conninfo(sslmode="verify-full", sslrootcert=tls.root))

    one = failing(reached, "tls")
    assert "another name than 127.0.0.1" in one.message
    assert "TLS, sslmode=verify-full" in one.message


def test_a_certificate_that_nobody_vouches_for_fails(tls: Tcp, tmp_path: Path) -> None:
    other = _certificate(tmp_path, "other")

    one = failing(walk(tls.conninfo(sslmode="verify-ca", sslrootcert=other)), "tls")

    assert "nobody who is trusted" in one.message
    assert "sslrootcert" in one.remedy


def test_root_certificates_that_are_not_there_are_named(tls: Tcp, tmp_path: Path) -> None:
    missing = tmp_path / "none.crt"

    one = failing(walk(tls.conninfo(sslmode="verify-ca", sslrootcert=missing)), "tls")

    assert "cannot be read" in one.message
    assert "sslrootcert" in one.remedy


LOGINS: dict[str, tuple[dict[str, object], str, str, str]] = {
    "a wrong password": (
        {"user": "locked", "password": f"{SECRET}x"},
        "28P01",
        '"locked" (argument url) is refused',
        'alter role "locked" password',
    ),
    "no password": (
        {"user": "locked", "password": ""},
        "28P01",
        'no password is given, and the server asks "locked"',
        "RAXOL_DB_PASS",
    ),
    "an unknown role": (
        {"user": "absent"},
        "28000",
        'no role "absent" that may log in',
        'create role "absent" login',
    ),
    "a role that may not log in": (
        {"user": "sleeping"},
        "28000",
        'the server does not let "sleeping" in',
        "pg_hba.conf",
    ),
    "pg_hba.conf": (
        {"user": "rejected"},
        "28000",
        'pg_hba.conf of the server lets no "rejected" into "postgres"',
        "add a line",
    ),
    "no database": ({"dbname": 'no"where'}, "3D000", 'no database "no""where"', "raxol-sql setup"),
    "a closed database": ({"dbname": "closed"}, "55000", "no connections", "allow_connections"),
    "a private database": (
        {"dbname": "private"},
        "42501",
        'may not connect to "private"',
        'grant connect on database "private" to "trusted"',
    ),
}


@pytest.mark.parametrize("case", LOGINS)
def test_a_login_that_is_refused_says_why_and_what_helps(tcp: Tcp, case: str) -> None:
    parameters, sqlstate, said, remedy = LOGINS[case]

    reached = walk(tcp.conninfo(**{"user": "trusted", **parameters}))  # type: ignore[arg-type]

    one = failing(reached, "login")
    assert said in one.message
    assert remedy in one.remedy
    assert reached.cause is not None
    assert reached.cause.sqlstate == sqlstate
    assert reached.cause.is_final


@pytest.mark.parametrize(
    "case", ["an unknown role", "pg_hba.conf", "no database", "a private database", "no password"]
)
def test_where_the_system_tells_no_sqlstate_the_server_is_asked_otherwise(
    tcp: Tcp, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create")

    test_a_login_that_is_refused_says_why_and_what_helps(tcp, case)


def test_a_database_that_is_missing_behind_a_password_is_found_by_a_second_login(
    tcp: Tcp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create")

    reached = walk(tcp.conninfo("locked", dbname="nowhere"))

    assert reached.cause is not None
    assert reached.cause.sqlstate == "3D000"
    assert "raxol-sql setup" in failing(reached, "login").remedy


def test_what_no_code_and_no_second_look_explains_is_told_in_the_servers_words(
    tcp: Tcp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create")

    one = failing(walk(tcp.conninfo("locked", password=f"{SECRET}x")), "login")

    assert 'authentication failed for user "locked"' in one.message
    assert "raxol-sql config" in one.remedy


def test_a_full_server_is_told_by_the_name_of_its_setting(tcp: Tcp) -> None:
    conninfo = tcp.conninfo()
    with ExitStack() as others:
        while True:
            try:
                others.enter_context(psycopg.connect(conninfo))
            except psycopg.OperationalError:
                break
        reached = walk(conninfo)

    one = failing(reached, "login")
    assert "max_connections" in one.message
    assert "pool-status" in one.remedy
    assert reached.cause is not None
    assert (reached.cause.sqlstate, reached.cause.is_final) == ("53300", False)


def test_the_limit_of_a_role_is_a_full_server_to_it(tcp: Tcp) -> None:
    reached = walk(tcp.conninfo("narrow"))

    assert reached.cause is not None
    assert reached.cause.sqlstate == "53300"


@pytest.mark.faults
def test_a_server_that_is_being_shut_down_may_be_waited_for() -> None:
    with FaultServer() as server, psycopg.connect(server.conninfo()) as holding:
        os.kill(server.pid, signal.SIGTERM)
        _until(lambda: walk(server.conninfo()).cause is not None, "the shutdown has begun")
        reached = walk(server.conninfo())
        holding.close()

    assert "starting up, shutting down" in failing(reached, "login").message
    assert reached.cause is not None
    assert (reached.cause.sqlstate, reached.cause.is_final) == ("57P03", False)


@pytest.mark.faults
def test_a_server_that_stands_still_ends_in_time() -> None:
    with FaultServer() as server, server.frozen():
        since = time.monotonic()
        reached = walk(server.conninfo(), timeout=0.7)
        took = time.monotonic() - since

    assert took < 2
    assert "gave no answer" in failing(reached, "login").message


def test_of_several_hosts_the_first_that_answers_is_enough_and_the_others_are_named(
    tcp: Tcp, black_hole: int
) -> None:
    several = tcp.conninfo(
        host="no-such.invalid,127.0.0.1,127.0.0.1,localhost",
        port=f"5432,1,{black_hole},{tcp.port}",
    )

    reached = walk(several, timeout=2.0)

    found = by_name(reached)
    assert found["resolve"].status is found["tcp"].status is Status.WARN
    assert "no-such.invalid" in found["resolve"].message
    assert "connected to localhost" in found["tcp"].message
    assert "127.0.0.1:1: connection refused" in found["tcp"].message
    assert f"127.0.0.1:{black_hole}: no answer" in found["tcp"].message
    assert found["login"].status is Status.OK
    assert reached.cause is None


def test_where_no_host_answers_each_is_told_with_its_own_reason(black_hole: int) -> None:
    several = make_conninfo(host="127.0.0.1,127.0.0.1", port=f"1,{black_hole}", dbname="x")

    one = failing(walk(several, timeout=1.0), "tcp")

    assert "127.0.0.1:1: connection refused" in one.message
    assert f"127.0.0.1:{black_hole}: no answer in" in one.message


def test_a_service_file_says_where_the_server_is(
    tcp: Tcp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "services"
    file.write_text(
        f"[mine]\nhost=127.0.0.1\nport={tcp.port}\nuser=locked\n"
        f"password={SECRET}\ndbname=postgres\n"
    )
    monkeypatch.setenv("PGSERVICEFILE", str(file))

    found = by_name(walk("service=mine"))

    assert found["login"].message == "let in as locked"
    assert found["user"].message == "locked, from service mine"
    assert found["password"].message == "from service mine"


def test_a_service_that_is_not_there_fails_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    (tmp_path / "services").write_text("[other]\nhost=127.0.0.1\n")

    assert "service" in failing(walk("service=mine"), "resolve").message


@pytest.mark.parametrize("port", ["0", "99999", "five"])
def test_a_port_that_there_cannot_be_fails_before_anything_is_sent(
    port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    (tmp_path / "services").write_text(f"[mine]\nhost=127.0.0.1\nport={port}\n")

    assert f"the port {port} is no number" in failing(walk("service=mine"), "resolve").message


def test_a_password_file_is_used_and_named(
    tcp: Tcp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pgpass"
    file.write_text(f"localhost:{tcp.port}:*:locked:{SECRET}\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    url = f"postgresql://locked@localhost:{tcp.port}/postgres"

    reached = walk(url)

    assert reached.cause is None
    assert by_name(reached)["password"].message == f"from {file}"


def test_the_embedded_server_is_started_and_walked_to(own_project: Path) -> None:
    (own_project / "raxol_sql.toml").write_text('[common]\nserver = "embedded"\n')
    config = Config.find(start=own_project)

    reached = reach(config)
    there = reach(Config.find(start=own_project, database="postgres"))

    assert "raxol-sql setup" in failing(reached, "login").remedy
    assert "the embedded server of" in failing(reached, "login").message
    assert there.cause is None
    running = embedded.status(own_project)
    assert running is not None
    assert running.host in by_name(there)["tcp"].message


def test_an_embedded_server_that_cannot_be_had_fails_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "raxol_sql.toml").write_text('[common]\nserver = "embedded"\n')
    monkeypatch.setenv("RAXOL_SQL_PG_BIN", "/nowhere")

    one = failing(reach(Config.find(start=tmp_path)), "resolve")

    assert "/nowhere" in one.message


@pytest.fixture
def pooler(server: embedded.Server, accounts_database: str) -> Iterator[str]:
    """The connection string of the database through a PgBouncer in transaction mode."""
    folders = os.pathsep.join([*os.get_exec_path(), "/usr/local/sbin", "/usr/sbin"])
    program = shutil.which("pgbouncer", path=folders)
    if program is None:
        pytest.skip("no PgBouncer is installed")
    with tempfile.TemporaryDirectory(prefix="rx") as name:
        folder = Path(name)
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host={server.host} port={server.port} user=postgres\n"
            f"[pgbouncer]\nunix_socket_dir = {folder}\nlisten_port = 6432\n"
            "auth_type = any\npool_mode = transaction\n"
        )
        owner = os.stat(server.host)
        changes = owner.st_uid != os.geteuid()
        if changes:
            os.chown(folder, owner.st_uid, owner.st_gid)
        process = subprocess.Popen(
            [program, str(folder / "pgbouncer.ini")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=owner.st_uid if changes else None,
            group=owner.st_gid if changes else None,
            extra_groups=[] if changes else None,
        )
        try:
            _until(lambda: (folder / ".s.PGSQL.6432").exists(), "the pooler listens")
            yield make_conninfo(accounts_database, host=str(folder), port=6432)
        finally:
            process.kill()
            process.wait()


def test_a_pooler_in_between_is_recognised_and_its_remedy_given_where_it_matters(
    pooler: str,
) -> None:
    prepared, unprepared = walk(pooler), walk(pooler, prepare=False)

    one = by_name(prepared)["pooler"]
    assert one.status is Status.OK
    assert "through a pooler" in one.message
    assert "prepare = false" in one.remedy
    assert by_name(unprepared)["pooler"].remedy == ""
    assert prepared.greeting is not None
    assert prepared.greeting.is_pooled


def test_the_walk_leaves_no_session_behind(database: str) -> None:
    walk(database)

    def sessions() -> Any:
        row = connection.execute(
            "select count(*) from pg_stat_activity where datname = current_database()"
        ).fetchone()
        return row and row[0]

    with psycopg.connect(database, autocommit=True) as connection:
        _until(lambda: sessions() == 1, "nobody else is connected")
        assert sessions() == 1


HOSTS = st.sampled_from(["a", "b.example", "127.0.0.1", "::1", "/tmp", "/var/run/x"])


@given(st.lists(st.tuples(HOSTS, st.integers(1, 65535)), min_size=1, max_size=5))
def test_hosts_and_ports_are_read_as_they_are_listed(pairs: list[tuple[str, int]]) -> None:
    conninfo = make_conninfo(
        host=",".join(host for host, _ in pairs), port=",".join(str(port) for _, port in pairs)
    )

    targets = targets_of(parameters_of(conninfo))

    assert [(target.host, int(target.port)) for target in targets] == pairs
    assert [target.is_socket for target in targets] == [host[0] == "/" for host, _ in pairs]


@given(st.lists(HOSTS, min_size=1, max_size=5), st.integers(1, 65535))
def test_one_port_is_for_all_hosts(hosts: list[str], port: int) -> None:
    targets = targets_of(parameters_of(make_conninfo(host=",".join(hosts), port=port)))

    assert [(target.host, target.port) for target in targets] == [
        (host, str(port)) for host in hosts
    ]

"""Where it is said which server and whose password: hosts, services and files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from raxol_sql.config import Config
from raxol_sql.ops.finding import Status
from raxol_sql.ops.network.reaching import reach
from raxol_sql.ops.network.target import parameters_of, targets_of
from tests.ops.network.conftest import SECRET, Tcp, by_name, failing, walk

HOSTS = st.sampled_from(["a", "b.example", "127.0.0.1", "::1", "/tmp", "/var/run/x"])


def test_the_credentials_say_where_they_come_from_and_what_the_server_makes_of_them(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAXOL_DB_PASS", SECRET)

    found = by_name(reach(Config.find(database)))

    assert found["user"].message == "postgres, from argument url"
    assert found["password"].message == "from RAXOL_DB_PASS; the server asked for none"
    assert found["current_user"].message == "postgres"
    assert {found[name].group for name in ("user", "password", "current_user")} == {"credentials"}


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

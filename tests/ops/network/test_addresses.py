"""Names, ports and sockets at which nobody is, or nobody answers in time."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from raxol_sql.testing import FaultProxy, FaultServer, to_server
from tests.ops.network.conftest import PHRASE, SECRET, failing, walk


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
    watch: Any,
) -> None:
    with watch.at_most(2, at_least=0.9):
        reached = walk(f"postgresql://a:{SECRET}@127.0.0.1:{black_hole}/x", timeout=1.0)

    one = failing(reached, "tcp")
    assert one.message.endswith("no answer in 1.0 s")
    assert "firewall" in one.remedy


def test_where_no_host_answers_each_is_told_with_its_own_reason(black_hole: int) -> None:
    several = make_conninfo(host="127.0.0.1,127.0.0.1", port=f"1,{black_hole}", dbname="x")

    one = failing(walk(several, timeout=1.0), "tcp")

    assert "127.0.0.1:1: connection refused" in one.message
    assert f"127.0.0.1:{black_hole}: no answer in" in one.message


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

    assert time.monotonic() - since < 10
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

    assert time.monotonic() - since < 10
    assert "gave no answer" in failing(reached, "login").message


@pytest.mark.faults
def test_a_server_that_stands_still_ends_in_time() -> None:
    with FaultServer() as server, server.frozen():
        since = time.monotonic()
        reached = walk(server.conninfo(), timeout=0.7)
        took = time.monotonic() - since

    assert took < 10
    assert "gave no answer" in failing(reached, "login").message

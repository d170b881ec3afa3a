"""Logins that the server refuses: why, and what helps (C1, G5)."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack

import psycopg
import pytest

from raxol_sql.testing import FaultServer
from tests.ops.network.conftest import SECRET, Tcp, failing, until, walk

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
        until(lambda: walk(server.conninfo()).cause is not None, "the shutdown has begun")
        reached = walk(server.conninfo())
        holding.close()

    assert "starting up, shutting down" in failing(reached, "login").message
    assert reached.cause is not None
    assert (reached.cause.sqlstate, reached.cause.is_final) == ("57P03", False)

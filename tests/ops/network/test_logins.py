"""Logins that the server refuses: why, and what helps."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

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
        'pg_hba.conf of the server keeps "rejected" out of "postgres"',
        "add above the reject line",
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


REFUSED: dict[str, tuple[dict[str, object], str, str]] = {
    "hostssl only, and the client has TLS off": (
        {"user": "tlsonly", "sslmode": "disable"},
        'takes "tlsonly" with TLS only, and sslmode=disable',
        "set sslmode=require",
    ),
    "hostssl only, and no other line": (
        {"user": "encrypted", "sslmode": "disable"},
        'takes "encrypted" with TLS only, and sslmode=disable',
        "set sslmode=require",
    ),
    "hostnossl only, and the client asks for TLS": (
        {"user": "plainonly", "sslmode": "require"},
        'takes "plainonly" without TLS only, and sslmode=require',
        'add a line to pg_hba.conf: hostssl "postgres" "plainonly" 127.0.0.1/32 scram-sha-256',
    ),
    "a reject line": (
        {"user": "rejected"},
        'a reject line in pg_hba.conf of the server keeps "rejected" out of "postgres"',
        'add above the reject line host "postgres" "rejected" 127.0.0.1/32 scram-sha-256',
    ),
    "a reject line, with TLS off": (
        {"user": "rejected", "sslmode": "disable"},
        "a reject line in pg_hba.conf",
        'add above the reject line host "postgres" "rejected"',
    ),
    "a line for another address": (
        {"user": "unlisted"},
        'lets no "unlisted" into "postgres"',
        'as in: host "postgres" "unlisted" 127.0.0.1/32 scram-sha-256',
    ),
    "a line for another address, with TLS": (
        {"user": "unlisted", "sslmode": "require"},
        'lets no "unlisted" into "postgres"',
        'as in: hostssl "postgres" "unlisted" 127.0.0.1/32 scram-sha-256',
    ),
    "a client's certificate": (
        {"user": "certified", "sslmode": "require"},
        'asks "certified" for a certificate',
        "name the client's certificate and its key in sslcert and sslkey",
    ),
    "the method cert": (
        {"user": "named", "sslmode": "require"},
        'asks "named" for a certificate',
        "name the client's certificate and its key in sslcert and sslkey",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_remedy_for_pg_hba_fits_the_clients_settings_and_the_servers_lines(
    tls: Tcp, case: str
) -> None:
    parameters, said, remedy = REFUSED[case]

    one = failing(walk(tls.conninfo(**parameters)), "login")  # type: ignore[arg-type]

    assert said in one.message
    assert remedy in one.remedy


@pytest.mark.parametrize(
    ("user", "mode", "other"),
    [("tlsonly", "disable", "require"), ("encrypted", "disable", "require")],
)
def test_who_follows_the_remedy_is_let_in(tls: Tcp, user: str, mode: str, other: str) -> None:
    one = failing(walk(tls.conninfo(user, sslmode=mode)), "login")
    assert f"set sslmode={other}" in one.remedy

    assert walk(tls.conninfo(user, sslmode=other)).cause is None


@pytest.mark.faults
def test_a_socket_that_asks_for_the_account_of_the_system_names_that() -> None:
    with FaultServer() as server:
        server.ask("create role other_account login")
        ((file,),) = server.ask("show hba_file")
        hba = Path(str(file))
        hba.write_text(
            "local all other_account peer\nlocal all stranger reject\n" + hba.read_text()
        )
        server.ask("select pg_reload_conf()")
        server.restart()
        refused = failing(walk(make_conninfo(server.conninfo(), user="other_account")), "login")
        rejected = failing(walk(make_conninfo(server.conninfo(), user="stranger")), "login")

    assert 'Peer authentication of "other_account" failed' in refused.message
    assert "run this as the account other_account" in refused.remedy
    assert 'add above the reject line local "postgres" "stranger" scram-sha-256' in rejected.remedy

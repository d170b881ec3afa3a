"""
Poolers: whether a connection pooler stands between a session and the server.

A pooler in transaction or statement mode gives each transaction another connection of the server:
session settings stay behind there, and what one session holds is held by none.
"""

from __future__ import annotations

import os
import socket
import sys
from contextlib import closing, suppress
from pathlib import Path

import psycopg
from psycopg import pq

from raxol_sql.config.conninfo import Given
from raxol_sql.errors import ConfigError
from raxol_sql.migrations.session import Session, open_session

__all__ = ["check_direct", "check_direct_server", "check_session_mode", "find_pooler"]

BACKEND = "select pg_backend_pid(), inet_client_addr() is null, inet_client_port()"

REMEDY = (
    "Give the address of the server itself with --direct-url URL or RAXOL_DB_MIGRATION_URL; or, if "
    "the pooler is in session mode, say so with --pooler-is-session-mode"
)
# Of struct ucred: the number of the process that listens at a Unix socket comes first.
CREDENTIALS = 12


def find_pooler(session: Session) -> str:
    """
    The pooler that answers in place of the server: its name as far as it is known, else empty.

    PgBouncer and its kind give each client a process number that is not the backend's. pgpool-II
    passes on the backend's, and answers a statement that no server knows; that one is sent only
    where the other end is not plainly the server itself.
    """
    row = session.execute(BACKEND).fetchone()
    pid, is_local, port = row or (session.info.backend_pid, True, None)
    if pid != session.info.backend_pid:
        return "a connection pooler such as PgBouncer"
    return "pgpool-II" if may_be_pgpool(session, is_local, port) else ""


def may_be_pgpool(session: Session, is_local: bool, port: int | None) -> bool:
    address, listener = peer_of(session)
    if address == "local" and is_local and listener is not None:
        return listener.startswith("pgpool")
    if address == port:
        return False
    try:
        return session.execute("show pool_version").fetchone() is not None
    except psycopg.Error:
        return False


def peer_of(session: Session) -> tuple[str | int | None, str | None]:
    """
    Our own end of the line: its TCP port, or "local" with the name of the process that listens.

    None for what this system does not tell.
    """
    if session.pgconn.status != pq.ConnStatus.OK:
        return None, None
    with suppress(OSError), socket.socket(fileno=os.dup(session.fileno())) as line:
        if line.family != socket.AF_UNIX:
            return line.getsockname()[1], None
        option = getattr(socket, "SO_PEERCRED", None)
        if option is None:
            return "local", None
        credentials = line.getsockopt(socket.SOL_SOCKET, option, CREDENTIALS)
        listener = int.from_bytes(credentials[:4], sys.byteorder)
        return "local", Path(f"/proc/{listener}/comm").read_text().strip()
    return None, None


def check_direct(session: Session, *, is_session_mode: bool) -> str:
    """
    The pooler in between, if there is one and it is said to be in session mode; else empty.

    Raises ConfigError for any other pooler.
    """
    pooler = find_pooler(session)
    if pooler and not is_session_mode:
        raise ConfigError(
            f"{pooler} answers in place of the server. Migrations need one connection of the "
            f"server for as long as they run. {REMEDY}"
        )
    return pooler


def check_direct_server(conninfo: Given, *, pooler_is_session_mode: bool = False) -> None:
    """
    Raise ConfigError where a pooler answers at ``conninfo`` that is not said to be in session mode.

    Raises psycopg.OperationalError if there is no connection.
    """
    with closing(open_session(conninfo, Session.lock_timeout)) as session:
        check_direct(session, is_session_mode=pooler_is_session_mode)


def check_session_mode(first: Session, second: Session) -> None:
    """
    Raise ConfigError if the pooler is plainly not in session mode.

    That is so if two sessions have the same connection of the server, or one of them has another
    one than before.
    """

    def backend(session: Session) -> object:
        row = session.execute("select pg_backend_pid()").fetchone()
        return row and row[0]

    before, other, after = backend(first), backend(second), backend(first)
    if before != after or before == other:
        raise ConfigError(
            "the pooler is not in session mode: it gave one connection of the server to two "
            "sessions. Give the address of the server itself with --direct-url URL or "
            "RAXOL_DB_MIGRATION_URL"
        )

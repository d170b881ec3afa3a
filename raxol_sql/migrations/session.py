"""
A session: one connection to the server, set up for running migrations.

The settings are made by statements after connecting, and not through ``options``: those would
replace what the connection string or ``PGOPTIONS`` already says there.
"""

from __future__ import annotations

from contextlib import suppress

import psycopg
from psycopg.rows import TupleRow

from raxol_sql.config import Conninfo
from raxol_sql.config.conninfo import Given
from raxol_sql.errors import ConfigError

__all__ = ["APPLICATION_NAME", "Session", "check_conninfo", "open_session", "server_lost"]

APPLICATION_NAME = "raxol_sql migrate"

Session = psycopg.Connection[TupleRow]

# A build may take hours, so nothing but the wait for a lock is bounded. transaction_timeout came
# with PostgreSQL 17, hence the detour over pg_settings.
SETTINGS = """
select set_config(name, case name when 'lock_timeout' then %s else '0' end, false)
from pg_settings
where name in (
    'lock_timeout',
    'statement_timeout',
    'transaction_timeout',
    'idle_in_transaction_session_timeout'
)
"""

# Without it the statement of a killed client goes on until it has something to send. It came with
# PostgreSQL 14, and servers on some systems refuse it.
WATCH_CLIENT = """
select set_config(name, '1000', false)
from pg_settings
where name = 'client_connection_check_interval'
"""


def check_conninfo(conninfo: Given) -> None:
    """
    Nothing, if libpq can read ``conninfo``.

    Raises ConfigError. libpq's own message is left out on purpose: it quotes the part it could
    not read, which may be half a password, such as what stands before a / where the port would.
    """
    try:
        ports = Conninfo.of(conninfo).parameters.get("port", "").split(",")
    except psycopg.ProgrammingError:
        readable = False
    else:
        readable = all(port == "" or port.strip().isdecimal() for port in ports)
    if not readable:
        raise ConfigError(
            "the connection string for migrations cannot be read; "
            "a value with blanks needs quotes, and in a URL @ / % : must be percent-encoded"
        )


def open_session(conninfo: Given, lock_timeout: float) -> Session:
    """
    A connection in autocommit mode whose waits for locks end after ``lock_timeout`` seconds.

    Raises psycopg.OperationalError if there is no connection.
    """
    conninfo = Conninfo.of(conninfo)
    session = conninfo.connect(
        autocommit=True,
        application_name=APPLICATION_NAME,
        client_encoding="utf8",
        prepare_threshold=None,
    )
    try:
        session.execute(SETTINGS, [f"{round(lock_timeout * 1000)}ms"])
        with suppress(psycopg.errors.InvalidParameterValue):
            session.execute(WATCH_CLIENT)
    except BaseException:
        session.close()
        raise
    return session


def server_lost(error: BaseException | None) -> bool:
    """
    Whether ``error`` or one of its causes says that the server is gone or was never reached.

    So for a failure of the connection and for a shutdown, and not for a statement that failed.
    """
    while error is not None:
        if isinstance(error, psycopg.OperationalError) and (
            error.sqlstate is None
            or error.sqlstate.startswith("08")
            or error.sqlstate in {"57P01", "57P02", "57P03"}
        ):
            return True
        error = error.__cause__
    return False

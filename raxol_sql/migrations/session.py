"""
A session: one connection to the server, set up for running migrations.

The limits are set by statements, and not through ``options``: those would replace what the
connection string or ``PGOPTIONS`` already says there, and poolers reject them. They are set for a
transaction wherever there is one, and reset where there is none, so that no connection of a pooler
keeps them for its next client.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast

import psycopg
from psycopg.rows import TupleRow

from raxol_sql.config import Conninfo
from raxol_sql.config.conninfo import Given
from raxol_sql.errors import ConfigError

__all__ = [
    "APPLICATION_NAME",
    "Session",
    "check_conninfo",
    "open_session",
    "opened_session",
    "server_lost",
]

APPLICATION_NAME = "raxol_sql migrate"

# A build may take hours, so nothing but the wait for a lock is bounded. transaction_timeout came
# with PostgreSQL 17, hence the detour over pg_settings.
SET_LIMITS = """
select set_config(name, case name when 'lock_timeout' then %s else '0' end, %s)
from pg_settings
where name in (
    'lock_timeout',
    'statement_timeout',
    'transaction_timeout',
    'idle_in_transaction_session_timeout'
)
"""

RESET_LIMITS = """
select set_config(name, reset_val, false)
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


class Session(psycopg.Connection[TupleRow]):
    """
    A connection in autocommit mode, with the seconds that its statements wait for a lock.

    For one thread at a time.
    """

    lock_timeout: float = 5.0

    @contextmanager
    def limited_transaction(self, *, force_rollback: bool = False) -> Iterator[None]:
        """A transaction in which only the wait for a lock is limited."""
        with self.transaction(force_rollback=force_rollback):
            self.set_limits(for_transaction=True)
            yield

    @contextmanager
    def limited(self) -> Iterator[None]:
        """A block of statements without a transaction; the limits go with the block."""
        self.set_limits(for_transaction=False)
        try:
            yield
        finally:
            # Of a connection that broke, nothing is left to reset.
            with suppress(psycopg.Error):
                self.rollback()
                self.execute(RESET_LIMITS)

    def set_limits(self, *, for_transaction: bool) -> None:
        self.execute(SET_LIMITS, [f"{round(self.lock_timeout * 1000)}ms", for_transaction])


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

    The limit holds in the blocks of `Session`. Raises psycopg.OperationalError if there is no
    connection.
    """
    conninfo = Conninfo.of(conninfo)
    connection = conninfo.connect(
        Session,
        autocommit=True,
        application_name=APPLICATION_NAME,
        client_encoding="utf8",
        prepare_threshold=None,
    )
    session = cast(Session, connection)
    session.lock_timeout = lock_timeout
    return session


@contextmanager
def opened_session(conninfo: Given, lock_timeout: float) -> Iterator[Session]:
    """
    A session that runs migrations or holds their lock, for a block.

    The server ends its statements when this process is gone. What a migration set for its session
    is reset in the end, as a pooler may give the connection to another client.
    """
    session = open_session(conninfo, lock_timeout)
    try:
        with suppress(psycopg.errors.InvalidParameterValue):
            session.execute(WATCH_CLIENT)
        yield session
    finally:
        with suppress(psycopg.Error):
            session.rollback()
            session.execute("discard all")
        session.close()


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

"""The session in which maintenance runs, and a second one that watches it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

import attrs
import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from raxol_sql import server
from raxol_sql.engine import Database
from raxol_sql.errors import RaxolSQLError
from raxol_sql.ops.locks.blocked import Blocked, blocked
from raxol_sql.ops.maintenance.progress import Progress, progress

APPLICATION_NAME = "raxol_sql maintenance"

# What the role or the database says of these is meant for queries. transaction_timeout came with
# PostgreSQL 17 and idle_session_timeout with 14, hence the detour over pg_settings. What is
# skipped for want of a right is told of in a warning, and nowhere else.
_SETTINGS = """
select set_config(
    name,
    case name
        when 'lock_timeout' then %s
        when 'statement_timeout' then %s
        when 'client_min_messages' then 'warning'
        else '0'
    end,
    false
)
from pg_settings
where name in (
    'lock_timeout',
    'statement_timeout',
    'client_min_messages',
    'transaction_timeout',
    'idle_in_transaction_session_timeout',
    'idle_session_timeout'
)
"""

# Without it the statement of a killed client goes on to its end. It came with PostgreSQL 14, and
# servers on some systems refuse it.
_WATCH_CLIENT = """
select set_config(name, '1000', false)
from pg_settings
where name = 'client_connection_check_interval'
"""

# Seconds between two looks at a statement; the first one has to come before a short lock_timeout.
_FIRST_LOOK, _LONGEST = 0.03, 0.5
# Seconds in which a server has to answer; the statement itself takes what it takes.
_SILENT = 30.0
_NOT_THERE = "the server has not answered for 30 s, and the outcome of the statement is unknown"
# Seconds for a statement to end that was cancelled, and between two cancellations: one that comes
# before the statement is lost.
_ENDING, _AGAIN = 10.0, 0.3


@attrs.frozen
class Look:
    """What was seen of a statement that runs: its progress, and the lock that it waits for."""

    progress: Progress | None
    blocked: Blocked | None


Watch = Callable[[Look], None]


@attrs.frozen
class Warned:
    """
    A warning of the server: its words, and the function of the server that it comes from.

    The words may be in any language.
    """

    words: str
    function: str


@attrs.frozen
class Ran:
    """
    How a statement ended: with an ``error`` or without one, and with which warnings.

    ``blocked`` is the last lock wait that was seen, None if there was none.
    """

    error: psycopg.Error | None
    warnings: tuple[Warned, ...]
    blocked: Blocked | None


class Attendant:
    """
    Runs maintenance on a separate connection, in autocommit, and looks at it through ``db``.

    ``lock_timeout`` is how long it waits for each lock, and ``timeout`` how long a statement may
    take, in milliseconds, 0 for no limit; limits of the role do not count. A ``with`` block
    connects and closes; the driver's errors come out where there is no connection. A connection
    that the server ended is made again for the next statement. One thread at a time.
    """

    def __init__(self, db: Database, *, lock_timeout: int = 5000, timeout: int = 0) -> None:
        self.db = db
        self.lock_timeout = lock_timeout
        self.timeout = timeout
        self._connection: psycopg.Connection[TupleRow] | None = None
        self._warnings: list[Warned] = []

    def __enter__(self) -> Self:
        self._connect()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._connection is not None:
            self._connection.close()

    def run(self, statement: sql.Composed, watch: Watch | None = None) -> Ran:
        """
        How the statement ended, after it did; ``watch`` is told now and then how far it is.

        An exception during that, such as KeyboardInterrupt, cancels it on the server, waits for its
        end, and goes on.
        """
        connection = self._connect()
        self._warnings.clear()
        ended = threading.Event()
        errors: list[BaseException] = []

        def work() -> None:
            try:
                connection.execute(statement)
            except BaseException as error:
                errors.append(error)
            finally:
                ended.set()

        # The end of the process does not wait for a server that does not answer.
        worker = threading.Thread(target=work, name=APPLICATION_NAME, daemon=True)
        try:
            worker.start()
            seen = self._look_until(ended, connection.info.backend_pid, watch)
        except BaseException:
            if not _cancel(connection, ended):
                # A connection that another thread waits for is not closed.
                self._connection = None
            raise
        worker.join()
        error = errors[0] if errors else None
        if error is not None and not isinstance(error, psycopg.Error):
            raise error
        return Ran(error, tuple(self._warnings), seen)

    def _look_until(self, ended: threading.Event, pid: int, watch: Watch | None) -> Blocked | None:
        pause, seen = _FIRST_LOOK, None
        heard = time.monotonic()
        while not ended.wait(pause):
            pause = min(pause * 1.5, _LONGEST)
            try:
                now = next(iter(blocked(self.db, pid)), None)
                # The look that comes as it gives up sees nothing any more.
                seen = now or seen
                if watch is not None:
                    watch(Look(next(iter(progress(self.db, pid)), None), now))
            except (psycopg.Error, RaxolSQLError):
                # What is wrong with a server that answers is said by the statement itself.
                if time.monotonic() - heard > _SILENT and not self.db.health().ok:
                    raise psycopg.OperationalError(_NOT_THERE) from None
            else:
                heard = time.monotonic()
        return seen

    def _connect(self) -> psycopg.Connection[TupleRow]:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        connection = server.target(self.db.config).connect(
            autocommit=True,
            application_name=APPLICATION_NAME,
            client_encoding="utf8",
            prepare_threshold=None,
            connect_timeout=5,
        )
        try:
            connection.execute(_SETTINGS, [str(self.lock_timeout), str(self.timeout)])
            with suppress(psycopg.errors.InvalidParameterValue):
                connection.execute(_WATCH_CLIENT)
        except BaseException:
            connection.close()
            raise
        connection.add_notice_handler(self._notice)
        self._connection = connection
        return connection

    def _notice(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            # What it is made from is gone after this.
            words, function = notice.message_primary, notice.source_function
            self._warnings.append(Warned(words or "", function or ""))


def _cancel(connection: psycopg.Connection[TupleRow], ended: threading.Event) -> bool:
    """Cancels what runs until it has ended, for some seconds; gives whether it has."""
    until = time.monotonic() + _ENDING
    while not ended.is_set() and time.monotonic() < until:
        with suppress(psycopg.Error):
            connection.cancel_safe(timeout=_ENDING)
        ended.wait(_AGAIN)
    return ended.is_set()

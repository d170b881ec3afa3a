"""Logging in once, within a time, and hearing who answers."""

from __future__ import annotations

import threading
from functools import partial
from math import ceil
from time import monotonic, perf_counter
from typing import Any

import attrs
import psycopg

from raxol_sql.config import Conninfo
from raxol_sql.config.conninfo import Given
from raxol_sql.engine.core.concurrency import BLOCKING, Connection, run_sync
from raxol_sql.engine.pool.connector import Connector, with_defaults
from raxol_sql.engine.session.server_inquiry import ServerInquiry
from raxol_sql.engine.wire.pipeline import Pipeline
from raxol_sql.errors import DeadlineExceededError
from raxol_sql.ops.own_queries import own_queries
from raxol_sql.queries import BoundQuery
from raxol_sql.telemetry import LostPromise

_MAINTENANCE = "postgres"
_YES = b"t"


@attrs.frozen
class Greeting:
    """
    Who answers: the server's ``version`` and ``database``, and the ``role`` that it knows us by.

    ``ms`` is what the question took, there and back. ``is_pooled`` says that a pooler lends the
    connections, ``is_standby`` that the server takes no writes. ``lost`` are the promises that do
    not hold there for that role.
    """

    version: str
    database: str
    role: str
    is_standby: bool
    is_pooled: bool
    ms: float
    lost: tuple[LostPromise, ...] = ()


@attrs.frozen
class LoggedIn:
    """
    A login that worked, and is over.

    ``is_missing`` says that the database that was looked for is not there.
    """

    greeting: Greeting
    used_password: bool
    is_missing: bool = False


def log_in(conninfo: Given, timeout: float, *, looking_for: str | None = None) -> LoggedIn:
    """
    Logs in to the database of ``conninfo``, asks who answers, and leaves.

    With ``looking_for`` it is the server's maintenance database, which is asked whether there is a
    database of that name. Connecting and asking take at most ``timeout`` seconds each: TimeoutError
    is raised then, and else the driver's error, with the SQLSTATE where the system lets it be
    known.
    """
    conninfo = Conninfo.of(conninfo)
    changed = {"dbname": _MAINTENANCE} if looking_for else {}
    bounded = conninfo.changed(connect_timeout=max(2, ceil(timeout)), **changed)
    dial = Connector(BLOCKING, _as_it_is)
    over = threading.Event()

    def give_up() -> None:
        over.set()
        dial.give_up()

    timer = threading.Timer(timeout, give_up)
    timer.daemon = True
    timer.start()
    try:
        connection: Any = run_sync(dial.attempt(with_defaults(bounded, 0), autocommit=True))
    except psycopg.OperationalError as error:
        if over.is_set() or isinstance(error, psycopg.errors.ConnectionTimeout):
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()
    with connection:
        try:
            return _heard(connection, timeout, looking_for)
        except DeadlineExceededError:
            raise TimeoutError from None


async def _as_it_is(connection: Connection) -> None:
    """What there is to do with a connection that is asked one thing."""


def _heard(connection: Any, timeout: float, looking_for: str | None) -> LoggedIn:
    queries = own_queries(__file__, "reaching")
    since = perf_counter()
    role, database = _asked(connection, queries.greeting(), timeout)
    took = (perf_counter() - since) * 1000
    wire = Pipeline(BLOCKING, connection)
    wire.until = monotonic() + timeout
    facts = run_sync(ServerInquiry(logged=False).ask(wire))
    version = connection.pgconn.parameter_status(b"server_version") or b"of an unknown version"
    greeting = Greeting(
        version.decode(),
        database.decode(errors="replace"),
        role.decode(errors="replace"),
        facts.is_standby,
        facts.is_pooled,
        took,
        facts.lost,
    )
    used_password = bool(connection.pgconn.used_password)
    if looking_for is None:
        return LoggedIn(greeting, used_password)
    (exists,) = _asked(connection, queries.database_exists(name=looking_for), timeout)
    return LoggedIn(greeting, used_password, exists != _YES)


def _asked(connection: Any, bound: BoundQuery[Any], timeout: float) -> list[bytes]:
    """The one row of a query whose values are texts; it is prepared nowhere."""
    wire = Pipeline(BLOCKING, connection)
    wire.until = monotonic() + timeout
    values = [str(value).encode() for value in bound.values]
    sending = partial(connection.pgconn.send_query_params, bound.statement.text.encode(), values)
    result = run_sync(wire.ask(sending))
    return [result.get_value(0, column) or b"" for column in range(result.nfields)]

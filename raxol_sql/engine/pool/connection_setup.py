"""Set-up of new connections."""

from __future__ import annotations

import weakref
from os import getpid
from time import monotonic
from typing import Any

import psycopg

from raxol_sql.config import Config, Conninfo
from raxol_sql.engine.core.concurrency import Connection, IOBackend
from raxol_sql.engine.pool.connector import check_literals, longest_connecting
from raxol_sql.engine.session.server_inquiry import ServerInquiry
from raxol_sql.engine.session.session import Session
from raxol_sql.engine.session.type_options import TypeOptions
from raxol_sql.engine.types.interval_loaders import guard
from raxol_sql.engine.wire.pipeline import Pipeline
from raxol_sql.errors import DeadlineExceededError
from raxol_sql.failures import ServerEpochs

# The attribute of a connection for its session.
_SESSION = "raxol_sql"
# Minimum time in seconds for the queries that set up a new connection.
_LEAST = 1.0
# A dict used as a set that threads may change. A WeakSet would run Python code when an entry goes,
# and lose what a signal handler raises in it.
Wires = dict[weakref.ref[Pipeline], None]


async def set_up_connection(
    colour: IOBackend,
    config: Config,
    inquiry: ServerInquiry,
    types: TypeOptions,
    wires: Wires,
    lives: ServerEpochs,
    connection: Connection,
) -> None:
    """Set up a new connection, and record it in ``wires`` and its server in ``lives``."""
    session = await set_up_session(colour, config, connection, inquiry, types)
    for reference in [*wires]:
        if reference() is None:
            wires.pop(reference, None)
    wires[weakref.ref(session.wire)] = None
    if session.incarnation is not None:
        lives.note(session.incarnation, session.facts.first_xid)


async def set_up_session(
    colour: IOBackend,
    config: Config,
    connection: Connection,
    inquiry: ServerInquiry,
    types: TypeOptions,
) -> Session:
    """
    Return the session of a new connection, with server facts and timeouts.

    Raises the driver's errors if the server does not answer in time, and those of the program's
    hook.
    """
    check_literals(connection)
    guard(connection, types.infinity)
    session = Session(colour, connection, types.catalogue, lasting=config.prepare)
    session.pid = getpid()
    limit = None if config.leaves_statement_timeout else config.timeout
    # A connection outlives the call, so it has at least a second even if calls have less.
    session.wire.until = monotonic() + max(_LEAST, longest_connecting(config.timeout))
    try:
        await session.begin(limit, config.timeout, inquiry)
        await types.check(session)
    except DeadlineExceededError:
        # It belongs to no call and to no statement.
        error = "the server accepted the connection but did not respond"
        raise psycopg.errors.ConnectionTimeout(error) from None
    except psycopg.errors.QueryCanceled as error:
        # By the role's statement_timeout, which a busy server exceeds: the next attempt may not.
        told = f"the server cancelled the set-up of the connection: {error}"
        raise psycopg.errors.ConnectionTimeout(told) from None
    session.detach()
    await types.run_on_connect(colour, session)
    put_session(session)
    return session


def psycopg_pool(
    colour: IOBackend, conninfo: Conninfo, config: Config, connector: object, timeout: float
) -> Any:
    """Return a pool of psycopg_pool, not open yet, of the class for the I/O backend."""
    pool_class: Any = colour.pool
    return pool_class(
        conninfo,
        connection_class=connector,
        kwargs={"autocommit": True},
        open=False,
        min_size=config.pool_min_size,
        max_size=config.pool_size,
        max_idle=config.idle_timeout / 1000,
        timeout=timeout,
        name="raxol_sql",
    )


def take_session(connection: Any) -> Session:
    """Detach and return the session of a connection that leaves psycopg_pool for a caller."""
    session: Session = vars(connection).pop(_SESSION)
    return session


def put_session(session: Session) -> None:
    """Attach the session to its connection while psycopg_pool has it."""
    vars(session.connection)[_SESSION] = session

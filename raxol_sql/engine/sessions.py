"""Where a session comes from: a pool of connections, or the one of a transaction."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import PoolClosed

from raxol_sql.config import Config
from raxol_sql.engine.colour import Colour, Connection
from raxol_sql.engine.session import Session
from raxol_sql.engine.types import guard
from raxol_sql.errors import ConfigError, TransactionError


class Sessions(Protocol):
    """A source of sessions. What was acquired is released, come what may."""

    async def acquire(self) -> Session: ...

    async def release(self, session: Session) -> None: ...


@asynccontextmanager
async def held(sessions: Sessions) -> AsyncIterator[Session]:
    """A session for the length of a block."""
    session = await sessions.acquire()
    try:
        yield session
    finally:
        await sessions.release(session)


class PooledSessions:
    """
    Sessions on the connections of a pool, which are in autocommit.

    `open` makes one connection itself, so that a wrong address or password is an error of its own
    there, and not a pool that stays empty. Safe for threads or tasks, as psycopg_pool is.
    """

    def __init__(self, colour: Colour, config: Config) -> None:
        self._colour = colour
        self._config = config
        self._opening = colour.lock()
        self._pool: Any = None

    async def open(self, conninfo: str) -> None:
        """Connects once to see that it works, and opens the pool; an open one stays as it is."""
        async with self._opening:
            if self._pool is None:
                conninfo = _completed(conninfo, self._config.timeout)
                await self._try(conninfo)
                self._pool = await self._opened(conninfo)

    async def _try(self, conninfo: str) -> None:
        """Raises here what would otherwise fail in the pool's own time, again and again."""
        wait = self._colour.wait
        first = await wait(self._colour.connect(conninfo, autocommit=True))
        try:
            _check(first)
            await self._configure(first)
        finally:
            await wait(first.close())

    async def _opened(self, conninfo: str) -> Any:
        config = self._config
        # The longest wait that a lock takes stands for none; it refuses infinity.
        longest = config.timeout / 1000 or threading.TIMEOUT_MAX
        pool = self._colour.pool(
            conninfo,
            kwargs={"autocommit": True},
            open=False,
            configure=self._colour.callback(self._configure),
            min_size=config.pool_min_size,
            max_size=config.pool_size,
            max_idle=config.idle_timeout / 1000,
            timeout=longest,
            name="raxol_sql",
        )
        # Waits for the connections that are kept: asyncio cannot end a loop, and would hang, in
        # the moment in which the pool connects.
        await self._colour.wait(pool.open(wait=True, timeout=longest))
        return pool

    async def close(self) -> None:
        """Closes every connection; a session still held is closed when it is released."""
        if self._pool is not None:
            await self._colour.wait(self._pool.close())

    async def acquire(self) -> Session:
        if self._pool is None:
            raise PoolClosed("this database is not open: get it from open(), awaited for asyncio")
        connection = await self._colour.wait(self._pool.getconn())
        return Session(self._colour, connection)

    async def release(self, session: Session) -> None:
        connection = session.connection
        try:
            await session.give_back()
        finally:
            await self._colour.wait(self._pool.putconn(connection))

    async def _configure(self, connection: Connection) -> None:
        guard(connection)
        if not self._config.leaves_statement_timeout:
            limit = str(self._config.timeout)
            await Session(self._colour, connection).execute(
                "select set_config('statement_timeout', $1, false)", (limit,)
            )


class PinnedSession:
    """The one session of a transaction; nobody else has it, and it is not given back."""

    def __init__(self) -> None:
        self._session: Session | None = None

    async def acquire(self) -> Session:
        if self._session is None:
            raise TransactionError("this transaction is not open: use it inside of its with block")
        return self._session

    async def release(self, session: Session) -> None:
        """Nothing: the transaction keeps it."""

    def begin(self, session: Session) -> None:
        """From now on ``session`` is to be had here."""
        self._session = session

    def end(self) -> None:
        """After this the session is no longer to be had here."""
        self._session = None


def _completed(conninfo: str, timeout: int) -> str:
    """``conninfo`` with a name for the server's views, and with a bound on connecting."""
    given = conninfo_to_dict(conninfo)
    added: dict[str, Any] = {"fallback_application_name": "raxol_sql"}
    if timeout and "connect_timeout" not in given:
        # libpq counts whole seconds, and takes less than two for two.
        added["connect_timeout"] = max(2, -(-timeout // 1000))
    # Names and texts come in this encoding, whatever PGCLIENTENCODING asks for.
    return make_conninfo("", **{**added, **given, "client_encoding": "utf8"})


def _check(connection: Connection) -> None:
    """Raises `ConfigError` for a server on which our lexer would read literals wrongly."""
    if connection.info.parameter_status("standard_conforming_strings") != "on":
        raise ConfigError(
            "standard_conforming_strings is off for this role or database: literals would mean "
            "something else than they say; alter role ... set standard_conforming_strings = on"
        )

"""Where a session comes from: a pool of connections, or the one of a transaction."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any, Protocol

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import PoolClosed

from raxol_sql.config import Config
from raxol_sql.engine.colour import Colour, Connection
from raxol_sql.engine.session import Session
from raxol_sql.engine.types import guard
from raxol_sql.errors import ConfigError, TransactionError

# Where a connection keeps its session.
_SESSION = "raxol_sql"
_AT_HAND = 60.0


class Sessions(Protocol):
    """
    A source of sessions.

    One is acquired for a call, and released after it; or reserved for a block of calls, and freed
    after that. What was taken is given back, come what may.
    """

    async def acquire(self) -> Session: ...

    async def release(self, session: Session) -> None: ...

    async def reserve(self) -> Session: ...

    async def free(self, session: Session) -> None: ...


@asynccontextmanager
async def held(sessions: Sessions) -> AsyncIterator[Session]:
    """A session for the length of a call."""
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

    As many sessions as the pool keeps open anyway stay here between two calls, at hand: to take
    a connection out of the pool and to put it back costs a good part of a short call. One does so
    for a minute at most, so that the pool sees each of its connections now and then; and none
    while somebody waits for the pool.
    """

    def __init__(self, colour: Colour, config: Config) -> None:
        self._colour = colour
        self._config = config
        self._opening = colour.lock()
        self._pool: Any = None
        self._open = False
        self._at_hand: deque[Session] = deque()
        self._waiting: deque[None] = deque()

    async def open(self, conninfo: str) -> None:
        """Connects once to see that it works, and opens the pool; an open one stays as it is."""
        async with self._opening:
            if self._pool is None:
                conninfo = _completed(conninfo, self._config.timeout)
                await self._try(conninfo)
                self._pool = await self._opened(conninfo)
                self._open = True

    async def close(self) -> None:
        """Closes every connection; a session still held is closed when it is released."""
        self._open = False
        with suppress(IndexError):  # another thread may take the last one
            while True:
                await self._put(self._at_hand.pop())
        if self._pool is not None:
            await self._colour.wait(self._pool.close())

    async def acquire(self) -> Session:
        if self._at_hand:
            try:
                return self._at_hand.pop()
            except IndexError:  # another thread was faster
                pass
        return await self._get()

    async def release(self, session: Session) -> None:
        if (
            self._open
            and not self._waiting
            and len(self._at_hand) < self._config.pool_min_size
            and session.is_idle
            and monotonic() - session.since < _AT_HAND
        ):
            self._at_hand.append(session)
            # Whoever began to wait, or closed this, in this moment, did not see it.
            if self._open and not self._waiting:
                return
            try:
                session = self._at_hand.pop()
            except IndexError:
                return
        await self._put(session)

    async def reserve(self) -> Session:
        return await self.acquire()

    async def free(self, session: Session) -> None:
        await self.release(session)

    async def _get(self) -> Session:
        if self._pool is None:
            raise PoolClosed("this database is not open: get it from open(), awaited for asyncio")
        self._waiting.append(None)
        try:
            if self._at_hand:
                try:
                    return self._at_hand.pop()
                except IndexError:
                    pass
            connection = await self._colour.wait(self._pool.getconn())
        finally:
            self._waiting.pop()
        session: Session = vars(connection)[_SESSION]
        session.since = monotonic()
        return session

    async def _put(self, session: Session) -> None:
        session.detach()
        await self._colour.wait(self._pool.putconn(session.connection))

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
        try:
            await self._colour.wait(pool.open(wait=True, timeout=longest))
        except BaseException:
            await self._colour.wait(pool.close())
            raise
        return pool

    async def _configure(self, connection: Connection) -> None:
        guard(connection)
        session = Session(self._colour, connection, lasting=self._config.prepare)
        vars(connection)[_SESSION] = session
        await session.begin(None if self._config.leaves_statement_timeout else self._config.timeout)
        session.detach()


class PinnedSession:
    """The one session of a transaction: calls take turns on it, and it is not given back."""

    def __init__(self) -> None:
        self._session: Session | None = None
        self._is_over = False

    async def acquire(self) -> Session:
        session = await self.reserve()
        await session.turn.__aenter__()
        if self._session is None:  # it ended while this waited
            await session.turn.__aexit__(None, None, None)
        return await self.reserve()

    async def release(self, session: Session) -> None:
        await session.turn.__aexit__(None, None, None)

    async def reserve(self) -> Session:
        if self._session is None:
            state = "over" if self._is_over else "not open"
            raise TransactionError(f"this transaction is {state}: use it inside of its with block")
        return self._session

    async def free(self, session: Session) -> None:
        """Nothing: the transaction keeps it."""

    def begin(self, session: Session) -> None:
        """From now on ``session`` is to be had here."""
        self._session = session

    def end(self) -> None:
        """After this the session is no longer to be had here."""
        self._session = None
        self._is_over = True


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

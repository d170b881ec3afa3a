"""The background worker of a pool: the only user of psycopg_pool."""

from __future__ import annotations

import logging
import weakref
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from os import getpid
from time import monotonic
from typing import Any

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout

from raxol_sql.config import Conninfo
from raxol_sql.engine.core.concurrency import IOBackend
from raxol_sql.engine.core.driver_internals import idle_connections
from raxol_sql.engine.core.mailbox import Mailbox
from raxol_sql.engine.pool.checkouts import pool_exhausted
from raxol_sql.engine.pool.connection_setup import put_session, take_session
from raxol_sql.engine.pool.connector import LONGEST_PAUSE, ConnectFailure, Connector
from raxol_sql.engine.pool.first_connection import first_connection
from raxol_sql.engine.pool.session_queue import SessionQueue
from raxol_sql.engine.pool.session_registry import RegisteredSession, SessionRegistry
from raxol_sql.engine.pool.stop import stop
from raxol_sql.engine.session.session import Session

# Seconds that one request to psycopg_pool may take before the waiting callers are checked again.
_SLICE = 0.5
_SURPLUS = 1.0  # idle time after which a surplus session returns to psycopg_pool
# Seconds that callers may wait, with free connection slots and no attempt in progress, before
# psycopg_pool is assumed to have lost count of its connections, and is replaced.
_STUCK = 2.0
_OPENING = 10.0  # minimum time for opening the kept connections
_COMMAND = 30.0  # time for a command, such as closing the pool
_STOPPING = 1.5  # time for the server to end a statement whose caller is gone
CLOSED = "this database is closed"
_NOT_ENDED = (
    "a connection was not returned, so the pool closed and replaced it: %s. Use `with`, so that "
    "the transaction or stream ends."
)
_INTERRUPTED = (
    "a call was interrupted while it held a connection; the pool closed and replaced the "
    "connection; this is logged once"
)
_log = logging.getLogger("raxol_sql.pool")


class PoolKeeper:
    """
    The worker that takes connections from psycopg_pool and returns them.

    psycopg_pool loses a connection when ``getconn`` or ``putconn`` is cancelled, or interrupted by
    an exception of a signal handler. So callers never run them: two workers of this object do,
    threads of a synchronous database or tasks of an asyncio one, which signals and cancellation do
    not reach. Callers write to mailboxes, which no interruption can leave half done.

    `want` requests sessions for the ``queue``; `retire` returns one; `drain`, `resize` and `close`
    are psycopg_pool's. An unreferenced session, or one that a call did not return, is stopped and
    replaced. ``kept`` idle sessions are not returned. A psycopg_pool that has lost count of its
    connections is replaced, with a warning.
    """

    def __init__(
        self,
        colour: IOBackend,
        make_pool: Callable[[], Any],
        dial: Connector,
        *,
        least: int,
        most: int,
    ) -> None:
        self.kept = least
        self.epoch = 0.0
        self.queue = SessionQueue()
        self._colour = colour
        self._make_pool = make_pool
        self._dial = dial
        self._pool: Any = None
        self._past: Counter[str] = Counter()
        self._size = most
        self._is_closed = self._watches_surplus = self._has_warned = False
        self._stuck_since: float | None = None
        self._alive: dict[Mailbox, Callable[[], bool]] = {}
        self._wanted: Mailbox = colour.mailbox()
        self._returned: Mailbox = colour.mailbox()
        self.checkouts = SessionRegistry(self.queue.idle, self._returned.put)

    async def open(self, conninfo: Conninfo | None, seconds: float, wait: float = 0.0) -> None:
        """
        Open psycopg_pool's pool, and wait up to so many seconds for its minimum connections.

        With a ``conninfo`` it connects once before that, within ``wait`` seconds, so that a wrong
        address raises here.
        """

        async def open_() -> None:
            async with first_connection(self._colour, self._dial, conninfo, wait):
                self._pool = pool = self._make_pool()
                await self._colour.wait(pool.open(wait=True, timeout=max(seconds, _OPENING)))

        # Each of these steps has its own deadline.
        await self._command(open_, None)

    @property
    def is_over(self) -> bool:
        """Return whether the pool is closed and every connection is back."""
        return self._is_closed and not len(self.checkouts)

    def find_abandoned(self) -> list[Session]:
        """Return the sessions that calls did not return when they ended; see `SessionRegistry`."""
        return self.checkouts.find_abandoned(self._colour.holds)

    def repair(self) -> None:
        """Replace such sessions."""
        self._returned.put(self._repair)

    def figures(self) -> Mapping[str, int]:
        """Return psycopg_pool's statistics, including those of replaced pools."""
        figures = Counter({} if self._pool is None else self._pool.get_stats())
        figures.update(self._past)
        return figures

    def want(self) -> None:
        """Request connections of psycopg_pool for the callers in the queue."""
        self._ensure_workers()
        self._wanted.put(None)

    def retire(self, session: Session) -> None:
        """Return a session to psycopg_pool, which replaces it unless it is free."""
        self._ensure_workers()
        session.holding = None
        self._returned.put(session)

    def watch_surplus(self) -> None:
        """Return idle sessions beyond the minimum after a while."""
        if not self._watches_surplus:
            self._returned.put(None)

    def timeout_error(self, since: float, refused: Exception | None, who: Any) -> Exception:
        """Return the error for a caller that timed out: the last failure, or the checkouts."""
        now = monotonic()
        told = f"no connection was established within {now - since:.1f} s"
        holdings = self.checkouts.holdings()
        has_room = len(holdings) < self._size
        if refused is None and has_room:
            trouble = self._dial.trouble(since - LONGEST_PAUSE)
            refused = None if trouble is None else trouble.error
        if refused is not None:
            refused.add_note(told)
            return refused
        if has_room and self._dial.is_trying:
            return psycopg.errors.ConnectionTimeout(f"{told}: {self._dial.silent}")
        return pool_exhausted(
            holdings,
            now=now,
            name_of=self._colour.name_of,
            size=self._size,
            waited=now - since,
            waiting=len(self.queue.waiters()),
            me=who,
        )

    async def drain(self) -> None:
        """Replace every connection, those in use when they are returned."""
        await self._command(self._drain)

    async def resize(self, least: int, most: int) -> None:
        """Change the bounds of psycopg_pool's pool."""

        async def resize() -> None:
            await self._colour.wait(self._pool.resize(least, most))
            self._size, self.kept = most, least
            while len(self.queue.idle) > least and (session := self.queue.take_oldest()):
                await self._give_back(session)

        await self._command(resize)

    async def close(self, seconds: float) -> None:
        """Close psycopg_pool's pool, with a time limit for its connection attempts."""
        if not self._is_closed:
            self._dial.give_up()
            await self._command(partial(self._close_pool, seconds))
        for waiter in self.queue.waiters():
            waiter.mailbox.put(PoolClosed(CLOSED))

    def abandon(self) -> None:
        """Close everything without waiting."""
        self._dial.give_up()
        self._returned.put(partial(self._close_pool, _SLICE))

    async def _close_pool(self, seconds: float) -> None:
        self._is_closed = True
        # Both workers check whether anything is left to do.
        self._wanted.put(None)
        await self._give_back_all()
        if self._pool is not None:
            await self._end(self._pool, seconds)

    async def _command(
        self, work: Callable[[], Awaitable[None]], seconds: float | None = _COMMAND
    ) -> None:
        """Let the worker run a command, and wait for it; raises what it raises."""
        answer = self._colour.mailbox()

        async def answered() -> None:
            try:
                await work()
            except Exception as error:
                answer.put(error)
            else:
                answer.put(True)

        self._ensure_workers()
        self._returned.put(answered)
        if (done := await answer.get(seconds)) is None:
            raise PoolTimeout(f"the pool did not finish this within {seconds:.0f} s: try again")
        if isinstance(done, Exception):
            raise done

    def _ensure_workers(self) -> None:
        """Start the workers, again if a program has cancelled all tasks of its loop."""
        for mailbox, step in ((self._wanted, self._supply), (self._returned, self._take_back)):
            is_alive = self._alive.get(mailbox)
            if is_alive is None or not (is_alive() or self.is_over):
                self._alive[mailbox] = self._colour.start(_serve(self, mailbox, step))

    async def _supply(self, _: object) -> None:
        """Take connections from psycopg_pool as long as callers wait for one."""
        pool = self._pool
        while self.queue.waiters() and not self._is_closed and pool is self._pool:
            try:
                connection = await self._colour.wait(pool.getconn(_SLICE))
            except PoolTimeout:
                await self._repair()
                continue
            except PoolClosed:
                return
            if isinstance(connection, ConnectFailure):
                # psycopg_pool replaces it, with an attempt for the callers that still wait.
                await self._colour.wait(pool.putconn(connection))
                self._dial.connecting.return_stand_in()
                for waiter in self.queue.waiters():
                    waiter.mailbox.put(connection.again())
                continue
            session = take_session(connection)
            session.since = monotonic()
            self.checkouts.add(session, pool)
            self._stuck_since = None
            self.queue.give(session)
            # From now on only its caller references it.
            del session, connection
            if self._is_closed:
                self._returned.put(None)

    async def _take_back(self, item: Any) -> float | None:
        """Process the mailbox; return the seconds until idle sessions must be checked."""
        if isinstance(item, Session):
            await self._give_back(item)
        elif isinstance(item, weakref.ref):
            checkout = self.checkouts.remove(item)
            if checkout is not None and checkout.pid == getpid():
                self._warn_of(checkout)
                await self._replace(checkout)
        elif item is not None:
            await item()
        if self._is_closed:
            await self._give_back_all()
            self._wanted.put(None)
            return None
        return await self._give_back_surplus()

    async def _give_back_all(self) -> None:
        while (session := self.queue.take()) is not None:
            await self._give_back(session)

    async def _give_back_surplus(self) -> float | None:
        self._watches_surplus = True
        idle, now = self.queue.idle, monotonic()
        while len(idle) > self.kept and (session := self.queue.take_oldest()) is not None:
            if now - session.idle_since < _SURPLUS:
                idle.appendleft(session)
                return _SURPLUS
            await self._give_back(session)
        self._watches_surplus = False
        # A caller may have returned one just before that, and have seen the flag set.
        self._watches_surplus = len(idle) > self.kept
        return _SURPLUS if self._watches_surplus else None

    async def _give_back(self, session: Session) -> None:
        checkout = self.checkouts.remove(weakref.ref(session))
        if checkout is None or session.pid != getpid():
            return
        if not session.is_free or session.since < self.epoch:
            await self._replace(checkout)
            return
        session.detach()
        put_session(session)
        await self._colour.wait(checkout.pool.putconn(checkout.connection))
        self._want_if_needed()

    async def _replace(self, checkout: RegisteredSession) -> None:
        """End the statement of a connection, and let psycopg_pool replace it."""
        if checkout.wire.is_working:
            self._colour.start(self._stop(checkout))
        else:
            await self._close(checkout)

    async def _stop(self, checkout: RegisteredSession) -> None:
        try:
            await stop(checkout, _STOPPING)
        finally:
            await self._close(checkout)

    async def _close(self, checkout: RegisteredSession) -> None:
        checkout.wire.close()
        await self._colour.wait(checkout.pool.putconn(checkout.connection))
        self._want_if_needed()

    def _want_if_needed(self) -> None:
        if self.queue.waiters():
            self._wanted.put(None)

    def _warn_of(self, checkout: RegisteredSession) -> None:
        if checkout.holding is not None:
            _log.warning(_NOT_ENDED, checkout.holding.describe(monotonic(), self._colour.name_of))
        elif not self._has_warned:
            self._has_warned = True
            _log.warning(_INTERRUPTED)

    async def _drain(self) -> None:
        await self._colour.wait(self._pool.drain())
        # psycopg_pool replaces connections that are older than this when they are returned.
        self.epoch = monotonic()
        await self._give_back_all()
        await self._repair()

    async def _repair(self) -> None:
        """Return abandoned sessions; replace a pool that supplies no connections."""
        for session in self.find_abandoned():
            checkout = self.checkouts.remove(weakref.ref(session))
            if checkout is not None:
                session.give_up()
                self._warn_of(checkout)
                await self._replace(checkout)
        if self.queue.waiters() and self.checkouts.are_between_calls(self._colour.holds):
            self.checkouts.collect_dropped()
        now = monotonic()
        has_room = len(self.checkouts) < self._size
        if not has_room or self._dial.is_trying or self._dial.trouble(now - _STUCK) is not None:
            self._stuck_since = None
        elif self._stuck_since is None:
            self._stuck_since = now
        elif now - self._stuck_since >= _STUCK and self.queue.waiters():
            await self._start_again()

    async def _start_again(self) -> None:
        """Replace psycopg_pool's pool; the old one closes its connections on their return."""
        _log.warning(
            "calls wait for a connection, %s of %s are in use, and psycopg_pool opens no other: "
            "raxol_sql replaced its pool",
            len(self.checkouts),
            self._size,
        )
        self._stuck_since = None
        old, self._pool = self._pool, self._make_pool()
        counted = {name: n for name, n in old.get_stats().items() if not name.startswith("pool_")}
        counted.pop("requests_waiting", None)
        self._past.update(counted)
        self.epoch = monotonic()
        await self._colour.wait(self._pool.open())
        self._colour.start(self._end(old, _SLICE))
        self._wanted.put(None)

    async def _end(self, pool: Any, seconds: float) -> None:
        idle = idle_connections(pool)
        try:
            await self._colour.wait(pool.close(seconds))
        except BaseException:
            # psycopg_pool's own tasks were cancelled, and it cannot continue.
            for connection in idle:
                await self._colour.wait(connection.close())


async def _serve(
    keeper: PoolKeeper, mailbox: Mailbox, step: Callable[[Any], Awaitable[float | None]]
) -> None:
    """Run a step for each item of a mailbox, until the keeper is closed and has all sessions."""
    timeout: float | None = None
    while not keeper.is_over:
        item = await mailbox.get(timeout)
        try:
            timeout = await step(item)
        except Exception:
            timeout = None
            _log.exception("the pool failed to check out or to take back a connection")
        del item

"""The connection pool: psycopg_pool's, with recovery from failures."""

from __future__ import annotations

import threading
import weakref
from asyncio import Task
from functools import partial
from os import getpid
from time import monotonic
from typing import Any

import attrs
import psycopg
from psycopg_pool import PoolClosed

from raxol_sql.config import Config, Conninfo
from raxol_sql.engine.core import fork_safety as forking
from raxol_sql.engine.core.concurrency import IOBackend
from raxol_sql.engine.core.deadline import earliest
from raxol_sql.engine.pool.checkouts import LeakDetector
from raxol_sql.engine.pool.connect_log import ConnectLog
from raxol_sql.engine.pool.connection_setup import Wires, psycopg_pool, set_up_connection
from raxol_sql.engine.pool.connector import LONGEST_PAUSE, ConnectFailure, Connector, with_defaults
from raxol_sql.engine.pool.keeper import CLOSED, PoolKeeper
from raxol_sql.engine.pool.psycopg_pool_log import quieten
from raxol_sql.engine.pool.session_queue import SessionQueue, Waiter
from raxol_sql.engine.pool.stats import status_of
from raxol_sql.engine.session.checkout import call_site
from raxol_sql.engine.session.liveness import SocketState, count_connected
from raxol_sql.engine.session.server_inquiry import ServerInquiry
from raxol_sql.engine.session.session import Session
from raxol_sql.engine.session.type_options import TypeOptions
from raxol_sql.engine.transaction.outcome_resolution import resolve
from raxol_sql.engine.transaction.retrier import Retrier
from raxol_sql.errors import ForkedError
from raxol_sql.failures import (
    Effect,
    OutcomeToken,
    Phase,
    RetryPolicy,
    ServerEpochs,
    Verdict,
    classify,
)
from raxol_sql.telemetry import PoolStatus, Recorder, Telemetry

_SENT = Phase.SENT  # member access on an Enum is slow
# Seconds after which psycopg_pool gets a session back, to check its lifetime.
_AT_HAND = 60.0
# Seconds that a caller waits between two checks of the holders of sessions.
_LOOKING = 0.5
# Seconds that a session may take to get ready for another caller.
_GETTING_READY = 1.0
# Seconds that a connection attempt may delay the closing of the pool.
_CLOSING = 1.0
# Seconds that a caller which holds every connection waits for one of them: a dropped stream returns
# its connection in that time, and nothing else ever does.
_OWN = 0.25
# What servers told the connections of all pools: one may miss what another sees.
_lives = ServerEpochs()
# psycopg_pool's pools of parent processes, whose threads and locks must not be touched.
_left_behind: list[Any] = []


class SessionPool:
    """
    Sessions on the connections of a pool, in autocommit mode.

    `open` makes one connection itself, so that a wrong address or password raises its own error
    there instead of leaving an empty pool. Safe for threads or tasks, like psycopg_pool.

    Idle sessions stay in a `SessionQueue` between two calls, for at most a minute, so that
    psycopg_pool checks each of its connections regularly. Only the `PoolKeeper` uses psycopg_pool,
    in the background: no interruption can leave a call here half done, and a session that a caller
    drops is noticed and replaced.

    A connection that the peer has closed is detected at checkout. In a forked process, a blocking
    pool is opened again; for asyncio, whose loop does not survive a fork, `ForkedError` is raised.
    """

    def __init__(
        self, colour: IOBackend, config: Config, policy: RetryPolicy | None, types: TypeOptions
    ) -> None:
        self.timeout = config.timeout
        self.until: float | None = None
        self.wait = 0.0
        self.commit_check = config.commit_check
        self.shows_values = config.show_sensitive_data_on_connection_error
        recorder = Recorder() if config.metrics else None
        self.telemetry = Telemetry(recorder)
        interval, retries = config.retry_interval, config.max_retries
        usual = RetryPolicy.of(interval, retries, jitter=config.retry_jitter)
        self._inquiry = ServerInquiry()
        self._retrier = Retrier(colour, policy or usual, self.resolve, self.drain, self._inquiry)
        self.retrier: Retrier | None = self._retrier
        self._colour, self._config, self._types = colour, config, types
        self._conninfo = Conninfo({})
        self._leaks = LeakDetector(config.leak_after / 1000, colour.name_of)
        self._home: object = None
        self._who = colour.who
        # Seconds for which an idle session without events is assumed to be alive.
        self._fresh = config.idle_timeout / 1000
        self._pid, self._generation = getpid(), forking.generation
        self._settling = colour.lock()
        # Every connection of the pool, for a child process, which must not touch them.
        self._wires: Wires = {}
        self._start_afresh()
        forking.watch(self)

    def _start_afresh(self) -> None:
        self._opening = self._colour.lock()
        self._open = False
        self._waits = self._refused = 0
        self._connecting = ConnectLog()
        self._waited = 0.0
        self._keeper: PoolKeeper | None = None
        self._queue = SessionQueue()
        self._idle = self._queue.idle

    async def open(self, conninfo: Conninfo) -> None:
        """Connect once as a check, and open the pool; an open pool is left unchanged."""
        async with self._opening:
            if self._keeper is None:
                self._conninfo = with_defaults(conninfo, self._config.timeout)
                self._inquiry.note_hosts(self._conninfo)
                self._home = _loop_of(self._colour.who())
                await self._open_pool(tries=True)

    async def close(self) -> None:
        """Close every connection; a session in use is closed when it is released."""
        if self._generation != forking.generation:
            self._start_afresh()  # the parent's connections are not ours to close
            self._pid, self._generation = getpid(), forking.generation
        self._open = False
        if (keeper := self._keeper) is not None:
            self._leaks.look(keeper.checkouts.holdings(), monotonic())
            # Waiting callers get their error after these have ended.
            await self._colour.finish(keeper.close(_CLOSING))

    async def resize(self, least: int, most: int) -> None:
        """Keep ``least`` connections, and open at most ``most``."""
        if not 0 <= least <= most or most < 1:
            raise ValueError(
                f"pool bounds must be 0 <= min <= max and max >= 1, not {least} and {most}"
            )
        if self._keeper is None:
            raise _not_open()
        await self._keeper.resize(least, most)
        self._config = attrs.evolve(self._config, pool_min_size=least, pool_size=most)

    def status(self) -> PoolStatus:
        """Return the current state of the pool."""
        keeper = self._keeper
        held = 0
        if keeper is not None:
            held = len(keeper.checkouts.holdings())
            if abandoned := keeper.find_abandoned():
                held -= sum(session.holding is not None for session in abandoned)
                keeper.repair()
        return status_of(
            {} if keeper is None else keeper.figures(),
            *(self._config, self._connecting),
            held=held,
            connected=count_connected(self._wires),
            waiting=len(self._queue.waiters()),
            calls=self._retrier.calls,
            waits=self._waits,
            wait_ms=int(self._waited * 1000),
            refused=self._refused,
            is_open=self._open,
        )

    async def drain(self) -> None:
        """Replace every connection, those in use when they are returned."""
        if self._keeper is None:
            raise _not_open()
        self._inquiry.begin_again()
        await self._keeper.drain()

    async def acquire(self, purpose: str, until: float | None) -> Session:
        # Every call runs this, so the usual path is short and checks only what it must.
        if self._generation != forking.generation:
            await self._settle_in()
        who = self._who()
        if self._home is not None and _loop_of(who) is not self._home:
            raise RuntimeError(
                "this database was opened in another event loop: open one in this event loop"
            )
        now, idle = monotonic(), self._idle
        while idle:
            try:
                session = idle.pop()
            except IndexError:  # another thread was faster
                break
            session.holding = (purpose, now, who)
            is_quiet = not session.liveness.hears() and now - session.idle_since < self._fresh
            if is_quiet or await self._is_usable(session, now):
                session.is_sent = session.limits.uses_deadline = False
                session.wire.phase = _SENT
                session.wire.until = until
                return session
        return await self._wait(purpose, until, now)

    async def release(self, session: Session) -> None:
        self._retrier.calls += 1
        if session.needs_reset:
            await self._reset(session)
        # Nothing waits from here on, so no cancellation can keep the session.
        keeper = self._keeper
        now = session.idle_since = monotonic()
        if session.place is not None:
            session.place = None
            if session.outlives_call:
                session.take_up()
        if keeper is None or session.pid != self._pid:
            return
        since = session.since
        is_current = since >= keeper.epoch and now - since < _AT_HAND
        if not (is_current and self._open and session.is_free):
            keeper.retire(session)
            return
        self._queue.give(session)
        if not self._open:
            # The pool was closed at this moment, and may have missed this session.
            while (late := self._queue.take()) is not None:
                keeper.retire(late)
        elif len(self._idle) > keeper.kept:
            keeper.watch_surplus()

    async def reserve(self, purpose: str, until: float | None) -> Session:
        session = await self.acquire(purpose, until)
        session.place = call_site()
        return session

    async def free(self, session: Session) -> None:
        await self.release(session)

    async def resolve(self, token: OutcomeToken, until: float | None) -> Effect:
        """Return the outcome of a transaction, as far as it can be resolved by ``until``."""
        return await resolve(self, self._colour, _lives, token, until)

    def after_fork(self) -> None:
        """Drop everything that belongs to the parent; called first in the child."""
        known = [wire for reference in self._wires if (wire := reference()) is not None]
        forking.sever(wire.pgconn for wire in known)
        _left_behind.append((self._keeper, self._queue, known))
        # Their holders are in the parent.
        self._settling = self._colour.lock()
        self._wires = {}
        self.telemetry.after_fork()

    async def _settle_in(self) -> None:
        """Open a pool for this process."""
        if not self._colour.may_fork:
            raise ForkedError(
                f"this database was opened in process {self._pid}, but this is process "
                f"{getpid()}, forked from it: open a database in this process's event loop"
            )
        async with self._settling:
            if self._generation == forking.generation:
                return  # another thread was first
            if not self._open:
                raise _not_open()
            self._start_afresh()
            try:
                await self._open_pool(tries=False)
            finally:
                self._open = True  # unchanged since the fork; the next call tries again
            self._pid, self._generation = getpid(), forking.generation

    async def _wait(self, purpose: str, until: float | None, since: float) -> Session:
        """Return the session for a caller that found none idle."""
        keeper = self._keeper
        if keeper is None:
            raise _not_open()
        if not self._open:
            raise PoolClosed(CLOSED)
        waiter = Waiter((purpose, since, self._who()), self._colour.mailbox())
        refused: Exception | None = None
        session: Session | None = None
        self._waits += 1
        try:
            while session is None:
                self._queue.join(waiter)
                found = self._queue.take()
                if found is None:
                    keeper.want()
                    found = await self._next(waiter, until, since, refused)
                if isinstance(found, Exception):
                    raise found
                if isinstance(found, ConnectFailure):
                    if found.when < since - LONGEST_PAUSE:
                        continue  # from an attempt before this call, whose cause may have passed
                    refused = found.error
                    if classify(refused, Phase.ACQUIRE).verdict is Verdict.NEVER:
                        raise refused
                elif found is not None and await self._is_usable(found, monotonic()):
                    session = found
        finally:
            self._waited += monotonic() - since
            await self._queue.leave(waiter, is_served=session is not None)
        session.holding = waiter.claim
        session.is_sent, session.wire.phase = False, _SENT
        session.wire.until = until
        # The time spent waiting is not left for the work.
        session.limits.uses_deadline = True
        return session

    async def _next(
        self, waiter: Waiter, until: float | None, since: float, refused: Exception | None
    ) -> Any:
        """Return the next item in the mailbox of a waiter; raises at its deadline."""
        keeper = self._keeper
        assert keeper is not None, "it is open"
        now = monotonic()
        self._leaks.look(holdings := keeper.checkouts.holdings(), now)
        is_full = len(holdings) >= self._config.pool_size
        is_own = is_full and keeper.checkouts.are_of(waiter.claim, self._colour.holds)
        end = earliest(until, waiter.since + _OWN) if is_own else until
        left = _LOOKING if end is None else end - now
        if left <= 0:
            found = waiter.mailbox.take()
            if found is None and is_own:
                keeper.checkouts.collect_dropped()
                if len(keeper.checkouts.holdings()) < self._config.pool_size:
                    return None  # it waits on for a replacement of a dropped session
            if found is not None:
                return found
            self._refused += 1
            raise keeper.timeout_error(since, refused, self._who())
        return await waiter.mailbox.get(min(left, _LOOKING))

    async def _is_usable(self, session: Session, now: float) -> bool:
        """Return whether a session reaches its server, as far as known; replace it if not."""
        sign = session.liveness.look()
        if sign:
            if sign is SocketState.QUIET and now - session.idle_since < self._fresh:
                return True
            try:
                if await session.ping(_GETTING_READY):
                    return True
            except BaseException:
                self._retire(session)
                raise
        session.close()
        self._retire(session)
        return False

    async def _reset(self, session: Session) -> None:
        session.wire.until = monotonic() + _GETTING_READY
        try:
            await session.reset()
            await self._types.run_on_reset(self._colour, session)
        except psycopg.Error:
            session.close()
        except BaseException:
            # The caller's own release stops here.
            session.give_up()
            self._retire(session)
            raise

    def _retire(self, session: Session) -> None:
        if self._keeper is not None:
            self._keeper.retire(session)

    async def _open_pool(self, *, tries: bool) -> None:
        config = self._config
        # The longest timeout of a lock stands for none; it rejects infinity.
        longest = config.timeout / 1000 or threading.TIMEOUT_MAX
        given = (self._colour, config, self._inquiry, self._types, self._wires, _lives)
        set_up = partial(set_up_connection, *given)
        dial = self._dial = Connector(self._colour, set_up, config.timeout)
        self._connecting = dial.connecting
        quieten()
        # Nothing here refers to the pool itself, so that a dropped pool is collected.
        make_pool = partial(psycopg_pool, self._colour, self._conninfo, config, dial, longest)
        keeper = PoolKeeper(
            self._colour, make_pool, dial, least=config.pool_min_size, most=config.pool_size
        )
        try:
            await keeper.open(self._conninfo if tries else None, longest, self.wait)
        except BaseException:
            keeper.abandon()
            raise
        # A pool that is dropped without being closed still closes its connections.
        weakref.finalize(self, keeper.abandon).atexit = False
        self._queue, self._idle = keeper.queue, keeper.queue.idle
        self._keeper, self._open = keeper, True


def _not_open() -> PoolClosed:
    return PoolClosed(
        "this database is not open: use Database.open(), or await AsyncDatabase.open()"
    )


def _loop_of(who: object) -> object:
    """Return the event loop of a task, None for a thread."""
    return who.get_loop() if isinstance(who, Task) else None

"""The pool of connections: psycopg_pool's, with what it lacks when things break."""

from __future__ import annotations

import threading
from asyncio import Task
from collections import deque
from contextlib import suppress
from os import getpid
from time import monotonic
from typing import Any

import attrs
import psycopg
from psycopg_pool import PoolClosed, PoolTimeout

from raxol_sql.config import Config
from raxol_sql.engine import forking
from raxol_sql.engine.colour import Colour, Connection
from raxol_sql.engine.dialling import LONGEST_PAUSE, Dial, Unconnected, completed
from raxol_sql.engine.furnishing import furnished, session_of
from raxol_sql.engine.holding import LeakWatch, exhausted, place_of_caller
from raxol_sql.engine.liveness import Sign
from raxol_sql.engine.repeating import Repeating
from raxol_sql.engine.resolving import resolve
from raxol_sql.engine.roster import Roster
from raxol_sql.engine.session import Session
from raxol_sql.engine.status import status_of
from raxol_sql.errors import ForkedError
from raxol_sql.failures import Effect, Lives, OutcomeToken, Phase, RetryPolicy, Verdict, classify
from raxol_sql.telemetry import PoolStatus, Recorder, Telemetry

_AT_HAND = 60.0
# The longest that a session takes to get ready for another user.
_GETTING_READY = 1.0
# How long a connection that is being made may keep the pool from closing.
_CLOSING = 1.0
# How long a caller who holds all connections waits for one of them: a stream that was dropped
# gives back its own in that time, and anything else never does.
_OWN = 0.25
# What the connections of all pools of this process were told: one may miss what another sees.
_lives = Lives()
# psycopg_pool's of this process's parents, whose threads and locks are not to be touched.
_left_behind: list[Any] = []


class PooledSessions:
    """
    Sessions on the connections of a pool, which are in autocommit.

    `open` makes one connection itself, so that a wrong address or password is an error of its own
    there, and not a pool that stays empty. Safe for threads or tasks, as psycopg_pool is.

    As many sessions as the pool keeps open anyway stay here between two calls, at hand: to take
    a connection out of the pool and to put it back costs a good part of a short call. One does so
    for a minute at most, so that the pool sees each of its connections now and then; and none
    while somebody waits for the pool.

    A connection that the other end has closed is seen before it is handed out, and never is. In a
    process that was forked after the opening, a blocking pool is a new one; for asyncio, whose
    loop does not survive that, `ForkedError` is raised.
    """

    def __init__(self, colour: Colour, config: Config, policy: RetryPolicy | None = None) -> None:
        self.timeout = config.timeout
        self.until: float | None = None
        self.outcome = config.outcome
        self.shows_values = config.show_sensitive_data_on_connection_error
        recorder = Recorder() if config.metrics else None
        self.telemetry = Telemetry(recorder)
        usual = RetryPolicy.of(
            config.retry_interval, config.max_retries, jitter=config.retry_jitter
        )
        self._repeating = Repeating(colour, policy or usual, self.resolve, self.drain)
        self.repeating: Repeating | None = self._repeating
        self._colour = colour
        self._config = config
        self._conninfo = ""
        self._leaks = LeakWatch(config.leak_after / 1000, colour.name_of)
        self._dial = Dial(colour, self._furnish)
        self._home: object = None
        self._who = colour.who
        self._kept = config.pool_min_size
        # For how long, in seconds, an idle session is trusted that nothing is heard of.
        self._fresh = config.idle_timeout / 1000
        self._pid, self._generation = getpid(), forking.generation
        self._settling = colour.lock()
        self._start_afresh()
        forking.watch(self)

    def _start_afresh(self) -> None:
        self._opening = self._colour.lock()
        self._pool: Any = None
        self._open = False
        self._at_hand: deque[Session] = deque()
        self._waiting: deque[None] = deque()
        self._roster = Roster()

    async def open(self, conninfo: str) -> None:
        """Connects once to see that it works, and opens the pool; an open one stays as it is."""
        async with self._opening:
            if self._pool is None:
                self._conninfo = completed(conninfo, self._config.timeout)
                await self._try()
                self._home = _loop_of(self._colour.who())
                await self._open_pool()

    async def close(self) -> None:
        """Closes every connection; a session still held is closed when it is released."""
        if self._generation != forking.generation:
            self._start_afresh()  # those of the parent are not ours to close
            self._pid, self._generation = getpid(), forking.generation
        self._open = False
        self._leaks.look(self._roster.holdings(), monotonic())
        if self._pool is not None:
            # Whoever waits is told after these have ended.
            self._dial.give_up()
            await self._colour.finish(self._end(self._pool))

    async def _end(self, pool: Any) -> None:
        while (session := self._from_hand()) is not None:
            await self._put(session)
        await self._colour.wait(pool.close(_CLOSING))

    async def resize(self, least: int, most: int) -> None:
        """Has it keep ``least`` connections, and make ``most`` at most."""
        if not 0 <= least <= most or most < 1:
            raise ValueError(f"a pool has 0 <= min <= max, and max >= 1; not {least} and {most}")
        if self._pool is None:
            raise _not_open()
        await self._colour.wait(self._pool.resize(least, most))
        self._config = attrs.evolve(self._config, pool_min_size=least, pool_size=most)
        self._kept = least
        while len(self._at_hand) > least and (session := self._from_hand()) is not None:
            await self._put(session)

    def status(self) -> PoolStatus:
        """How it is at this moment."""
        figures = {} if self._pool is None else self._pool.get_stats()
        return status_of(
            figures,
            self._config,
            held=len(self._roster.holdings()),
            waiting=len(self._waiting),
            calls=self._repeating.calls,
            is_open=self._open,
        )

    async def drain(self) -> None:
        """Has every connection made anew; one that is in use, when it is given back."""
        if self._pool is None:
            raise _not_open()
        await self._colour.wait(self._pool.drain())
        # From here on the pool gives new ones only, and keeps none of the others.
        self._roster.age()
        with suppress(IndexError):
            while True:
                await self._put(self._at_hand.pop())

    async def acquire(self, purpose: str, until: float | None) -> Session:
        # Every call comes this way, so the good one is short, and asks only what it has to.
        if self._generation != forking.generation:
            await self._settle_in()
        who = self._who()
        if self._home is not None and _loop_of(who) is not self._home:
            raise RuntimeError("this database was opened in another event loop: open one in this")
        now, at_hand = monotonic(), self._at_hand
        while at_hand:
            try:
                session = at_hand.pop()
            except IndexError:  # another thread was faster
                break
            is_quiet = not session.liveness.hears() and now - session.idle_since < self._fresh
            if is_quiet or await self._is_usable(session, now):
                session.holding = (purpose, now, who)
                session.is_sent = session.limits.is_pressed = False
                session.wire.until = until
                return session
        return await self._get(purpose, until, now)

    async def release(self, session: Session) -> None:
        session.holding = session.place = None
        self._repeating.calls += 1
        if session.has_traces:
            await self._reset(session)
        now = session.idle_since = monotonic()
        if (
            self._open
            and not self._waiting
            and len(self._at_hand) < self._kept
            and session.is_idle
            and now - session.since < _AT_HAND
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

    async def reserve(self, purpose: str, until: float | None) -> Session:
        session = await self.acquire(purpose, until)
        session.place = place_of_caller()
        return session

    async def free(self, session: Session) -> None:
        await self.release(session)

    async def resolve(self, token: OutcomeToken, until: float | None) -> Effect:
        """What became of a transaction, as far as it can be found out by ``until``."""
        return await resolve(self, self._colour, _lives, token, until)

    def forked(self) -> None:
        """Lets go of everything that is the parent's; called in the child, before all else."""
        known = list(self._roster)
        forking.sever(session.wire.pgconn for session in known)
        _left_behind.append((self._pool, known))
        # Whoever held them lives in the parent.
        self._settling = self._colour.lock()
        self.telemetry.forked()

    async def _settle_in(self) -> None:
        """Opens a pool of this process's own."""
        if not self._colour.may_fork:
            raise ForkedError(
                f"this database was opened in process {self._pid}, and this is process "
                f"{getpid()}, forked from it: open one here, in this process's own event loop"
            )
        async with self._settling:
            if self._generation == forking.generation:
                return  # another thread was first
            if not self._open:
                raise _not_open()
            self._start_afresh()
            try:
                await self._open_pool()
            finally:
                self._open = True  # as it was in the parent; the next call tries again
            self._pid, self._generation = getpid(), forking.generation

    async def _get(self, purpose: str, until: float | None, now: float) -> Session:
        if self._pool is None:
            raise _not_open()
        refused: Exception | None = None
        self._waiting.append(None)
        try:
            while True:
                session = self._from_hand() or await self._from_pool(until, now, refused)
                if isinstance(session, Unconnected):
                    if session.when < now - LONGEST_PAUSE:
                        continue  # somebody else was told this, and it may be mended since
                    refused = session.error
                    if classify(refused, Phase.ACQUIRE).verdict is Verdict.NEVER:
                        raise refused
                elif await self._is_usable(session, monotonic()):
                    break
        finally:
            self._waiting.pop()
        session.holding = (purpose, now, self._who())
        session.is_sent = False
        session.wire.until = until
        # What was waited is not left for the work.
        session.limits.is_pressed = True
        return session

    def _from_hand(self) -> Session | None:
        try:
            return self._at_hand.pop()
        except IndexError:
            return None

    async def _from_pool(
        self, until: float | None, since: float, refused: Exception | None
    ) -> Session | Unconnected:
        left = threading.TIMEOUT_MAX if until is None else max(0.0, until - monotonic())
        holdings = self._roster.holdings()
        self._leaks.look(holdings, monotonic())
        if len(holdings) >= self._config.pool_size:
            me = self._who()
            if all(holding.who == me for holding in holdings):
                left = min(left, _OWN)
        try:
            connection = await self._colour.wait(self._pool.getconn(left))
        except PoolTimeout:
            raise self._unserved(since, refused) from None
        if isinstance(connection, Unconnected):
            # Given back, it is replaced: by an attempt for whoever comes next, as this one may.
            await self._colour.wait(self._pool.putconn(connection))
            return connection
        session = session_of(connection)
        session.since = monotonic()
        return session

    def _unserved(self, since: float, refused: Exception | None) -> Exception:
        """The error for somebody whose time is over: what they were told, or else why not."""
        now = monotonic()
        told = f"no connection could be made in {now - since:.1f} s"
        has_room = len(self._roster.holdings()) < self._config.pool_size
        if refused is None and has_room:
            trouble = self._dial.trouble(since - LONGEST_PAUSE)
            refused = None if trouble is None else trouble.error
        if refused is not None:
            refused.add_note(told)
            return refused
        if has_room and self._dial.is_trying:
            return psycopg.errors.ConnectionTimeout(f"{told}: the server has not answered yet")
        return exhausted(
            self._roster.holdings(),
            now=now,
            name_of=self._colour.name_of,
            size=self._config.pool_size,
            waited=now - since,
            waiting=len(self._waiting),
            me=self._who(),
        )

    async def _is_usable(self, session: Session, now: float) -> bool:
        """Whether a session reaches its server, as far as that can be told; else it is replaced."""
        sign = session.liveness.look()
        if sign:
            if sign is Sign.QUIET and now - session.idle_since < self._fresh:
                return True
            try:
                if await session.ping(_GETTING_READY):
                    return True
            except BaseException:
                await self._put(session)
                raise
        session.close()
        await self._put(session)
        return False

    async def _reset(self, session: Session) -> None:
        session.wire.until = monotonic() + _GETTING_READY
        try:
            await session.reset()
        except psycopg.Error:
            session.close()
        except BaseException:
            # Nobody else gives it back.
            session.close()
            await self._put(session)
            raise

    async def _put(self, session: Session) -> None:
        if not session.is_idle:
            session.close()
        session.detach()
        if session.pid != getpid():
            return
        await self._colour.wait(self._pool.putconn(session.connection))

    async def _try(self) -> None:
        """Raises here what would otherwise fail in the pool's own time, again and again."""
        first = await self._dial.attempt(self._conninfo, autocommit=True)
        await self._colour.wait(first.close())

    async def _open_pool(self) -> None:
        config = self._config
        self._dial = Dial(self._colour, self._furnish)
        # The longest wait that a lock takes stands for none; it refuses infinity.
        longest = config.timeout / 1000 or threading.TIMEOUT_MAX
        pool = self._colour.pool(
            self._conninfo,
            connection_class=self._dial,
            kwargs={"autocommit": True},
            open=False,
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
            await self._colour.finish(self._end(pool))
            raise
        self._pool, self._open = pool, True

    async def _furnish(self, connection: Connection) -> None:
        session = await furnished(self._colour, self._config, connection)
        self._roster.add(session)
        if session.incarnation is not None:
            _lives.note(session.incarnation, session.first_xid)


def _not_open() -> PoolClosed:
    return PoolClosed("this database is not open: get it from open(), awaited for asyncio")


def _loop_of(who: object) -> object:
    """The event loop of a task, None for a thread."""
    return who.get_loop() if isinstance(who, Task) else None

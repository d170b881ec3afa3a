"""Making the connections of a pool: attempts, and what is said of those that fail."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from time import monotonic
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGconn

from raxol_sql.config import Conninfo, Secret
from raxol_sql.config.conninfo import AskPassword
from raxol_sql.engine.core.concurrency import Connection, IOBackend
from raxol_sql.engine.pool.connect_log import ConnectLog
from raxol_sql.engine.pool.recording_connection import Begun, begun_now, recording, target_now
from raxol_sql.errors import ConfigError
from raxol_sql.failures import Phase, Verdict, classify, is_refused, mark_refused

# Seconds: the longest first pause after an attempt that failed, and the longest of all.
_PAUSE = 0.05
LONGEST_PAUSE = 0.5
# The longest that a host is waited for.
_CONNECTING = 10.0


def longest_connecting(timeout: int) -> float:
    """The longest that a server is waited for, in seconds, where calls may take ``timeout`` ms."""
    return min(timeout / 1000, _CONNECTING) if timeout else _CONNECTING


def completed(conninfo: Conninfo, timeout: int) -> Conninfo:
    """``conninfo`` with a name for the server's views, and with a bound on connecting."""
    given = conninfo.parameters
    added: dict[str, Any] = {"fallback_application_name": "raxol_sql"}
    if "connect_timeout" not in given:
        # Of several hosts each has its part. libpq counts whole seconds, and takes less than two
        # for two.
        longest = longest_connecting(timeout)
        hosts = str(given.get("host") or "").count(",") + 1
        added["connect_timeout"] = max(2, int(-(-longest // hosts)))
    # Names and texts come in this encoding, whatever PGCLIENTENCODING asks for.
    return conninfo.changed(**{**added, **given, "client_encoding": "utf8"})


def check_literals(connection: Connection) -> None:
    """Raises `ConfigError` for a server on which our lexer would read literals wrongly."""
    if connection.info.parameter_status("standard_conforming_strings") != "on":
        raise ConfigError(
            "standard_conforming_strings is off for this role or database: literals would mean "
            "something else than they say; alter role ... set standard_conforming_strings = on"
        )


class ConnectFailure:
    """
    What stands in the pool for a connection that could not be made.

    ``error`` says why, ``when`` is the moment of the monotonic clock at which that was found.

    To psycopg_pool it is a connection that is closed. Given to whoever waits, it tells them at
    once what happened, and given back, it is replaced: so attempts are made as long as somebody
    wants one, and nobody sits through a pause that was meant for another.
    """

    def __init__(self, error: Exception, when: float) -> None:
        self.error = error
        self.when = when
        self.pgconn = self

    def again(self) -> ConnectFailure:
        """The same for somebody else, who gets an error of their own."""
        return ConnectFailure(_plain(self.error), self.when)

    @property
    def transaction_status(self) -> TransactionStatus:
        """That of a connection that is closed."""
        return TransactionStatus.UNKNOWN

    def close(self) -> _Nothing:
        """Nothing is open; can be awaited."""
        return _Nothing()

    def __repr__(self) -> str:
        return f"<no connection: {self.error}>"


class Connector:
    """
    What a pool connects with: psycopg_pool calls ``connect`` of what it takes for a class.

    It never raises. While attempts fail there is one at a time, after a pause with full jitter
    that grows to half a second: many processes that wait for one server do not come all at once,
    and none comes late. A refusal for good stands in for the attempts that would be made during
    that pause, which would find out the same. ``configure`` gets each new connection ready. A
    password callable may take as long as a server, where calls may take ``timeout`` ms. For the
    workers of one pool.
    """

    def __init__(
        self,
        colour: IOBackend,
        configure: Callable[[Connection], Awaitable[None]],
        timeout: int = 0,
    ) -> None:
        self.connect = colour.callback(self._connect)
        self.connecting = ConnectLog()
        self._colour = colour
        self._class = recording(colour.connection, lambda: self._is_over)
        self._configure = configure
        self._longest = longest_connecting(timeout)
        self._is_asking = False
        self._one_at_a_time = colour.lock()
        self._under_way: set[object] = set()
        self._is_over = False
        self._failures = 0
        self._last: ConnectFailure | None = None
        self._is_refused = False
        self._pause_ends = 0.0
        self._kept: list[tuple[Connection, float, float]] = []

    @property
    def is_trying(self) -> bool:
        """Whether an attempt is under way."""
        return bool(self._under_way)

    @property
    def silent(self) -> str:
        """What has not answered the attempt that is under way."""
        if self._is_asking:
            return "the password callable has not returned"
        return "the server has not answered"

    @property
    def is_over(self) -> bool:
        """Whether no connection is wanted any more."""
        return self._is_over

    def trouble(self, since: float) -> ConnectFailure | None:
        """What the last attempt came to, if it failed, and that was at ``since`` or later."""
        last = self._last
        return None if last is None or last.when < since else last.again()

    def give_up(self) -> None:
        """Ends the attempts that are under way, within a tenth of a second, and all others."""
        self._is_over = True

    async def attempt(self, conninfo: Conninfo, **options: Any) -> Connection:
        """
        One attempt; raises the driver's error, with the SQLSTATE if the server gave one.

        Where a callable gives the password, it may raise any error.
        """
        failure: Exception
        if conninfo.ask is not None:
            conninfo = conninfo.with_password(await self._password(conninfo.ask))
        # What psycopg gives up it leaves to whoever collects garbage.
        begun = Begun()
        before, target = begun_now.set(begun), target_now.set(conninfo)
        try:
            connection: Connection = await self._colour.wait(
                self._class.connect(conninfo.public(), **options)
            )
        except psycopg.Error as error:
            failure = _plain(error, is_final=not begun.is_unanswered or begun.needs_password)
        except OSError as error:  # there may be no more files to be had for the wait
            failure = psycopg.OperationalError(f"connection failed: {error}")
        except BaseException:
            _finish(begun)
            raise
        else:
            return await self._configured(connection)
        finally:
            begun_now.reset(before)
            target_now.reset(target)
        _finish(begun)
        # Not in there: the first error would come along, and with it the socket in its frames.
        raise failure

    def keep(self, connection: Connection, began: float) -> None:
        """Take a connection whose attempt ``began`` then, for the pool's first ``connect``."""
        self._kept.append((connection, began, monotonic()))

    async def discard_kept(self) -> None:
        """Close the connection that `keep` took, if the pool did not use it."""
        while self._kept:
            await self._colour.wait(self._kept.pop()[0].close())

    async def _password(self, ask: AskPassword) -> Secret:
        self._is_asking = True
        try:
            return await self._colour.ask_password(ask, self._longest)
        finally:
            self._is_asking = False

    async def _configured(self, connection: Connection) -> Connection:
        try:
            await self._configure(connection)
        except BaseException:
            await self._colour.wait(connection.close())
            raise
        return connection

    async def _connect(self, conninfo: Conninfo, **options: Any) -> Connection | ConnectFailure:
        with suppress(IndexError):  # another worker may be faster
            kept, began, ended = self._kept.pop()
            self.connecting.succeed(began, ended)
            return kept
        attempt = object()
        self._under_way.add(attempt)
        try:
            if not self._failures:
                return await self._tried(conninfo, options)
            async with self._one_at_a_time:
                left = self._pause_ends - monotonic()
                if self._failures and left > 0 and not self._is_over:
                    if self._is_refused and self._last is not None:
                        return self._last.again()
                    await self._colour.sleep(left)
                return await self._tried(conninfo, options)
        finally:
            self._under_way.discard(attempt)

    async def _tried(
        self, conninfo: Conninfo, options: dict[str, Any]
    ) -> Connection | ConnectFailure:
        began = monotonic()
        try:
            try:
                connection = await self.attempt(conninfo, **options)
            except psycopg.OperationalError as error:
                if not is_refused(error) or self._failures:
                    raise
                # TLS is refused in the middle of it also by a server that is being shut down.
                connection = await self.attempt(conninfo, **options)
        except Exception as error:
            return self._failed(error, began)
        self.connecting.succeed(began, monotonic())
        self._failures, self._last = 0, None
        return connection

    def _failed(self, error: Exception, began: float) -> ConnectFailure:
        now = monotonic()
        is_final = classify(error, Phase.ACQUIRE).verdict is Verdict.NEVER
        if not self._is_over:
            self.connecting.fail(error, began, now, is_final=is_final)
        longest = min(LONGEST_PAUSE, _PAUSE * 2 ** min(self._failures, 16))
        # What is refused for good is asked for again by nobody but new callers: they are no herd.
        share = 1.0 if is_final else random.SystemRandom().random()
        self._last, self._is_refused = ConnectFailure(error, now), is_final
        self._pause_ends = now + share * longest
        self._failures += 1
        return self._last.again()


def _finish(begun: Iterable[PGconn]) -> None:
    for pgconn in begun:
        pgconn.finish()


def _plain(error: Exception, *, is_final: bool = True) -> Exception:
    """
    An error of its own for each who is told, and of a class that can be pickled.

    What psycopg puts together of several attempts has the class of the last. A refusal in it
    ``is_final``, unless another host may serve later.
    """
    if not isinstance(error, psycopg.OperationalError):
        return error
    kind = psycopg.errors.ConnectionTimeout
    plain = (kind if isinstance(error, kind) else psycopg.OperationalError)(str(error))
    plain.sqlstate = error.sqlstate
    return mark_refused(plain) if is_refused(error) and is_final else plain


class _Nothing:
    def __await__(self) -> Iterator[Any]:
        return iter(())

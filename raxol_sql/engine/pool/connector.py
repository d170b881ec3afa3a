"""Connection attempts of a pool, and their errors."""

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
from raxol_sql.engine.pool.recording_connection import Begun, begun_now, recording_class, target_now
from raxol_sql.errors import ConfigError
from raxol_sql.failures import Phase, Verdict, classify, is_refused, mark_refused

# Seconds: the longest first pause after a failed attempt, and the longest pause.
_PAUSE = 0.05
LONGEST_PAUSE = 0.5
# Seconds that one host may take.
_CONNECTING = 10.0


def longest_connecting(timeout: int) -> float:
    """Return the connect timeout in seconds, for calls that may take ``timeout`` ms."""
    return min(timeout / 1000, _CONNECTING) if timeout else _CONNECTING


def with_defaults(conninfo: Conninfo, timeout: int) -> Conninfo:
    """Return ``conninfo`` with an application name and a connect timeout."""
    given = conninfo.parameters
    added: dict[str, Any] = {"fallback_application_name": "raxol_sql"}
    if "connect_timeout" not in given:
        # Several hosts share the time. libpq counts whole seconds, with a minimum of two.
        longest = longest_connecting(timeout)
        hosts = str(given.get("host") or "").count(",") + 1
        added["connect_timeout"] = max(2, int(-(-longest // hosts)))
    # Names and texts use this encoding, whatever PGCLIENTENCODING says.
    return conninfo.changed(**{**added, **given, "client_encoding": "utf8"})


def check_literals(connection: Connection) -> None:
    """Raise `ConfigError` for a server on which our lexer would misread literals."""
    if connection.info.parameter_status("standard_conforming_strings") != "on":
        raise ConfigError(
            "standard_conforming_strings is off for this role or database: literals would mean "
            "something else than they say; alter role ... set standard_conforming_strings = on"
        )


class ConnectFailure:
    """
    A placeholder in the pool for a connection that could not be made.

    ``error`` is the cause, ``when`` the monotonic time of the failure.

    To psycopg_pool it is a closed connection. A waiting caller that gets it raises the error at
    once; returned, it is replaced. So attempts continue as long as callers wait, and no caller sits
    through a pause that was meant for another.
    """

    def __init__(self, error: Exception, when: float) -> None:
        self.error = error
        self.when = when
        self.pgconn = self

    def again(self) -> ConnectFailure:
        """Return a copy for another caller, with its own error."""
        return ConnectFailure(_plain(self.error), self.when)

    @property
    def transaction_status(self) -> TransactionStatus:
        """Return the status of a closed connection."""
        return TransactionStatus.UNKNOWN

    def close(self) -> _Nothing:
        """Do nothing; can be awaited."""
        return _Nothing()

    def __repr__(self) -> str:
        return f"<no connection: {self.error}>"


class Connector:
    """
    The connection factory of a pool, which psycopg_pool calls in place of a class.

    It never raises. After a failure there is one attempt at a time, after a pause with full jitter
    that grows to half a second: many processes that wait for one server do not connect all at once,
    and none connects late. A permanent refusal stands in for the attempts during that pause, which
    would fail the same way. ``configure`` sets up each new connection. A password callable may take
    as long as a server, for calls that may take ``timeout`` ms. For the workers of one pool.
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
        self._class = recording_class(colour.connection, lambda: self._is_over)
        self._set_up = configure
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
        """Return whether an attempt is in progress."""
        return bool(self._under_way)

    @property
    def silent(self) -> str:
        """Return what the attempt in progress is waiting for, in words."""
        if self._is_asking:
            return "the password callable has not returned yet"
        return "the server has not responded yet"

    @property
    def is_over(self) -> bool:
        """Return whether no more connections are wanted."""
        return self._is_over

    def trouble(self, since: float) -> ConnectFailure | None:
        """Return the last failure, if it happened at ``since`` or later."""
        last = self._last
        return None if last is None or last.when < since else last.again()

    def give_up(self) -> None:
        """End the attempts in progress, within a tenth of a second, and prevent others."""
        self._is_over = True

    async def attempt(self, conninfo: Conninfo, **options: Any) -> Connection:
        """
        Make one attempt; raises the driver's error, with the server's SQLSTATE if there is one.

        A password callable may raise any error.
        """
        failure: Exception
        if conninfo.ask is not None:
            conninfo = conninfo.with_password(await self._password(conninfo.ask))
        # psycopg leaves an abandoned connection to the garbage collector.
        begun = Begun()
        before, target = begun_now.set(begun), target_now.set(conninfo)
        try:
            connection: Connection = await self._colour.wait(
                self._class.connect(conninfo.public(), **options)
            )
        except psycopg.Error as error:
            failure = _plain(error, is_final=not begun.is_unanswered or begun.needs_password)
        except OSError as error:  # the process may have too many open files for the wait
            failure = psycopg.OperationalError(f"connection failed: {error}")
        except BaseException:
            _finish(begun)
            raise
        else:
            return await self._configure(connection)
        finally:
            begun_now.reset(before)
            target_now.reset(target)
        _finish(begun)
        # Not in the handler: the new error would refer to the first one, and so to the socket in
        # its frames.
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

    async def _configure(self, connection: Connection) -> Connection:
        try:
            await self._set_up(connection)
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
                return await self._try_once(conninfo, options)
            async with self._one_at_a_time:
                left = self._pause_ends - monotonic()
                if self._failures and left > 0 and not self._is_over:
                    if self._is_refused and self._last is not None:
                        return self._last.again()
                    await self._colour.sleep(left)
                return await self._try_once(conninfo, options)
        finally:
            self._under_way.discard(attempt)

    async def _try_once(
        self, conninfo: Conninfo, options: dict[str, Any]
    ) -> Connection | ConnectFailure:
        began = monotonic()
        try:
            try:
                connection = await self.attempt(conninfo, **options)
            except psycopg.OperationalError as error:
                if not is_refused(error) or self._failures:
                    raise
                # A server that is shutting down may also refuse TLS halfway.
                connection = await self.attempt(conninfo, **options)
        except Exception as error:
            return self._fail(error, began)
        self.connecting.succeed(began, monotonic())
        self._failures, self._last = 0, None
        return connection

    def _fail(self, error: Exception, began: float) -> ConnectFailure:
        now = monotonic()
        is_final = classify(error, Phase.ACQUIRE).verdict is Verdict.NEVER
        if not self._is_over:
            self.connecting.fail(error, began, now, is_final=is_final)
        longest = min(LONGEST_PAUSE, _PAUSE * 2 ** min(self._failures, 16))
        # Only new callers repeat a permanent refusal, and they do not come all at once.
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
    Return a separate error for each caller, of a class that can be pickled.

    An error that psycopg combines from several attempts has the class of the last. A refusal in it
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

"""A database for code that blocks: its queries, its pool and its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

import psycopg

from raxol_sql import server
from raxol_sql.config import Config, Given, Hidden
from raxol_sql.engine.core.concurrency import BLOCKING, run_sync
from raxol_sql.engine.core.deadline import deadline_of
from raxol_sql.engine.observability import Observability
from raxol_sql.engine.pool.first_connection import seconds_of
from raxol_sql.engine.pool.health import checked
from raxol_sql.engine.pool.pool import SessionPool
from raxol_sql.engine.pool.raw_connection import RawConnectionLease
from raxol_sql.engine.session.type_options import TypeOptions
from raxol_sql.engine.sync import QueryRunner
from raxol_sql.engine.transaction.outcome_resolution import purge_outcomes
from raxol_sql.failures import Effect, OutcomeToken, RetryPolicy
from raxol_sql.telemetry import Health


class Database(QueryRunner, Observability):
    """
    A PostgreSQL database behind a pool of connections, for code that blocks.

    Made by `open`. Safe to share between threads. In a process that was forked after it was
    opened it makes connections of its own.
    """

    def __init__(
        self, config: Config, retry: RetryPolicy | None = None, types: TypeOptions | None = None
    ) -> None:
        self._pool = SessionPool(BLOCKING, config, retry, types or TypeOptions())
        QueryRunner.__init__(self, self._pool)
        Observability.__init__(self, self._pool, config)

    @classmethod
    def open(
        cls,
        url: Given | None = None,
        *,
        wait: float | timedelta = 0,
        retry: RetryPolicy | None = None,
        types: Mapping[str, type] | None = None,
        infinity: str = "error",
        on_connect: Callable[[psycopg.Connection[Any]], None] | None = None,
        **configuration: object,
    ) -> Self:
        """
        An open database; configuration is found as `Config.find` finds it.

        ``url`` and keys of the ``configuration`` (``database="x"``, ``pool_size=4``) are stronger
        than what is found; a ``password`` callable returns a str for each new connection. ``retry``
        replaces ``max_retries``, ``retry_interval`` and ``retry_jitter``. One connection is made at
        once: a wrong address or password is the driver's error here. Close it, or use ``with``.

        ``wait`` is how long, in seconds or as a timedelta, a server that is down, starting or full
        is waited for; a refusal for good, such as a wrong password, is raised at once all the same.
        The default is 0: a program that starts with a wrong address says so, and does not hang.
        An attempt under way at its end may take 2 s more. ValueError is for one without an end.

        ``types`` are classes by the names of enums and composites, for values that no field of a
        record describes. A date or timestamp that Python lacks is an error, or what ``infinity``
        says: "clamp" to the nearest, or "none". ``on_connect`` gets each new connection, and has
        it once more after a reset; what it raises, the attempt to connect raises.
        """
        given, url, configuration = Hidden(url, configuration), None, {}
        wanted = TypeOptions(types or {}, infinity, on_connect)
        database = cls(Config.of(given), retry, wanted)
        database._pool.wait = seconds_of(wait)
        run_sync(database._pool.open(server.target(database.config)))
        return database

    def resolve(self, token: OutcomeToken) -> Effect:
        """
        What became of a transaction: `Effect.COMMITTED`, `Effect.ROLLED_BACK`, or UNKNOWN.

        Of a transaction with a marker row this settles it: it cannot happen any more if it has
        not happened. Raises the driver's error where no server answers in time.
        """
        return run_sync(self._pool.resolve(token, deadline_of(self.config.timeout)))

    def purge_outcomes(self, days: int = 7) -> int:
        """
        Removes the marker rows older than so many ``days``, 1 or more; gives how many.

        A token that is older than these cannot be resolved any more, and says UNKNOWN.
        """
        return run_sync(purge_outcomes(self._pool, days))

    def health(self, *, timeout: int = 5_000) -> Health:
        """
        Whether the server answers within ``timeout`` milliseconds, the wait for a connection too.

        Raises nothing that the server or the pool may raise, does nothing again, and counts for no
        budget.
        """
        return run_sync(checked(self._pool, timeout))

    @contextmanager
    def connection(self, *, purpose: str = "connection()") -> Iterator[psycopg.Connection[Any]]:
        """
        A connection of the pool, in autocommit, for what psycopg alone can do.

        ``purpose`` names the block to those who wait for a connection. At its end what was set on
        the connection is taken back, and a transaction that is still open is rolled back, with a
        warning in the log ``raxol_sql.pool``; one that was closed is replaced. What is done on it
        is not counted, classified or done again.
        """
        lending = RawConnectionLease(self._pool)
        try:
            connection = run_sync(lending.begin(purpose))
        except BaseException:
            lending.disown()
            raise
        try:
            yield connection
        finally:
            run_sync(lending.end())

    def recycle(self) -> None:
        """Replaces every connection, one in use when it is given back: call it after migrations."""
        run_sync(self._pool.drain())

    def resize(self, min: int, max: int) -> None:
        """
        Changes the bounds of the pool; surplus connections end when they have been idle.

        Raises ValueError unless 0 <= min <= max and max >= 1.
        """
        run_sync(self._pool.resize(min, max))

    def close(self) -> None:
        """Closes all connections. Closing twice is once."""
        run_sync(self._pool.close())
        self.disable_query_logging()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.config.database} on {server.describe(self.config)}>"

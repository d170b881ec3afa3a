"""The synchronous database: queries, connection pool and telemetry."""

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
from raxol_sql.engine.pool.health import check_health
from raxol_sql.engine.pool.pool import SessionPool
from raxol_sql.engine.pool.raw_connection import RawConnectionLease
from raxol_sql.engine.session.type_options import TypeOptions
from raxol_sql.engine.sync import QueryRunner
from raxol_sql.engine.transaction.outcome_resolution import purge_outcomes
from raxol_sql.failures import Effect, OutcomeToken, RetryPolicy
from raxol_sql.telemetry import Health


class Database(QueryRunner, Observability):
    """
    A PostgreSQL database with a connection pool, for synchronous code.

    Create it with `open`. Threads may share it. In a process that was forked after it was opened,
    it opens new connections.
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
        Open a database; the configuration is found as `Config.find` does.

        ``url`` and the keys of ``configuration`` (``database="x"``, ``pool_size=4``) take
        precedence over the configuration that is found. A ``password`` callable returns a str for
        each new connection. ``retry`` replaces ``max_retries``, ``retry_interval`` and
        ``retry_jitter``. One connection is made at once, so that a wrong address or password raises
        the driver's error here. Close the database, or use ``with``.

        ``wait`` is how long to wait for a server that is down, starting up or full, in seconds or
        as a timedelta; a permanent failure, such as a wrong password, is still raised at once. The
        default is 0, so that a program with a wrong address fails instead of hanging. An attempt in
        progress when the time expires may take another 2 s. Raises ValueError for an infinite wait.

        ``types`` maps the names of enums and composites to classes, for values that no field of a
        record describes. A date or timestamp that Python cannot represent is an error, or as
        ``infinity`` selects: "clamp" to the nearest value, or "none". ``on_connect`` is called with
        each new connection, and again after a reset; an exception from it is raised by the
        connection attempt.
        """
        given, url, configuration = Hidden(url, configuration), None, {}
        wanted = TypeOptions(types or {}, infinity, on_connect)
        database = cls(Config.of(given), retry, wanted)
        database._pool.wait = seconds_of(wait)
        run_sync(database._pool.open(server.target(database.config)))
        return database

    def resolve(self, token: OutcomeToken) -> Effect:
        """
        Return the outcome of a transaction: `Effect.COMMITTED`, `Effect.ROLLED_BACK` or UNKNOWN.

        For a transaction with a marker row, this call is decisive: a transaction that has not
        committed can no longer do so. Raises the driver's error if no server answers in time.
        """
        return run_sync(self._pool.resolve(token, deadline_of(self.config.timeout)))

    def purge_outcomes(self, days: int = 7) -> int:
        """
        Delete the marker rows older than ``days``, 1 or more, and return their number.

        An older token can no longer be resolved; its outcome is then UNKNOWN.
        """
        return run_sync(purge_outcomes(self._pool, days))

    def health(self, *, timeout: int = 5_000) -> Health:
        """
        Check whether the server answers within ``timeout`` ms, including the wait for a connection.

        Raises no error of the server or the pool, does not retry, and uses no retry budget.
        """
        return run_sync(check_health(self._pool, timeout))

    @contextmanager
    def connection(self, *, purpose: str = "connection()") -> Iterator[psycopg.Connection[Any]]:
        """
        Lend a pooled connection, in autocommit mode, for what only psycopg can do.

        ``purpose`` names the block in the messages to waiting callers. At the end, the session
        state is reset, and a transaction that is still open is rolled back, with a warning in the
        log ``raxol_sql.pool``; a closed connection is replaced. Statements on the connection are
        not counted, classified or retried.
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
        """
        Replace every connection, those in use when they are returned. Call it after migrations.
        """
        run_sync(self._pool.drain())

    def resize(self, min: int, max: int) -> None:
        """
        Change the bounds of the pool; surplus connections are closed when they have been idle.

        Raises ValueError unless 0 <= min <= max and max >= 1.
        """
        run_sync(self._pool.resize(min, max))

    def close(self) -> None:
        """Close all connections. A second call has no effect."""
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

"""The asyncio interface: the methods of the synchronous one as coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Mapping,
)
from contextlib import asynccontextmanager
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

import psycopg

from raxol_sql import server
from raxol_sql.config import Config, Given, Hidden
from raxol_sql.engine.core.concurrency import ASYNCIO
from raxol_sql.engine.core.deadline import deadline_of
from raxol_sql.engine.core.docstrings import copy_doc
from raxol_sql.engine.database import Database
from raxol_sql.engine.executor import Executor
from raxol_sql.engine.observability import Observability
from raxol_sql.engine.pool.first_connection import seconds_of
from raxol_sql.engine.pool.health import check_health
from raxol_sql.engine.pool.pool import SessionPool
from raxol_sql.engine.pool.raw_connection import RawConnectionLease
from raxol_sql.engine.preload import PreloadCall
from raxol_sql.engine.query_monitor import QueryMonitor
from raxol_sql.engine.session.type_options import TypeOptions
from raxol_sql.engine.sync import QueryRunner
from raxol_sql.engine.transaction.options import TransactionOptions, options_of
from raxol_sql.engine.transaction.outcome_resolution import purge_outcomes
from raxol_sql.engine.transaction.run_transaction import TransactionCall, name_of, run_transaction
from raxol_sql.engine.transaction.session_source import SessionSource
from raxol_sql.engine.transaction.transaction import TransactionScope
from raxol_sql.failures import Effect, OutcomeToken, RetryPolicy
from raxol_sql.queries import BoundQuery, Query
from raxol_sql.telemetry import Health

if TYPE_CHECKING:
    from raxol_sql.engine.batch.multi import Multi
    from raxol_sql.engine.copy.source import CopyData

R = TypeVar("R")


class AsyncQueryRunner:
    """The methods that a database and a transaction share for running queries."""

    def __init__(self, sessions: SessionSource) -> None:
        self._sessions = sessions
        self._executor = Executor(sessions)

    @overload
    async def run(self, bound: BoundQuery[R], *, commit_check: str | None = None) -> R: ...

    @overload
    async def run(self, bound: Multi) -> dict[str, Any]: ...

    @copy_doc(QueryRunner.run)
    async def run(self, bound: BoundQuery[Any] | Multi, *, commit_check: str | None = None) -> Any:
        return await self._executor.run(bound, commit_check)

    @copy_doc(QueryRunner.preload)
    async def preload(
        self,
        parents: Iterable[Any],
        query: Query[Any],
        *,
        into: str | None = None,
        parent_key: str = "id",
        child_key: str | None = None,
        keys_parameter: str | None = None,
        single: bool = False,
        **arguments: Any,
    ) -> list[Any]:
        wanted = PreloadCall(query, into, parent_key, child_key, keys_parameter, single, arguments)
        return await self._executor.preload(parents, wanted)

    @copy_doc(QueryRunner.watch_queries)
    def watch_queries(
        self, *, max_repeats: int = 10, warn_lone_writes: bool = False
    ) -> QueryMonitor:
        return QueryMonitor(max_repeats, warn_lone_writes=warn_lone_writes)

    @copy_doc(QueryRunner.run_all)
    async def run_all(self, bounds: Iterable[BoundQuery[Any]]) -> list[Any]:
        return await self._executor.run_all(bounds)

    @copy_doc(QueryRunner.run_many)
    async def run_many(
        self, query: Query[R], rows: Iterable[Any], *, commit_check: str | None = None
    ) -> list[R]:
        return await self._executor.run_many(query, rows, commit_check)

    @copy_doc(QueryRunner.stream)
    def stream(self, bound: BoundQuery[Any], *, batch: int = 500) -> AsyncGenerator[Any]:
        return _one_by_one(self._executor.stream(bound, batch))

    @overload
    async def copy(self, query: Query[Any]) -> list[Any]: ...

    @overload
    async def copy(self, query: Query[Any], data: CopyData) -> int: ...

    async def copy(self, query: Query[Any], data: Any = None) -> Any:
        """
        Copy rows to the server or from it, through a :copy query: see `Database.copy`.

        Rows may also come from an asynchronous iterable. Reading or writing a block of a file
        blocks the event loop for that long.
        """
        return await self._executor.copy(query, data)

    def transaction(
        self,
        *,
        isolation: str | None = None,
        read_only: bool | None = None,
        deferrable: bool | None = None,
        commit_check: str = "none",
    ) -> AsyncTransaction:
        """
        Return an atomic block of statements: ``async with db.transaction() as tx``.

        Otherwise as `Database.transaction`.
        """
        options = options_of(isolation, read_only, deferrable, commit_check)
        return AsyncTransaction(self._sessions, options)

    async def run_transaction(
        self,
        work: Callable[[AsyncTransaction], Awaitable[R]],
        *,
        isolation: str | None = None,
        read_only: bool | None = None,
        deferrable: bool | None = None,
        commit_check: str | None = None,
        verify: Callable[[], Awaitable[bool | None]] | None = None,
        timeout: int | None = None,
        retry: RetryPolicy | None = None,
    ) -> R:
        """
        Run ``await work(tx)`` in a transaction that takes effect at most once, and return its
        result.

        Otherwise as `Database.run_transaction`. A task that is cancelled while the COMMIT is in
        progress waits for the reply for a limited time. Its CancelledError then has a note that
        gives the outcome of the transaction, and `OutcomeToken.of` returns the token if the outcome
        is unknown.
        """
        return await run_transaction(
            self._sessions,
            lambda block: work(AsyncTransaction.of(block)),
            TransactionCall(
                options_of(
                    isolation, read_only, deferrable, commit_check or self._sessions.commit_check
                ),
                self._sessions.timeout if timeout is None else timeout,
                verify,
                retry,
                name_of(work),
            ),
        )


async def _one_by_one(batches: AsyncGenerator[list[Any]]) -> AsyncGenerator[Any]:
    try:
        async for records in batches:
            for record in records:
                yield record
    finally:
        await batches.aclose()


class AsyncTransaction(AsyncQueryRunner):
    """
    An open transaction, or a savepoint in one, from `AsyncDatabase.transaction`.

    Tasks that share it run one statement at a time. It runs no queries after its block.
    """

    def __init__(self, outer: SessionSource, options: TransactionOptions) -> None:
        self._set(TransactionScope(outer, options))

    @classmethod
    def of(cls, block: TransactionScope) -> Self:
        """Return the transaction of a scope that the caller enters and exits."""
        transaction = cls.__new__(cls)
        transaction._set(block)
        return transaction

    def _set(self, block: TransactionScope) -> None:
        self._block = block
        super().__init__(block.session_source)

    async def __aenter__(self) -> Self:
        await self._block.enter(keeps=True)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._block.exit(error)


class AsyncDatabase(AsyncQueryRunner, Observability):
    """
    A PostgreSQL database with a connection pool, for asyncio.

    Create it with `open`: ``async with AsyncDatabase.open() as db``, or ``db = await
    AsyncDatabase.open()`` and ``close`` later. Use it from the tasks of one event loop, and close
    it before the loop ends: otherwise asyncio may wait forever for the workers of the pool. In a
    process that was forked after it was opened, it raises `ForkedError`.
    """

    def __init__(
        self, config: Config, retry: RetryPolicy | None = None, types: TypeOptions | None = None
    ) -> None:
        self._pool = SessionPool(ASYNCIO, config, retry, types or TypeOptions())
        AsyncQueryRunner.__init__(self, self._pool)
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
        on_connect: Callable[[psycopg.AsyncConnection[Any]], Awaitable[None] | None] | None = None,
        **configuration: object,
    ) -> Self:
        """
        Return a database that opens when it is entered or awaited; arguments as for
        `Database.open`.

        This call finds the configuration and raises `ConfigError`. Entering or awaiting makes the
        first connection, waits for the server and raises the driver's errors. A ``password``
        callable and ``on_connect`` may be coroutine functions.
        """
        given, url, configuration = Hidden(url, configuration), None, {}
        wanted = TypeOptions(types or {}, infinity, on_connect)
        database = cls(Config.of(given), retry, wanted)
        database._pool.wait = seconds_of(wait)
        return database

    @copy_doc(Database.resolve)
    async def resolve(self, token: OutcomeToken) -> Effect:
        return await self._pool.resolve(token, deadline_of(self.config.timeout))

    @copy_doc(Database.purge_outcomes)
    async def purge_outcomes(self, days: int = 7) -> int:
        return await purge_outcomes(self._pool, days)

    @copy_doc(Database.health)
    async def health(self, *, timeout: int = 5_000) -> Health:
        return await check_health(self._pool, timeout)

    @asynccontextmanager
    @copy_doc(Database.connection)
    async def connection(
        self, *, purpose: str = "connection()"
    ) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        lending = RawConnectionLease(self._pool)
        connection = await lending.begin(purpose)
        try:
            yield connection
        finally:
            await lending.end()

    @copy_doc(Database.recycle)
    async def recycle(self) -> None:
        await self._pool.drain()

    @copy_doc(Database.resize)
    async def resize(self, min: int, max: int) -> None:
        await self._pool.resize(min, max)

    @copy_doc(Database.close)
    async def close(self) -> None:
        await self._pool.close()
        self.disable_query_logging()

    def __await__(self) -> Generator[Any, None, Self]:
        return self.__aenter__().__await__()

    async def __aenter__(self) -> Self:
        # Starting the embedded server takes time, during which the loop runs other tasks.
        await self._pool.open(await asyncio.to_thread(server.target, self.config))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.config.database} on {server.describe(self.config)}>"

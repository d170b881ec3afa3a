"""The blocking facade: every method is the coroutine of the same name, run to its end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from raxol_sql import server
from raxol_sql.config import Config
from raxol_sql.engine.colour import BLOCKING, run_blocking
from raxol_sql.engine.copying import CopyData
from raxol_sql.engine.executor import Executor
from raxol_sql.engine.multi import Multi
from raxol_sql.engine.sessions import PooledSessions, Sessions
from raxol_sql.engine.transaction import Block, TransactionOptions
from raxol_sql.queries import Bound, Query

R = TypeVar("R")


class Verbs:
    """What a database and a transaction have in common: the ways to run a query."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._executor = Executor(sessions)

    @overload
    def run(self, bound: Bound[R]) -> R: ...

    @overload
    def run(self, bound: Multi) -> dict[str, Any]: ...

    def run(self, bound: Bound[Any] | Multi) -> Any:
        """
        What the query gives: a record, None, a list of records, a count, by its kind.

        Of a `Multi`, the results of its steps by name.

        Raises `NoRowsError`, `TooManyRowsError` and `RecordError` for an answer of another shape,
        `KindError` for a :copy, and the driver's errors as they are, with a note that names the
        query. Outside of a transaction a statement has happened by the time its answer is found
        to have another shape.
        """
        return run_blocking(self._executor.run(bound))

    def run_all(self, bounds: Iterable[Bound[Any]]) -> list[Any]:
        """
        The results of queries that only read, in order, in one round trip.

        All of them see the same moment: they run in a transaction that is read-only and
        repeatable read, or in the one that this is. Raises as `run` does; the note says which of
        the queries it was, from 0.
        """
        return run_blocking(self._executor.run_all(bounds))

    def run_many(self, query: Query[R], rows: Iterable[Any]) -> list[R]:
        """
        The results of the query for each of ``rows``, in order; all of them happen, or none.

        A row is a mapping of arguments by name, or an attrs record that has them as fields. Up to
        1,000 rows share a round trip, and the next ones are sent while these are worked on. Raises
        as `run` does; the note says which row it was, from 0.
        """
        return run_blocking(self._executor.run_many(query, rows))

    def stream(self, bound: Bound[Any], *, batch: int = 500) -> Iterator[Any]:
        """
        The records of a :many query, one by one, in bounded memory.

        Rows are fetched ``batch`` at a time from a cursor on the server, in a transaction that
        holds a connection until the last row is taken or the iterator is closed; inside of a
        transaction, in that one. A cursor takes select, values and with, and no statement that
        changes rows. Raises as `run` does; `KindError` for another kind.
        """
        return _one_by_one(self._executor.stream(bound, batch))

    @overload
    def copy(self, query: Query[Any]) -> list[Any]: ...

    @overload
    def copy(self, query: Query[Any], data: CopyData) -> int: ...

    def copy(self, query: Query[Any], data: Any = None) -> Any:
        """
        Rows into the server, or out of it, through a :copy query.

        For COPY ... FROM STDIN ``data`` are rows (sequences, mappings by column, or records), or
        bytes or a binary file in the format that the COPY names; the count of rows is given. For
        COPY ... TO STDOUT it is a binary file to write to, and the count of bytes is given; or
        nothing, and a list is: of the records that the header names, or else of rows of texts.
        What is copied in is whole or not at all; a file may hold a part of the rows when an error
        comes out.

        Raises `KindError` for another kind or direction, `ParameterError` for a row that does not
        fit the columns, and the driver's errors.
        """
        if isinstance(data, AsyncIterable):
            raise TypeError(f"{query.name}: an asynchronous iterable is for AsyncDatabase")
        return run_blocking(self._executor.copy(query, data))

    def transaction(
        self,
        *,
        isolation: str | None = None,
        read_only: bool | None = None,
        deferrable: bool | None = None,
    ) -> Transaction:
        """
        A block that happens whole or not at all: ``with db.transaction() as tx: tx.run(...)``.

        Commits at its end and rolls back on an error. Inside of a transaction it is a savepoint,
        and takes no options. Never repeated. ``isolation`` is read committed, repeatable read or
        serializable; None leaves each choice to the server. Raises `TransactionError` where the
        block ended well and the server rolled back all the same.
        """
        return Transaction(self._sessions, TransactionOptions(isolation, read_only, deferrable))


def _one_by_one(batches: AsyncGenerator[list[Any]]) -> Iterator[Any]:
    try:
        while True:
            try:
                records = run_blocking(batches.__anext__())
            except StopAsyncIteration:
                return
            yield from records
    finally:
        run_blocking(batches.aclose())


class Transaction(Verbs):
    """
    An open transaction, or a savepoint in one; made by `Database.transaction`.

    For one thread at a time. After its block it runs nothing any more.
    """

    def __init__(self, outer: Sessions, options: TransactionOptions) -> None:
        self._block = Block(outer, options)
        super().__init__(self._block.inside)

    def __enter__(self) -> Self:
        run_blocking(self._block.enter())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        run_blocking(self._block.exit(error))


class Database(Verbs):
    """
    A PostgreSQL database behind a pool of connections, for code that blocks.

    Made by `open`. Safe to share between threads; not to be used in a process forked after it
    was opened.
    """

    def __init__(self, config: Config) -> None:
        self._pool = PooledSessions(BLOCKING, config)
        super().__init__(self._pool)
        self.config = config

    @classmethod
    def open(cls, url: str | None = None, **configuration: object) -> Self:
        """
        An open database; configuration is found as `Config.find` finds it.

        ``url`` and single keys of the ``configuration`` (``database="x"``, ``pool_size=4``) are
        stronger than what is found. One connection is made at once, so a wrong address, name or
        password is the driver's error here. Close it, or use it in a ``with`` block.
        """
        database = cls(Config.find(url, **configuration))  # type: ignore[arg-type]
        run_blocking(database._pool.open(server.conninfo(database.config)))
        return database

    def close(self) -> None:
        """Closes all connections. Closing twice is once."""
        run_blocking(self._pool.close())

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

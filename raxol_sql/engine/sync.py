"""The blocking facade: every method is the coroutine of the same name, run to its end."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from raxol_sql.engine.batch.multi import Multi
from raxol_sql.engine.copy.source import CopyData
from raxol_sql.engine.core.concurrency import iterate_sync, run_sync
from raxol_sql.engine.executor import Executor
from raxol_sql.engine.preload import PreloadCall
from raxol_sql.engine.query_monitor import QueryMonitor
from raxol_sql.engine.transaction.options import TransactionOptions
from raxol_sql.engine.transaction.run_transaction import TransactionCall, name_of, run_transaction
from raxol_sql.engine.transaction.session_source import SessionSource
from raxol_sql.engine.transaction.transaction import TransactionScope, Verify
from raxol_sql.failures import RetryPolicy
from raxol_sql.queries import BoundQuery, Query

R = TypeVar("R")


class QueryRunner:
    """What a database and a transaction have in common: the ways to run a query."""

    def __init__(self, sessions: SessionSource) -> None:
        self._sessions = sessions
        self._executor = Executor(sessions)

    @overload
    def run(self, bound: BoundQuery[R], *, commit_check: str | None = None) -> R: ...

    @overload
    def run(self, bound: Multi) -> dict[str, Any]: ...

    def run(self, bound: BoundQuery[Any] | Multi, *, commit_check: str | None = None) -> Any:
        """
        What the query gives: a record, None, a list of records, a count, by its kind.

        Of a `Multi`, the results of its steps by name.

        Raises `NoRowsError`, `TooManyRowsError` and `RecordError` for an answer of another shape,
        `QueryKindError` for a :copy, and the driver's errors as they are, with a note that names
        the query. Outside of a transaction a statement has happened by the time its answer is found
        to have another shape.

        Outside of a transaction it is done again after a failure that is safe to repeat: a
        conflict, or work that was never sent. Where a connection is lost after a statement was
        sent, one that is marked ``@idempotent`` is sent again; the outcome of another is unknown,
        and `OutcomeUnknownError` is raised, without a token. With ``commit_check="marker"`` it
        happens exactly once, whatever breaks, in a transaction of its own; with ``"xid-first"`` as
        long as the server stays the primary, in two round trips; with ``"xid"`` in one, but then
        the token is None where the connection is lost before the transaction's id arrives. Raises
        `DeadlineExceededError` when the time of the ``@timeout``, or of the configuration, is over.
        """
        return run_sync(self._executor.run(bound, commit_check))

    def preload(
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
        """
        Return the parents in their order, each with its children, which one query loads for all.

        ``query`` is a :many query with an array parameter for the keys, as in ``where user_id =
        any(:user_ids)``: ``keys_parameter``, or the only required one that is not among the
        ``arguments``. ``parent_key`` is the field of a parent that equals the field ``child_key``
        of its children, by default the parameter without its final s: user_id.

        Without ``into`` the result is a list of pairs of a parent and its children; with it the
        parents, with that field set to a list of them, or a tuple, by the field's type. With
        ``single`` a parent has at most one child, which, or None, takes the place of the list.
        Parents with the same key each get the children, a parent whose key is None gets none, and
        without keys nothing is sent.

        Parents and children may be of two snapshots, unless both are read in one transaction that
        is repeatable read. Raises as `run` does, `ParameterError` for unknown names, and
        `TooManyRowsError` for a second child with ``single``.
        """
        wanted = PreloadCall(query, into, parent_key, child_key, keys_parameter, single, arguments)
        return run_sync(self._executor.preload(parents, wanted))

    def watch_queries(
        self, *, max_repeats: int = 10, warn_lone_writes: bool = False
    ) -> QueryMonitor:
        """
        Count what `run` sends in a block, by query: ``with db.watch_queries() as watched:``.

        It counts for this thread or task, with the tasks that are started in the block, and for
        all databases. At the end of the block a `RepeatedQueryWarning` names each query that ran
        more than ``max_repeats`` times, unless an error ends the block. With ``warn_lone_writes`` a
        `LoneWritesWarning` is given where two or more statements wrote rows, each outside of any
        transaction. What shares a round trip, as in `run_many` and a `Multi`, is not counted.
        """
        return QueryMonitor(max_repeats, warn_lone_writes=warn_lone_writes)

    def run_all(self, bounds: Iterable[BoundQuery[Any]]) -> list[Any]:
        """
        The results of queries that only read, in order, in one round trip.

        All of them see the same moment: they run in a transaction that is read-only and
        repeatable read, or in the one that this is. Raises as `run` does; the note says which of
        the queries it was, from 0.
        """
        return run_sync(self._executor.run_all(bounds))

    def run_many(
        self, query: Query[R], rows: Iterable[Any], *, commit_check: str | None = None
    ) -> list[R]:
        """
        The results of the query for each of ``rows``, in order; all of them happen, or none.

        A row is a mapping of arguments by name, or an attrs record that has them as fields. Up to
        1,000 rows share a round trip, and the next ones are sent while these are worked on. Raises
        as `run` does; the note names the row, from 0. ``commit_check`` is as for `run_transaction`,
        of which None is the configuration's; inside of a transaction it is that one's, and not
        given here.
        """
        return run_sync(self._executor.run_many(query, rows, commit_check))

    def stream(self, bound: BoundQuery[Any], *, batch: int = 500) -> Iterator[Any]:
        """
        The records of a :many query, one by one, in bounded memory.

        Rows are fetched ``batch`` at a time from a cursor on the server, in a transaction that
        holds a connection until the last row is taken or the iterator is closed; inside of a
        transaction, in that one. A cursor takes select, values and with, and no statement that
        changes rows. Raises as `run` does; `QueryKindError` for another kind.
        """
        return iterate_sync(self._executor.stream(bound, batch))

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

        Raises `QueryKindError` for another kind or direction, `ParameterError` for a row that does
        not fit the columns, and the driver's errors.
        """
        if isinstance(data, AsyncIterable):
            raise TypeError(f"{query.name}: copy() takes an asynchronous iterable only from an AsyncDatabase")
        return run_sync(self._executor.copy(query, data))

    def transaction(
        self,
        *,
        isolation: str | None = None,
        read_only: bool | None = None,
        deferrable: bool | None = None,
        commit_check: str = "none",
    ) -> Transaction:
        """
        A block that happens whole or not at all: ``with db.transaction() as tx: tx.run(...)``.

        Commits at its end and rolls back on an error. Inside of a transaction it is a savepoint,
        and takes no options. Never repeated. ``isolation`` is read committed, repeatable read or
        serializable; None leaves each choice to the server. Raises `TransactionError` where the
        block ended well and the server rolled back all the same.

        Where the COMMIT is not answered, ``commit_check`` says how the outcome is found out: "xid"
        and "xid-first", by the transaction's id, which it gets even if it writes nothing; "marker",
        by a row in the table raxol_outcomes, which decides after a failover too; or "none": then
        `OutcomeUnknownError` is raised, and its token is None.
        """
        options = TransactionOptions(isolation, read_only, deferrable, commit_check)
        return Transaction(self._sessions, options)

    def run_transaction(
        self,
        work: Callable[[Transaction], R],
        *,
        isolation: str | None = None,
        read_only: bool | None = None,
        deferrable: bool | None = None,
        commit_check: str | None = None,
        verify: Callable[[], bool | None] | None = None,
        timeout: int | None = None,
        retry: RetryPolicy | None = None,
    ) -> R:
        """
        What ``work(tx)`` gives, in a transaction that happens once and whole, or not at all.

        After a conflict (40001, 40P01) or a lost connection everything is done again, from the
        beginning, and so ``work`` is called again: what it does elsewhere, such as writing a file,
        it does each time. Where the COMMIT is not answered it is found out first whether it has
        happened: by ``commit_check``, as for `transaction`, of which None is the configuration's,
        "xid"; and where that cannot decide by ``verify``, which is asked for True, False or None.

        ``timeout`` is for all of it, in milliseconds, 0 for no limit; None is the configuration's.
        ``retry`` stands in place of the database's policy. Inside of a transaction this is a
        savepoint, runs once and takes no options: what has to be repeated is the outermost.

        Raises what ``work`` raises, after rolling back; `OutcomeUnknownError` where nothing could
        decide in time, with a token unless ``commit_check`` is "none". An exception that is no
        error of the driver is never a reason to do it again.
        """
        result: R = run_sync(
            run_transaction(
                self._sessions,
                self._adapted(work),
                TransactionCall(
                    TransactionOptions(
                        isolation,
                        read_only,
                        deferrable,
                        commit_check or self._sessions.commit_check,
                    ),
                    self._sessions.timeout if timeout is None else timeout,
                    None if verify is None else _adapted_verify(verify),
                    retry,
                    name_of(work),
                ),
            )
        )
        return result

    def _adapted(self, work: Callable[[Transaction], R]) -> Callable[[TransactionScope], Any]:
        async def adapted(block: TransactionScope) -> R:
            return work(Transaction.of(block))

        return adapted


def _adapted_verify(verify: Callable[[], bool | None]) -> Verify:
    async def adapted() -> bool | None:
        return verify()

    return adapted


class Transaction(QueryRunner):
    """
    An open transaction, or a savepoint in one; made by `Database.transaction`.

    For one thread at a time. After its block it runs nothing any more.
    """

    def __init__(self, outer: SessionSource, options: TransactionOptions) -> None:
        self._set(TransactionScope(outer, options))

    @classmethod
    def of(cls, block: TransactionScope) -> Self:
        """The transaction of a block, which somebody else enters and leaves."""
        transaction = cls.__new__(cls)
        transaction._set(block)
        return transaction

    def _set(self, block: TransactionScope) -> None:
        self._block = block
        super().__init__(block.inside)

    def __enter__(self) -> Self:
        try:
            run_sync(self._block.enter(keeps=True))
        except BaseException:
            self._block.disown()  # a signal may have come just after it was entered
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        run_sync(self._block.exit(error))

"""The synchronous interface: each method runs the coroutine of the same name to completion."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from raxol_sql.engine.core.concurrency import iterate_sync, run_sync
from raxol_sql.engine.executor import Executor
from raxol_sql.engine.preload import PreloadCall
from raxol_sql.engine.query_monitor import QueryMonitor
from raxol_sql.engine.transaction.commit import Verify
from raxol_sql.engine.transaction.options import TransactionOptions, options_of
from raxol_sql.engine.transaction.run_transaction import TransactionCall, name_of, run_transaction
from raxol_sql.engine.transaction.session_source import SessionSource
from raxol_sql.engine.transaction.transaction import TransactionScope
from raxol_sql.failures import RetryPolicy
from raxol_sql.queries import BoundQuery, Query

if TYPE_CHECKING:
    from raxol_sql.engine.batch.multi import Multi
    from raxol_sql.engine.copy.source import CopyData

R = TypeVar("R")


class QueryRunner:
    """The methods that a database and a transaction share for running queries."""

    def __init__(self, sessions: SessionSource) -> None:
        self._sessions = sessions
        self._executor = Executor(sessions)

    @overload
    def run(self, bound: BoundQuery[R], *, commit_check: str | None = None) -> R: ...

    @overload
    def run(self, bound: Multi) -> dict[str, Any]: ...

    def run(self, bound: BoundQuery[Any] | Multi, *, commit_check: str | None = None) -> Any:
        """
        Run a query and return its result: a record, None, a list of records or a count, by its
        kind.

        For a `Multi`, return the results of its steps by name.

        Raises `NoRowsError`, `TooManyRowsError` or `RecordError` if the result does not fit the
        query's kind or record, `QueryKindError` for a :copy query, and the driver's errors
        unchanged, with a note that names the query. Outside a transaction, the statement has
        already committed when a result is found not to fit.

        Outside a transaction, the statement is retried after a failure that is safe to retry: a
        serialization conflict, or a statement that was never sent. If the connection is lost after
        the statement was sent, a query marked ``@idempotent`` is sent again; for any other the
        outcome is unknown, and `OutcomeUnknownError` is raised without a token. With
        ``commit_check="marker"`` the statement takes effect exactly once, in its own transaction,
        whatever fails. ``"xid-first"`` ensures the same as long as the server stays the primary, in
        two round trips; ``"xid"`` needs one, but the token is None if the connection is lost before
        the transaction ID arrives. Raises `DeadlineExceededError` when the ``@timeout`` of the
        query, or the configured one, expires.
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
        Return the parents in order, each with its children, which a single query loads for all.

        ``query`` is a :many query with an array parameter for the keys, as in ``where user_id =
        any(:user_ids)``: the parameter named by ``keys_parameter``, or else the only required one
        that is not among the ``arguments``. A parent's field ``parent_key`` equals the field
        ``child_key`` of its children, which defaults to the name of the parameter without its final
        s: user_id.

        Without ``into``, the result is a list of pairs of a parent and its children. With ``into``,
        it is the list of parents, with that field set to a list or tuple of the children, by the
        field's type. With ``single``, a parent has at most one child; the field or pair holds this
        child or None. Parents with the same key each get the children, a parent whose key is None
        gets none, and without any keys the query is not sent.

        Parents and children may come from different snapshots, unless both are read in the same
        repeatable read transaction. Raises as `run` does, `ParameterError` for unknown names, and
        `TooManyRowsError` for a second child with ``single``.
        """
        wanted = PreloadCall(query, into, parent_key, child_key, keys_parameter, single, arguments)
        return run_sync(self._executor.preload(parents, wanted))

    def watch_queries(
        self, *, max_repeats: int = 10, warn_lone_writes: bool = False
    ) -> QueryMonitor:
        """
        Count the queries that `run` sends in a block: ``with db.watch_queries() as watched:``.

        Counts queries of this thread or task and of the tasks started in the block, for all
        databases. At the end of the block a `RepeatedQueryWarning` names each query that ran more
        than ``max_repeats`` times, unless an error ends the block. With ``warn_lone_writes``, a
        `LoneWritesWarning` is issued if two or more statements wrote rows, each outside a
        transaction. Queries that share a round trip, as in `run_many` and a `Multi`, are not
        counted.
        """
        return QueryMonitor(max_repeats, warn_lone_writes=warn_lone_writes)

    def run_all(self, bounds: Iterable[BoundQuery[Any]]) -> list[Any]:
        """
        Return the results of read-only queries, in order, in one round trip.

        All queries see the same snapshot: they run in a read-only, repeatable read transaction, or
        in this one. Raises as `run` does; a note gives the index of the query, from 0.
        """
        return run_sync(self._executor.run_all(bounds))

    def run_many(
        self, query: Query[R], rows: Iterable[Any], *, commit_check: str | None = None
    ) -> list[R]:
        """
        Run the query for each of ``rows``, atomically, and return the results in order.

        A row is a mapping of arguments by name, or an attrs record with fields of these names. Up
        to 1,000 rows share a round trip, and the next ones are sent while the server works on
        these. Raises as `run` does; a note gives the index of the row, from 0. ``commit_check`` is
        as for `run_transaction`; None selects the configured one. Inside a transaction it must not
        be given.
        """
        return run_sync(self._executor.run_many(query, rows, commit_check))

    def stream(self, bound: BoundQuery[Any], *, batch: int = 500) -> Iterator[Any]:
        """
        Return an iterator over the records of a :many query that uses bounded memory.

        Rows are fetched ``batch`` at a time from a server-side cursor, in a transaction that holds
        a connection until the last row is read or the iterator is closed; inside a transaction, in
        this one. The statement must be a SELECT, VALUES or WITH that changes no rows. Raises as
        `run` does; `QueryKindError` for another kind.
        """
        return iterate_sync(self._executor.stream(bound, batch))

    @overload
    def copy(self, query: Query[Any]) -> list[Any]: ...

    @overload
    def copy(self, query: Query[Any], data: CopyData) -> int: ...

    def copy(self, query: Query[Any], data: Any = None) -> Any:
        """
        Copy rows to the server or from it, through a :copy query.

        For COPY ... FROM STDIN, ``data`` is an iterable of rows (sequences, mappings by column, or
        records), or bytes or a binary file in the format of the COPY; the result is the number of
        rows. For COPY ... TO STDOUT, ``data`` is a binary file to write to, and the result is the
        number of bytes; without ``data`` it is a list of the records named in the header, or else
        of rows of text. COPY FROM is atomic; after an error in COPY TO the file may hold part of
        the rows.

        Raises `QueryKindError` for another kind or direction, `ParameterError` for a row that does
        not fit the columns, and the driver's errors.
        """
        if isinstance(data, AsyncIterable):
            raise TypeError(
                f"{query.name}: copy() takes an asynchronous iterable only from an AsyncDatabase"
            )
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
        Return an atomic block of statements: ``with db.transaction() as tx: tx.run(...)``.

        Commits at the end of the block and rolls back on an error. Inside a transaction it is a
        savepoint and takes no options. It is never retried. ``isolation`` is read committed,
        repeatable read or serializable; None leaves each option to the server. Raises
        `TransactionError` if the block ended without an error but the server rolled back.

        If no reply to COMMIT arrives, ``commit_check`` selects how the outcome is determined: "xid"
        and "xid-first" by the transaction ID, which is assigned even if the transaction writes
        nothing; "marker" by a row in the table raxol_outcomes, which also works after a failover;
        with "none", `OutcomeUnknownError` is raised, and its token is None.
        """
        options = options_of(isolation, read_only, deferrable, commit_check)
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
        Run ``work(tx)`` in a transaction that takes effect at most once, and return its result.

        After a serialization conflict (40001, 40P01) or a lost connection, the whole transaction is
        retried and ``work`` is called again. Its other effects, such as writing a file, occur on
        each call. If no reply to COMMIT arrives, the outcome is determined first: by
        ``commit_check``, as for `transaction`, where None selects the configured one ("xid" by
        default); if that cannot decide, by ``verify``, which returns True, False or None.

        ``timeout`` limits the whole call, in milliseconds; 0 is no limit, None the configured one.
        ``retry`` replaces the database's policy. Inside a transaction this is a savepoint, runs
        once and takes no options, because only the outermost transaction can be retried.

        Raises what ``work`` raises, after rolling back. Raises `OutcomeUnknownError` if the outcome
        could not be determined in time, with a token unless ``commit_check`` is "none". Only the
        driver's errors lead to a retry.
        """
        result: R = run_sync(
            run_transaction(
                self._sessions,
                self._adapt(work),
                TransactionCall(
                    options_of(
                        isolation,
                        read_only,
                        deferrable,
                        commit_check or self._sessions.commit_check,
                    ),
                    self._sessions.timeout if timeout is None else timeout,
                    None if verify is None else _adapt_verify(verify),
                    retry,
                    name_of(work),
                ),
            )
        )
        return result

    def _adapt(self, work: Callable[[Transaction], R]) -> Callable[[TransactionScope], Any]:
        async def adapted(block: TransactionScope) -> R:
            return work(Transaction.of(block))

        return adapted


def _adapt_verify(verify: Callable[[], bool | None]) -> Verify:
    async def adapted() -> bool | None:
        return verify()

    return adapted


class Transaction(QueryRunner):
    """
    An open transaction, or a savepoint in one, from `Database.transaction`.

    Use it from one thread at a time. It runs no queries after its block.
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

    def __enter__(self) -> Self:
        try:
            run_sync(self._block.enter(keeps=True))
        except BaseException:
            self._block.abandon()  # a signal may have arrived just after the block was entered
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        run_sync(self._block.exit(error))

"""Atomic batches of queries, pipelined."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from time import monotonic
from typing import Any, TypeVar, cast

import attrs
import psycopg
from psycopg.pq.abc import PGresult

from raxol_sql.engine.session.error_notes import parameter_error
from raxol_sql.engine.session.prepared import Prepared
from raxol_sql.engine.session.session import Session
from raxol_sql.engine.session.staleness import is_outdated
from raxol_sql.engine.transaction.commit import CommitState
from raxol_sql.engine.transaction.transaction import TransactionScope
from raxol_sql.engine.types.parameters import ParameterTypeMismatch
from raxol_sql.engine.types.result import StatementResult
from raxol_sql.engine.types.type_trust import USUAL
from raxol_sql.engine.wire.pipeline import DONE, Request, check
from raxol_sql.engine.wire.statement_timeout import with_timeout_set
from raxol_sql.failures import Phase
from raxol_sql.queries import BoundQuery
from raxol_sql.telemetry import OperationTimer

T = TypeVar("T")
# Member access on an Enum is slow in Python 3.11, and these are read by every batch.
_COMMIT_SENT, _IN_TRANSACTION = Phase.COMMIT_SENT, Phase.IN_TRANSACTION


class Batch:
    """
    A transaction, or a savepoint, whose statements are sent in pipelined groups.

    BEGIN is sent with the first group, and COMMIT with the last, if `post` is told that it is the
    last and COMMIT need not wait for the transaction ID. A group may be posted before the results
    of the previous one are collected. ``failed`` is the number, over all groups, of the query that
    caused an error.

    If it ``keeps_transaction``, it prepares nothing before BEGIN. `run_batch` makes it, commits it
    and rolls it back.
    """

    def __init__(
        self,
        session: Session,
        block: TransactionScope,
        watch: OperationTimer | None,
        *,
        keeps_transaction: bool,
    ) -> None:
        self.failed: int | None = None
        self._since = monotonic()
        self._session = session
        self._watch = watch
        self._suspect: BoundQuery[Any] | None = None
        self._block = block
        self._opened = block.begin_sql is None
        self._closed = False
        self._keeps_transaction = keeps_transaction
        self._count = 0
        self._texts: set[str] = set()
        self._groups: deque[_Group] = deque()

    @property
    def is_lost(self) -> bool:
        """Return whether the connection is known to be lost."""
        return self._session.is_lost

    @property
    def can_send_unprepared(self) -> bool:
        """Return whether no transaction is open that a rejected statement would abort."""
        return not (self._opened or self._keeps_transaction or self._session.in_transaction)

    def find(self, bounds: Iterable[BoundQuery[Any]]) -> list[Prepared | None]:
        """
        Return the prepared statement of each query, None for one that is not prepared.

        They are valid until the batch prepares or sends something.
        """
        find = self._session.statements.find
        found: list[Prepared | None] = []
        statement, prepared = None, None
        for bound in bounds:
            if bound.statement is not statement:
                statement = bound.statement
                prepared = find(statement.text)
            found.append(prepared)
        return found

    def are_current(
        self, bounds: Iterable[BoundQuery[Any]], found: Iterable[Prepared | None]
    ) -> bool:
        """
        Return whether all queries are prepared, and the server need not describe them again.

        It described them for this batch, or within a second, or this batch has run them before,
        which keeps their tables as they are until it ends.
        """
        if self._session.path.has_moved:
            return False
        moment = max(self._since, monotonic() - USUAL)
        # The last query stands for all that have the same statement.
        for prepared, bound in dict(zip(found, bounds, strict=True)).items():
            if prepared is None:
                return False
            prepared.parameters.meet(bound.values)
            if prepared.is_due_unless_described_after(
                0.0 if bound.statement.text in self._texts else moment
            ):
                return False
        return True

    async def prepare(self, bounds: Sequence[BoundQuery[Any]]) -> list[Prepared | None]:
        """
        Prepare the queries that are new or due, and return the statements, as `find` does.

        A group must be prepared before it is posted. A statement that the server rejects would
        abort an open transaction, so a savepoint is set first. A batch that keeps its transaction
        begins before it prepares: behind a pooler only a transaction stays on one server.
        """
        found = self.find(bounds)
        if self.are_current(bounds, found):
            return found
        if not self._opened and (self._keeps_transaction or self._session.in_transaction):
            await self.send([])
        try:
            await self._session.prepare_all([bound.statement.text for bound in bounds])
        except psycopg.Error:
            unknown = (
                number
                for number, bound in enumerate(bounds)
                if not self.are_current([bound], self.find([bound]))
            )
            self.failed = self._count + next(unknown, 0)
            raise
        return self.find(bounds)

    async def post(
        self,
        bounds: Sequence[BoundQuery[Any]],
        found: Sequence[Prepared | None] | None = None,
        *,
        last: bool = False,
    ) -> None:
        """
        Send a group, whose results `collect` returns.

        ``found`` are its prepared statements, if they were looked up already.
        """
        marker = self._block.marker
        last = last and (marker is None or not marker.is_awaited)
        statements = _require_prepared(self.find(bounds) if found is None else found)
        timeouts = self._record_statements(bounds, statements)
        if last:
            _check_columns(bounds, statements)
        group = _Group(
            self._count,
            bounds,
            statements,
            timeouts,
            self._index_of_marker(statements),
            opening=not self._opened,
            closing=last,
        )
        self._count += len(bounds)
        self._groups.append(group)
        self._opened = True
        self._closed = last
        wire = self._session.wire
        wire.is_committing = is_in_doubt = self.is_in_doubt
        self._reach(_COMMIT_SENT if is_in_doubt else _IN_TRANSACTION)
        await wire.post(self._requests(group))

    async def collect(self) -> list[StatementResult]:
        """
        Return the results of the oldest group; raises the error of the first query that failed.
        """
        group, marker = self._groups.popleft(), self._session.marker
        try:
            results = iter(await self._session.wire.collect())
        except BaseException as error:
            received = self._session.wire.received
            self._record_marker(group, received)
            answered = self._committed_in(group, received)
            if answered is None or not isinstance(error, psycopg.Error):
                raise
            results = iter(answered)
        if group.opening and self._block.begin_sql is not None:
            check(next(results))
        answer_of, timeouts, marker_at = self._session.answer, group.timeouts, group.marker_at
        answers: list[StatementResult] = []
        for bound, prepared in zip(group.bounds, group.statements, strict=True):
            if marker_at is not None and marker is not None and marker_at == len(answers):
                self.failed, self._suspect = group.first + marker_at, bound
                marker.learn(next(results))
                self.failed = self._suspect = None
            result = _middle_of(results) if prepared in timeouts else next(results)
            if result.status not in DONE:
                self.failed, self._suspect = group.first + len(answers), bound
                check(result)
            answers.append(answer_of(prepared, result))
        for result in results:
            check(result)
            if group.closing and self._block.end_sql is not None:
                self._block.finish((result.command_status or b"").decode())
        return answers

    async def send(
        self,
        bounds: Sequence[BoundQuery[Any]],
        found: Sequence[Prepared | None] | None = None,
        *,
        last: bool = False,
    ) -> list[StatementResult]:
        """
        Post a group, and return its results, after those of the groups posted before.

        The statements after one that may change the search path, or a schema, wait for it.
        ``found`` is as for `post`.
        """
        found = self.find(bounds) if found is None else found
        for place, known in enumerate(found[:-1], 1):
            if known is not None and (known.may_move or known.changes_schema):
                answers = await self.send(bounds[:place], found[:place])
                await self.prepare(bounds[place:])
                return answers + await self.send(bounds[place:], last=last)
        await self.post(bounds, found, last=last)
        answers = []
        while self._groups:
            answers += await self.collect()
        return answers

    @property
    def is_in_doubt(self) -> bool:
        """Return whether COMMIT was sent, so that a lost reply does not mean a rollback."""
        return self._closed and self._block.is_outermost

    def decoding(self) -> AbstractContextManager[None]:
        """Return a block that measures how long records take to make."""
        return nullcontext() if self._watch is None else self._watch.decoding()

    async def finish(self) -> CommitState | None:
        """Commit unless the last group did; return the state to resolve after that, or None."""
        return await self._block.commit() if self._opened and not self._closed else None

    async def give_up(self, error: BaseException) -> bool:
        """Roll back; return whether only an outdated prepared statement caused the error."""
        try:
            while self._session.wire.is_expecting:
                await self._session.wire.collect()
            if self._opened:
                await self._block.roll_back()
        except Exception:
            # The server rolls back when the connection closes; the first error is raised.
            self._session.give_up()
            return False
        suspect = self._suspect
        if suspect is None:
            return False
        text, cause = suspect.statement.text, error.__cause__ or error
        if not await is_outdated(self._session, text, cause):
            return False
        # The same change may have made the others outdated.
        for text in self._texts:
            self._session.statements.forget(text)
        return True

    def _record_marker(self, group: _Group, results: Sequence[PGresult]) -> None:
        """Record the marker in the results that arrived before the connection was lost."""
        marker, before = self._session.marker, group.results_before_marker
        if group.marker_at is not None and marker is not None and len(results) > before:
            marker.see(results[before])

    def _committed_in(
        self, group: _Group, results: Sequence[PGresult]
    ) -> Sequence[PGresult] | None:
        """Return the results of a group up to that of its COMMIT, or None if none arrived."""
        if group.closing and self._block.is_outermost:
            for number, result in enumerate(results, 1):
                if result.command_status == b"COMMIT":
                    return results[:number]
        return None

    def _reach(self, phase: Phase) -> None:
        """Record the phase of the transaction."""
        self._block.phase = self._session.wire.phase = phase

    def _index_of_marker(self, statements: Sequence[Prepared]) -> int | None:
        """Return before which statement to request the marker of the transaction, or None."""
        marker = self._session.marker
        if marker is None or marker.is_asked:
            return None
        for index, prepared in enumerate(statements):
            if marker.can_precede(prepared.first_word):
                return index
        return None

    def _record_statements(
        self, bounds: Sequence[BoundQuery[Any]], statements: Sequence[Prepared]
    ) -> Mapping[Prepared, int]:
        """Record that statements are sent, and return the timeouts of those that have one."""
        session, timeouts = self._session, {}
        # The last query stands for all that have the same statement.
        for prepared, bound in dict(zip(statements, bounds, strict=True)).items():
            self._texts.add(bound.statement.text)
            if prepared.leaves_traces:
                session.needs_reset = True
            timeout = session.limits.of(bound.query.definition.directives.timeout)
            if timeout is not None:
                timeouts[prepared] = timeout
        return timeouts

    def _requests(self, group: _Group) -> Iterator[Request]:
        """Generate the requests of a group, each after the one before it was sent."""
        pgconn, timeouts, marker_at = self._session.wire.pgconn, group.timeouts, group.marker_at
        if group.opening and self._block.begin_sql is not None:
            yield self._command(self._block.begin_sql)
        for index, (bound, prepared) in enumerate(zip(group.bounds, group.statements, strict=True)):
            if index == marker_at and self._session.marker is not None:
                yield self._session.ask_for(self._session.marker)
                if group.closing:
                    # The server sends its results before the outcome can be unknown.
                    yield pgconn.send_flush_request
            try:
                request = prepared.request(pgconn, bound.values)
            except Exception as error:
                self.failed, self._suspect = group.first + index, bound
                # The COMMIT after it is not sent.
                self._closed = self._session.wire.is_committing = False
                self._reach(_IN_TRANSACTION)
                if isinstance(error, ParameterTypeMismatch):
                    raise parameter_error(bound, error) from error
                raise
            if prepared in timeouts:
                yield from with_timeout_set(pgconn, [request], timeouts[prepared])
            else:
                yield request
        if group.closing and self._block.end_sql is not None:
            yield self._command(self._block.end_sql)

    def _command(self, text: str) -> Request:
        return partial(self._session.wire.pgconn.send_query_params, text.encode(), None)


@attrs.frozen(eq=False, repr=False)
class _Group:
    """
    Queries that are sent together, with their statements.

    ``first`` is the number of the first query in the batch. ``timeouts`` has the statements that
    are sent with a timeout. The marker of the transaction is requested before the query at
    ``marker_at``, unless None.
    """

    first: int
    bounds: Sequence[BoundQuery[Any]]
    statements: Sequence[Prepared]
    timeouts: Mapping[Prepared, int]
    marker_at: int | None
    opening: bool
    closing: bool

    @property
    def results_before_marker(self) -> int:
        """Return how many results arrive before that of the marker."""
        before = self.statements[: self.marker_at or 0]
        return self.opening + sum(3 if prepared in self.timeouts else 1 for prepared in before)


def _require_prepared(found: Sequence[Prepared | None]) -> Sequence[Prepared]:
    assert None not in found, "they were prepared"
    return cast(Sequence[Prepared], found)


def _check_columns(bounds: Sequence[BoundQuery[Any]], statements: Sequence[Prepared]) -> None:
    """Raise for columns that do not fit their record, which is too late after the COMMIT."""
    query, statement = None, None
    for bound, prepared in zip(bounds, statements, strict=True):
        if bound.query is not query or prepared is not statement:
            query, statement = bound.query, prepared
            if query.kind.gives_rows:
                prepared.columns.build_for(query)


def _middle_of(results: Iterator[PGresult]) -> PGresult:
    """Return the result between two others, or the first of them if that is an error."""
    before, own, _ = itertools.islice(results, 3)
    return own if before.status in DONE else before

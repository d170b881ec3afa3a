"""Atomic batches of queries, pipelined."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from time import monotonic
from typing import Any, TypeVar

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


class Batch:
    """
    A transaction, or a savepoint of one, whose statements are posted in groups.

    The BEGIN travels with the first group, and the COMMIT with the last one, if that is posted as
    such and the COMMIT does not have to wait for the id of the transaction. A group may be posted
    before the answers to the one before it are collected. ``failed``
    is the number, counted over all groups, of the query that an error is about.

    Made and driven by `run_batch`.
    """

    def __init__(
        self,
        session: Session,
        block: TransactionScope,
        watch: OperationTimer | None,
        *,
        careful: bool,
    ) -> None:
        self.failed: int | None = None
        self._since = monotonic()
        self._session = session
        self._watch = watch
        self._suspect: BoundQuery[Any] | None = None
        self._block = block
        self._opened = block.begin_sql is None
        self._closed = False
        self._careful = careful
        self._count = 0
        self._texts: set[str] = set()
        self._groups: deque[_Group] = deque()

    @property
    def is_lost(self) -> bool:
        """Return whether the connection is known to be lost."""
        return self._session.is_lost

    @property
    def has_nothing_to_lose(self) -> bool:
        """Whether no transaction is open that a statement would end that the server refuses."""
        return not self._opened and not self._careful and not self._session.in_transaction

    def find(self, bounds: Iterable[BoundQuery[Any]]) -> list[Prepared | None]:
        """
        Return the prepared statement of each query, None for one that is not prepared.

        They are valid until the batch prepares or sends something.
        """
        find = self._session.statements.find
        return [find(bound.statement.text) for bound in bounds]

    def is_ready(self, bounds: Iterable[BoundQuery[Any]]) -> bool:
        """Return whether all of these queries are prepared and `are_current`."""
        distinct = _by_text(bounds).values()
        found = self.find(distinct)
        known = [prepared for prepared in found if prepared is not None]
        return len(known) == len(found) and self.are_current(distinct, known)

    def are_current(self, bounds: Iterable[BoundQuery[Any]], found: Iterable[Prepared]) -> bool:
        """
        Return whether the server need not describe these statements again before they are sent.

        It described them for this batch, or within a second, or this batch has run them before,
        which keeps their tables as they are until it ends.
        """
        if self._session.path.has_moved:
            return False
        moment = max(self._since, monotonic() - USUAL)
        for bound, prepared in zip(bounds, found, strict=True):
            prepared.parameters.meet(bound.values)
            is_run = bound.statement.text in self._texts
            if not prepared.was_described_after(0.0 if is_run else moment) and prepared.is_due:
                return False
        return True

    async def prepare(self, bounds: Sequence[BoundQuery[Any]]) -> None:
        """
        Has the server prepare what is new to it; a group has to be prepared to be posted.

        What it refuses in a transaction would end that, so a savepoint is set before. A careful
        batch begins before it asks: behind a pooler only a transaction stays on one server.
        """
        if self.is_ready(bounds):
            return
        if not self._opened and (self._careful or self._session.in_transaction):
            await self.send([])
        try:
            await self._session.prepare_all([bound.statement.text for bound in bounds])
        except psycopg.Error:
            unknown = (number for number, bound in enumerate(bounds) if not self.is_ready([bound]))
            self.failed = self._count + next(unknown, 0)
            raise

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
        distinct = _by_text(bounds).values() if found is None else bounds
        ways = {
            bound.statement.text: self._way(bound, prepared, last)
            for bound, prepared in zip(distinct, found or self.find(distinct), strict=True)
        }
        marker_at = self._place_of_marker(bounds)
        group = _Group(self._count, bounds, ways, marker_at, opening=not self._opened, closing=last)
        self._texts |= ways.keys()
        self._count += len(bounds)
        self._groups.append(group)
        self._opened = True
        self._closed = last
        self._session.wire.is_committing = self.is_in_doubt
        self._reach(Phase.COMMIT_SENT if self.is_in_doubt else Phase.IN_TRANSACTION)
        await self._session.wire.post(self._requests(group))

    async def collect(self) -> list[StatementResult]:
        """
        Return the results of the oldest group; raises the error of the first query that failed.
        """
        group, marker = self._groups.popleft(), self._session.marker
        try:
            results = iter(await self._session.wire.collect())
        except BaseException as error:
            received = self._session.wire.received
            self._overhear(group, received)
            answered = self._committed_in(group, received)
            if answered is None or not isinstance(error, psycopg.Error):
                raise
            results = iter(answered)
        if group.opening and self._block.begin_sql is not None:
            check(next(results))
        answer_of, ways, marker_at = self._session.answer, group.ways, group.marker_at
        answers: list[StatementResult] = []
        for bound in group.bounds:
            if marker_at is not None and marker is not None and marker_at == len(answers):
                self.failed, self._suspect = group.first + marker_at, bound
                marker.learn(next(results))
                self.failed = self._suspect = None
            prepared, timeout = ways[bound.statement.text]
            result = next(results) if timeout is None else _middle_of(results)
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
        """Whether a COMMIT was sent along, so that a lost answer does not mean a rollback."""
        return self._closed and self._block.is_outermost

    def decoding(self) -> AbstractContextManager[None]:
        """Measure the making of records inside the block."""
        return nullcontext() if self._watch is None else self._watch.decoding()

    async def finish(self) -> CommitState | None:
        """Commits, unless the last group has done so; gives what is to be settled after that."""
        return await self._block.commit() if self._opened and not self._closed else None

    async def give_up(self, error: BaseException) -> bool:
        """Rolls everything back; gives whether it failed for no other reason than its age."""
        try:
            while self._session.wire.is_expecting:
                await self._session.wire.collect()
            if self._opened:
                await self._block.roll_back()
        except Exception:
            # The server does so itself when the connection is closed; the first error comes out.
            self._session.give_up()
            return False
        suspect = self._suspect
        if suspect is None:
            return False
        text, cause = suspect.statement.text, error.__cause__ or error
        if not await is_outdated(self._session, text, cause):
            return False
        # What made one outdated may have done so to the others.
        for text in self._texts:
            self._session.statements.forget(text)
        return True

    def _overhear(self, group: _Group, results: Sequence[PGresult]) -> None:
        """Has the marker learn from what came of a group before its connection was lost."""
        marker, before = self._session.marker, group.results_before_marker
        if group.marker_at is not None and marker is not None and len(results) > before:
            marker.see(results[before])

    def _committed_in(
        self, group: _Group, results: Sequence[PGresult]
    ) -> Sequence[PGresult] | None:
        """The results of a group up to the answer to its COMMIT; None if that did not come."""
        if group.closing and self._block.is_outermost:
            for number, result in enumerate(results, 1):
                if result.command_status == b"COMMIT":
                    return results[:number]
        return None

    def _reach(self, phase: Phase) -> None:
        """Notes how far the transaction has come."""
        self._block.phase = self._session.wire.phase = phase

    def _place_of_marker(self, bounds: Sequence[BoundQuery[Any]]) -> int | None:
        """Before which of the queries the marker of the transaction is asked for, if it is."""
        marker = self._session.marker
        if marker is None or marker.is_asked:
            return None
        for place, bound in enumerate(bounds):
            if marker.can_precede(bound.statement.text):
                return place
        return None

    def _way(
        self, bound: BoundQuery[Any], prepared: Prepared | None, last: bool
    ) -> tuple[Prepared, int | None]:
        """Return the statement of a query, and its timeout."""
        assert prepared is not None, "it was prepared"
        if prepared.leaves_traces:
            self._session.needs_reset = True
        if last and bound.query.kind.gives_rows:
            # After the commit it would be too late to see that a column fits no field.
            prepared.columns.build_for(bound.query)
        return prepared, self._session.limits.of(bound.query.definition.directives.timeout)

    def _requests(self, group: _Group) -> Iterator[Request]:
        """The requests of a group, each made when the one before it was sent."""
        pgconn, ways = self._session.wire.pgconn, group.ways
        if group.opening and self._block.begin_sql is not None:
            yield self._command(self._block.begin_sql)
        for number, bound in enumerate(group.bounds, group.first):
            if number - group.first == group.marker_at and self._session.marker is not None:
                yield self._session.ask_for(self._session.marker)
                if group.closing:
                    # The server hands over what it has, before anything can be in doubt.
                    yield pgconn.send_flush_request
            prepared, timeout = ways[bound.statement.text]
            try:
                request = prepared.request(pgconn, bound.values)
            except Exception as error:
                self.failed, self._suspect = number, bound
                # The COMMIT that was to come after it does not.
                self._closed = self._session.wire.is_committing = False
                self._reach(Phase.IN_TRANSACTION)
                if isinstance(error, ParameterTypeMismatch):
                    raise parameter_error(bound, error) from error
                raise
            if timeout is None:
                yield request
            else:
                yield from with_timeout_set(pgconn, [request], timeout)
        if group.closing and self._block.end_sql is not None:
            yield self._command(self._block.end_sql)

    def _command(self, text: str) -> Request:
        return partial(self._session.wire.pgconn.send_query_params, text.encode(), None)


@attrs.frozen
class _Group:
    """
    What is posted together, with the statement and the limit of each text; ``first`` counts.

    The marker of the transaction is asked for before the query at ``marker_at``, if it is here.
    """

    first: int
    bounds: Sequence[BoundQuery[Any]]
    ways: Mapping[str, tuple[Prepared, int | None]]
    marker_at: int | None
    opening: bool
    closing: bool

    @property
    def results_before_marker(self) -> int:
        """How many results come before that of the marker."""
        before = self.bounds[: self.marker_at or 0]
        limits = [self.ways[bound.statement.text][1] for bound in before]
        return self.opening + sum(1 if limit is None else 3 for limit in limits)


def _by_text(bounds: Iterable[BoundQuery[Any]]) -> dict[str, BoundQuery[Any]]:
    """One query for each text there is."""
    return {bound.statement.text: bound for bound in bounds}


def _middle_of(results: Iterator[PGresult]) -> PGresult:
    """The result of a request that has one before and one after it, or the error before it."""
    before, own, _ = itertools.islice(results, 3)
    return own if before.status in DONE else before

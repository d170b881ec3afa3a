"""The one control flow from a bound query to its result, for both I/O backends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Iterable
from time import monotonic
from typing import Any

import attrs
import psycopg

from raxol_sql.engine.batch.execute_many import run_all, run_alone, run_many
from raxol_sql.engine.batch.multi import Multi
from raxol_sql.engine.batch.multi_runner import run_multi
from raxol_sql.engine.core.deadline import deadline_of
from raxol_sql.engine.cursor import batches
from raxol_sql.engine.preload import PreloadCall, parents_of
from raxol_sql.engine.query_monitor import current as monitors
from raxol_sql.engine.session.error_notes import add_notes, arguments_of, parameter_error
from raxol_sql.engine.session.session import Session
from raxol_sql.engine.session.staleness import may_commit
from raxol_sql.engine.transaction.commit import raise_if_uncertain
from raxol_sql.engine.transaction.retrier import FailedAttempt, RetriedCall, classify_error, retry
from raxol_sql.engine.transaction.session_source import SessionSource
from raxol_sql.engine.types.parameters import ParameterTypeMismatch
from raxol_sql.errors import QueryKindError
from raxol_sql.failures import Effect, Phase
from raxol_sql.queries import BoundQuery, Query
from raxol_sql.queries.validation import require_bound
from raxol_sql.records import result_of
from raxol_sql.telemetry import OperationTimer
from raxol_sql.text import Kind

# Member access on an Enum is slow in Python 3.11, and this one is read by every call.
_COPY = Kind.COPY


class Executor:
    """Runs queries on sessions from one source. As safe for threads and tasks as the source."""

    def __init__(self, sessions: SessionSource) -> None:
        self._sessions = sessions
        self._telemetry = sessions.telemetry

    async def run(self, bound: BoundQuery[Any] | Multi, commit_check: str | None = None) -> Any:
        """See `Database.run`."""
        if type(bound) is not BoundQuery:
            if isinstance(bound, Multi):
                if commit_check is not None:
                    raise TypeError(
                        "run() takes no commit_check for a Multi: "
                        "give it to Multi(commit_check=...)"
                    )
                return await run_multi(self._sessions, bound)
            bound = require_bound("run()", bound)
        elif bound.query.kind is _COPY:
            require_bound("run()", bound)
        query, sessions = bound.query, self._sessions
        for monitor in monitors.get():
            monitor.record(query, bound.statement.text, is_alone=sessions.retrier is not None)
        watch: OperationTimer | None = None
        if self._telemetry.listens:
            watch = self._telemetry.watch(query.name, "run", bound.statement.text)
        try:
            if commit_check is None:
                timeout = query.definition.directives.timeout
                until = deadline_of(sessions.timeout if timeout is None else timeout)
                # The first attempt is not in the loop: every call runs it, and few need another.
                result = await self._attempt(bound, timeout, until, watch)
                if type(result) is FailedAttempt:
                    result = await self._retry(result, bound, timeout, until, watch)
            else:
                result = await run_alone(sessions, bound, commit_check, watch)
        except BaseException as error:
            if watch is not None:
                watch.end(error)
            raise
        if watch is not None:
            watch.end()
        return result

    async def _attempt(
        self,
        bound: BoundQuery[Any],
        timeout: int | None,
        until: float | None,
        watch: OperationTimer | None,
        is_retry: bool = False,
    ) -> Any:
        """Run one query once; return its result, or a `FailedAttempt` if it may be retried."""
        query, sessions = bound.query, self._sessions
        failed: FailedAttempt | None = None
        try:
            session = await sessions.acquire(query.name, until)
            if watch is not None:
                watch.taken, watch.idle_since = monotonic(), session.idle_since
            if is_retry:
                session.limits.uses_deadline = True
            try:
                try:
                    answer = await session.run(bound.statement.text, bound.values, timeout)
                except psycopg.Error as error:
                    failed = _failed_attempt(error, session, bound)
                    raise
                if watch is None:
                    return result_of(query, answer)
                since = monotonic()
                result = result_of(query, answer)
                watch.decode, watch.rows = monotonic() - since, answer.rows
                return result
            finally:
                await sessions.release(session)
        except ParameterTypeMismatch as error:
            raise parameter_error(bound, error) from None
        except Exception as error:
            add_notes(error, query, arguments_of(bound, shows_values=sessions.shows_values))
            if failed is None or sessions.retrier is None:
                raise
            _raise_if_final(failed, bound.statement.text)
            return failed if failed.error is error else attrs.evolve(failed, error=error)

    async def _retry(
        self,
        failed: FailedAttempt,
        bound: BoundQuery[Any],
        timeout: int | None,
        until: float | None,
        watch: OperationTimer | None,
    ) -> Any:
        def attempt(is_retry: bool) -> Awaitable[Any]:
            return self._attempt(bound, timeout, until, watch, is_retry)

        call = RetriedCall(self._sessions.retrier, bound.query.name, until, watch)
        return await retry(failed, attempt, call)

    async def preload(self, parents: Iterable[Any], call: PreloadCall) -> list[Any]:
        """See `Database.preload`."""
        parameter, matcher = call.validate()
        given = parents_of(parents)
        keys = matcher.keys_of(given)
        # Unknown names are an error even without parents.
        bound = matcher.query.bind({**call.arguments, parameter: keys})
        children = await self.run(bound) if keys else []
        return matcher.match(given, children)

    async def run_all(self, bounds: Iterable[BoundQuery[Any]]) -> list[Any]:
        """See `Database.run_all`."""
        return await run_all(self._sessions, bounds)

    async def run_many(
        self, query: Query[Any], rows: Iterable[Any], commit_check: str | None = None
    ) -> list[Any]:
        """See `Database.run_many`."""
        return await run_many(self._sessions, query, rows, commit_check)

    def stream(self, bound: BoundQuery[Any], batch: int) -> AsyncGenerator[list[Any]]:
        """Return lists of up to ``batch`` records; see `Database.stream`. Raises at the call."""
        if not isinstance(bound, BoundQuery):
            bound = require_bound("stream()", bound)
        kind = bound.query.kind
        if kind is not Kind.MANY:
            raise QueryKindError(
                bound.query.name, f"stream() takes a :many query, not a :{kind.value} query"
            )
        if bound.query.is_grouped:
            problem = "stream() yields rows as they arrive, but @group needs all rows: use run()"
            raise QueryKindError(bound.query.name, problem)
        if batch < 1:
            raise ValueError(f"batch must be a number of rows, 1 or more, not {batch}")
        return batches(self._sessions, bound, batch)

    async def copy(self, query: Query[Any], data: Any) -> Any:
        """See `Database.copy`."""
        from raxol_sql.engine.copy.transfer import copy_in, copy_into_file, copy_out, is_copy_out

        is_out = is_copy_out(query)
        with self._telemetry.watch(query.name, "copy", query().statement.text) as watch:
            if not is_out:
                given = () if data is None else data
                watch.rows = count = await copy_in(self._sessions, query, given, watch)
                return count
            if data is not None:
                return await copy_into_file(self._sessions, query, data, watch)
            records = await copy_out(self._sessions, query, watch)
            watch.rows = len(records)
            return records


def _failed_attempt(
    error: psycopg.Error, session: Session, bound: BoundQuery[Any]
) -> FailedAttempt:
    """Return how a statement failed, by the state of its session at this moment."""
    session.last_error = error
    return FailedAttempt(
        error,
        classify_error(error, Phase.SENT if session.is_sent else Phase.ACQUIRE),
        bound.query.definition.directives.idempotent or session.is_read_only,
        session.is_standby,
    )


def _raise_if_final(failed: FailedAttempt, text: str) -> None:
    """Raise for a statement outside a transaction that must not be run again."""
    error, failure = failed.error, failed.failure
    if failed.may_repeat or failure is None or failure.effect is Effect.NONE:
        return
    if isinstance(error, psycopg.Error):
        raise_if_uncertain(error)
    if may_commit(text):
        raise error  # a procedure may have committed part of its work

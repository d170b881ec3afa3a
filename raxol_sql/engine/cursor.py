"""The rows of a query, in batches, from a server-side cursor."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from functools import partial
from typing import Any

import psycopg

from raxol_sql.engine.session.error_notes import add_notes, arguments_of, parameter_error
from raxol_sql.engine.session.prepared import Prepared
from raxol_sql.engine.session.session import Session
from raxol_sql.engine.transaction.session_source import SessionSource, held
from raxol_sql.engine.transaction.transaction import TransactionScope
from raxol_sql.engine.types.parameters import ParameterTypeMismatch
from raxol_sql.engine.types.result import StatementResult
from raxol_sql.engine.wire.pipeline import Request
from raxol_sql.errors import TransactionError
from raxol_sql.queries import BoundQuery
from raxol_sql.telemetry import OperationTimer

_numbers = itertools.count(1)


async def batches(
    sessions: SessionSource, bound: BoundQuery[Any], size: int
) -> AsyncGenerator[list[Any]]:
    """Yield lists of up to ``size`` records; see `Database.stream`."""
    with sessions.telemetry.watch(bound.query.name, "stream", bound.statement.text) as watch:
        async with aclosing(_batches(sessions, bound, size, watch)) as lists:
            async for records in lists:
                watch.rows = (watch.rows or 0) + len(records)
                with watch.leaving():
                    yield records


async def _batches(
    sessions: SessionSource, bound: BoundQuery[Any], size: int, watch: OperationTimer
) -> AsyncGenerator[list[Any]]:
    # A savepoint would roll back work between the rows if the caller stops before the last row.
    block = TransactionScope(sessions, join_existing=True)
    await block.enter(f"{bound.query.name} by stream()", keeps=True)
    source = sessions if block.begin_sql is None else block.session_source
    cursor = _Cursor(source, bound, size, watch)
    try:
        async for records in cursor.batches():
            yield records
    except BaseException as error:
        try:
            if block.begin_sql is None:  # closed with its separate transaction
                await cursor.close()
        finally:
            await block.exit(error)
        if isinstance(error, ParameterTypeMismatch):
            raise parameter_error(bound, error) from None
        add_notes(error, bound.query, arguments_of(bound, shows_values=sessions.shows_values))
        if isinstance(error, psycopg.errors.SyntaxError):
            error.add_note(
                "stream() declares a cursor: the query must be a SELECT, VALUES or WITH statement"
            )
        raise
    await block.exit(None)


class _Cursor:
    """A server-side cursor in the transaction of the sessions from ``source``."""

    def __init__(
        self, source: SessionSource, bound: BoundQuery[Any], size: int, watch: OperationTimer
    ) -> None:
        self._source = source
        self._watch = watch
        self._bound = bound
        self._size = size
        self._name = f"raxol_sql_{next(_numbers)}"
        self._is_open = False

    async def batches(self) -> AsyncGenerator[list[Any]]:
        """Yield lists of records; the columns are checked even if there are no rows."""
        async with self._held() as session:
            # A cursor has the current columns, but no plan that would reveal that they changed.
            prepared = await session.describe(self._bound.statement.text)
            records = await self._fetch(session, prepared, [self._declaration(session, prepared)])
            self._is_open = True
        yield records
        while len(records) == self._size:
            async with self._held() as session:
                records = await self._fetch(session, prepared, [])
            yield records
        await self.close()

    async def close(self) -> None:
        """Close the cursor on the server if it is still open."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            async with self._held() as session:
                if not session.in_failed_transaction:
                    await session.command(f"close {self._name}")
        except (TransactionError, psycopg.OperationalError):
            # The transaction has ended, and the cursor with it.
            pass

    def _held(self) -> AbstractAsyncContextManager[Session]:
        query = self._bound.query
        return held(self._source, query.name, query.definition.directives.timeout, self._watch)

    async def _fetch(
        self, session: Session, prepared: Prepared, before: Sequence[Request]
    ) -> list[Any]:
        fetch = partial(
            session.wire.pgconn.send_query_params,
            f"fetch forward {self._size} from {self._name}".encode(),
            None,
            result_format=prepared.columns.format,
        )
        timeout = session.limits.of(self._bound.query.definition.directives.timeout)
        results = await session.together([*before, fetch], timeout)
        answer = StatementResult(prepared.columns, results[-1])
        with self._watch.decoding():
            return answer.all(answer.build_for(self._bound.query))

    def _declaration(self, session: Session, prepared: Prepared) -> Request:
        if prepared.leaves_traces:
            session.needs_reset = True
        before = f"declare {self._name} no scroll cursor for ".encode()
        return prepared.inside(session.wire.pgconn, before, self._bound.values)

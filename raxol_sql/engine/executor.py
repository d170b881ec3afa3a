"""The one flow of control: from a bound query to its result, in either colour."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import Any

from raxol_sql.engine.checking import bound_for
from raxol_sql.engine.explaining import explain, misfit
from raxol_sql.engine.many import run_all, run_many
from raxol_sql.engine.multi import Multi
from raxol_sql.engine.parameters import ParameterMisfit
from raxol_sql.engine.sessions import Sessions
from raxol_sql.engine.stepping import run_multi
from raxol_sql.engine.streaming import batches
from raxol_sql.engine.transfer import copy_in, copy_into_file, copy_out, is_copy_out
from raxol_sql.errors import KindError
from raxol_sql.queries import Bound, Query
from raxol_sql.records import result_of
from raxol_sql.text import Kind


class Executor:
    """Runs queries on sessions from one source. As safe for threads and tasks as the source."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def run(self, bound: Bound[Any] | Multi) -> Any:
        """See `Database.run`."""
        if isinstance(bound, Multi):
            return await run_multi(self._sessions, bound)
        if type(bound) is not Bound or bound.query.kind is Kind.COPY:
            bound = bound_for("run()", bound)
        query = bound.query
        try:
            session = await self._sessions.acquire()
            try:
                answer = await session.run(
                    bound.statement.text, bound.values, query.definition.directives.timeout
                )
                return result_of(query, answer)
            finally:
                await self._sessions.release(session)
        except ParameterMisfit as error:
            raise misfit(bound, error) from None
        except Exception as error:
            explain(error, query)
            raise

    async def run_all(self, bounds: Iterable[Bound[Any]]) -> list[Any]:
        """See `Database.run_all`."""
        return await run_all(self._sessions, bounds)

    async def run_many(self, query: Query[Any], rows: Iterable[Any]) -> list[Any]:
        """See `Database.run_many`."""
        return await run_many(self._sessions, query, rows)

    def stream(self, bound: Bound[Any], batch: int) -> AsyncGenerator[list[Any]]:
        """Lists of up to ``batch`` records; see `Database.stream`. Refuses at the call."""
        if not isinstance(bound, Bound):
            bound = bound_for("stream()", bound)
        kind = bound.query.kind
        if kind is not Kind.MANY:
            raise KindError(bound.query.name, f"stream() takes :many, and this is :{kind.value}")
        if batch < 1:
            raise ValueError(f"batch is a number of rows, 1 or more; not {batch}")
        return batches(self._sessions, bound, batch)

    async def copy(self, query: Query[Any], data: Any) -> Any:
        """See `Database.copy`."""
        if not is_copy_out(query):
            return await copy_in(self._sessions, query, () if data is None else data)
        if data is not None:
            return await copy_into_file(self._sessions, query, data)
        return await copy_out(self._sessions, query)

"""One query for many rows, and many queries at once, in shared round trips."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from raxol_sql.engine.batch.batch import Batch
from raxol_sql.engine.batch.runner import BatchOptions, run_batch
from raxol_sql.engine.core.deadline import max_timeout
from raxol_sql.engine.session.error_notes import add_notes, arguments_of
from raxol_sql.engine.transaction.options import TransactionOptions, options_of
from raxol_sql.engine.transaction.session_source import SessionSource
from raxol_sql.engine.types.result import StatementResult
from raxol_sql.errors import ParameterError, QueryKindError, with_article
from raxol_sql.queries import BoundQuery, Query
from raxol_sql.queries.validation import require_bound, require_query
from raxol_sql.records import can_refuse, result_of
from raxol_sql.telemetry import OperationTimer
from raxol_sql.text import Kind

CHUNK = 1000
_READING = TransactionOptions(isolation="repeatable read", read_only=True)


async def run_all(sessions: SessionSource, bounds: Iterable[BoundQuery[Any]]) -> list[Any]:
    """Run read-only queries; see `Database.run_all`."""
    asked = [require_bound("run_all()", bound) for bound in bounds]

    async def work(batch: Batch) -> list[Any]:
        found = await batch.prepare(asked)
        results: list[Any] = []
        _take_in(results, batch, asked, await batch.send(asked, found, last=True))
        return results

    async def explained(batch: Batch) -> list[Any]:
        try:
            return await work(batch)
        except Exception as error:
            number = batch.failed or 0
            bound = asked[number]
            said = [
                f"number {number} of run_all()",
                arguments_of(bound, shows_values=sessions.shows_values),
            ]
            add_notes(error, bound.query, " ".join(filter(None, said)))
            raise

    options = BatchOptions("run_all()", timeout_of(sessions, asked), _READING, joins=True)
    if not asked:
        return []
    with sessions.telemetry.watch("", "run_all") as watch:
        watch.concerns(bound.query.name for bound in asked)
        results = await run_batch(sessions, explained, options, watch)
        watch.rows = sum(
            _rows_in(bound.query.kind, [result]) or 0
            for bound, result in zip(asked, results, strict=True)
        )
        return results


async def run_many(
    sessions: SessionSource, query: Query[Any], rows: Iterable[Any], commit_check: str | None = None
) -> list[Any]:
    """Run a query for many rows; see `Database.run_many`."""
    many = _Many(require_query("run_many()", query), rows)
    options = BatchOptions(
        f"{query.name} by run_many()",
        max_timeout(sessions.timeout, query.definition.directives.timeout),
        options_of(None, None, None, commit_check or sessions.commit_check),
        may_repeat=many.can_begin_again,
    )
    with sessions.telemetry.watch(query.name, "run_many") as watch:
        try:
            results = await run_batch(sessions, many.run, options, watch)
        finally:
            watch.size = many.count
        watch.rows = _rows_in(query.kind, results)
        return results


async def run_alone(
    sessions: SessionSource, bound: BoundQuery[Any], commit_check: str, watch: OperationTimer | None
) -> Any:
    """Return the result of one query in a separate transaction; see `Database.run`."""

    async def work(batch: Batch) -> Any:
        try:
            found = await batch.prepare([bound])
            last = not can_refuse(bound.query)
            (answer,) = await batch.send([bound], found, last=last)
            with batch.decoding():
                result = result_of(bound.query, answer)
            if watch is not None:
                watch.rows = answer.rows
            return result
        except Exception as error:
            add_notes(error, bound.query, arguments_of(bound, shows_values=sessions.shows_values))
            raise

    timeout = bound.query.definition.directives.timeout
    options = BatchOptions(
        bound.query.name,
        sessions.timeout if timeout is None else timeout,
        options_of(None, None, None, commit_check),
    )
    return await run_batch(sessions, work, options, watch)


def timeout_of(sessions: SessionSource, bounds: Iterable[BoundQuery[Any]]) -> int:
    """
    Return the timeout of a call that runs these queries: the longest of theirs, or the usual one.
    """
    timeout = sessions.timeout
    for bound in bounds:
        own = bound.query.definition.directives.timeout
        if own is not None:
            timeout = max_timeout(timeout, own)
    return timeout


class _Many:
    """The rows of a `run_many`, in chunks; one is sent while the results of another arrive."""

    def __init__(self, query: Query[Any], rows: Iterable[Any]) -> None:
        self.count = 0
        self._query = query
        self._bounds = (_bind(query, row, number) for number, row in enumerate(rows))
        self._taken: list[list[BoundQuery[Any]]] | None = []

    def can_begin_again(self) -> bool:
        """Return whether all rows taken so far are still available."""
        return self._taken is not None

    async def run(self, batch: Batch) -> list[Any]:
        try:
            return await self._run(batch)
        except Exception as error:
            add_notes(error, self._query, "" if batch.failed is None else f"in row {batch.failed}")
            raise

    async def _run(self, batch: Batch) -> list[Any]:
        results: list[Any] = []
        posted: list[BoundQuery[Any]] = []
        chunks = self._chunks()
        chunk = next(chunks, None)
        while chunk is not None:
            following = next(chunks, None)
            found = batch.find(chunk)
            if not batch.are_current(chunk, found):
                if posted:
                    _take_in(results, batch, posted, await batch.collect())
                    posted = []
                found = await batch.prepare(chunk)
            last = following is None and not can_refuse(self._query)
            await batch.post(chunk, found, last=last)
            if posted:
                _take_in(results, batch, posted, await batch.collect())
                self._taken = None
            posted, chunk = chunk, following
        if posted:
            _take_in(results, batch, posted, await batch.collect())
        return results

    def _chunks(self) -> Iterator[list[BoundQuery[Any]]]:
        yield from list(self._taken or ())
        while chunk := list(itertools.islice(self._bounds, CHUNK)):
            self.count += len(chunk)
            if self._taken is not None:
                self._taken.append(chunk)
            yield chunk


def _rows_in(kind: Kind, results: Sequence[Any]) -> int | None:
    """Return the number of rows returned or changed; None if no result counts any."""
    if kind is Kind.ONE:
        return len(results)
    if kind is Kind.MAYBE:
        return sum(result is not None for result in results)
    if kind is Kind.MANY:
        return sum(map(len, results))
    return sum(results) if kind is Kind.AFFECTED else None


def _take_in(
    results: list[Any],
    batch: Batch,
    bounds: Sequence[BoundQuery[Any]],
    answers: Sequence[StatementResult],
) -> None:
    """Append the results of the next queries."""
    with batch.decoding():
        for number, (bound, answer) in enumerate(zip(bounds, answers, strict=True), len(results)):
            try:
                results.append(result_of(bound.query, answer))
            except Exception:
                batch.failed = number
                raise


def _bind(query: Query[Any], row: Any, number: int) -> BoundQuery[Any]:
    """Bind ``query`` to the arguments in a mapping, or in a record that may have more fields."""
    if isinstance(row, Mapping):
        given = row
    elif attrs.has(type(row)):
        names = query.definition.template.names
        given = {name: getattr(row, name) for name in names if hasattr(row, name)}
    else:
        kind = type(row).__name__
        raise QueryKindError(
            query.name, f"row {number} is {with_article(kind)}: give mappings or attrs records"
        )
    try:
        return query(**given)
    except ParameterError as error:
        raise ParameterError(query.name, [f"row {number}: {p}" for p in error.problems]) from None

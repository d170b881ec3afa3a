"""The one flow of control: from a bound query to its result, in either colour."""

from __future__ import annotations

import io
import itertools
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import attrs
import psycopg

from raxol_sql.engine.copying import CopyData, blocks_or_rows
from raxol_sql.engine.session import Reply, Session
from raxol_sql.engine.sessions import Sessions, held
from raxol_sql.engine.transaction import Block
from raxol_sql.errors import KindError, ParameterError, RaxolSQLError
from raxol_sql.queries import Bound, Query
from raxol_sql.records import result_of, shape_of
from raxol_sql.text import CopyShape, Kind

CHUNK = 1000


class Executor:
    """Runs queries on sessions from one source. As safe for threads and tasks as the source."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def run(self, bound: Bound[Any]) -> Any:
        """See `Database.run`."""
        query = _bound(bound, "run").query
        if query.kind is Kind.COPY:
            raise KindError(query.name, "a :copy query is run by copy()")
        with _noting(query):
            async with held(self._sessions) as session:
                reply = await session.execute(bound.statement.text, bound.values, _timeout(query))
            return result_of(query, reply.columns, reply.rows, reply.affected)

    async def run_many(self, query: Query[Any], rows: Iterable[Any]) -> list[Any]:
        """See `Database.run_many`."""
        _check_query(query)
        if query.kind is Kind.COPY:
            raise KindError(query.name, "a :copy query is run by copy()")
        bounds = (_bind(query, row, number) for number, row in enumerate(rows))
        results: list[Any] = []
        block = Block(self._sessions)
        session = await block.enter()
        try:
            while chunk := list(itertools.islice(bounds, CHUNK)):
                first = len(results)
                with _noting(query, f"in rows {first} to {first + len(chunk) - 1}"):
                    replies = await _send_chunk(session, query, chunk)
                    results += [result_of(query, r.columns, r.rows, r.affected) for r in replies]
        except BaseException as error:
            await block.exit(error)
            raise
        with _noting(query):
            await block.exit(None)
        return results

    def stream(self, bound: Bound[Any], batch: int) -> AsyncGenerator[list[Any]]:
        """Lists of up to ``batch`` records; see `Database.stream`. Refuses at the call."""
        query = _bound(bound, "stream").query
        if query.kind is not Kind.MANY:
            raise KindError(query.name, f"stream() takes :many, and this is :{query.kind.value}")
        if batch < 1:
            raise ValueError(f"batch is a number of rows, 1 or more; not {batch}")
        return self._batches(bound, batch)

    async def _batches(self, bound: Bound[Any], batch: int) -> AsyncGenerator[list[Any]]:
        query = bound.query
        # A savepoint would take back what is done between the rows, when not all of them are taken.
        block = Block(self._sessions, joins=True)
        session = await block.enter()
        try:
            replies = session.fetch(bound.statement.text, bound.values, batch, _timeout(query))
            try:
                with _noting(query):
                    async for reply in replies:
                        yield shape_of(query, reply.columns)(reply.rows)
            except psycopg.errors.SyntaxError as error:
                error.add_note("stream() declares a cursor, which takes select, values and with")
                raise
            finally:
                await replies.aclose()
        except BaseException as error:
            await block.exit(error)
            raise
        await block.exit(None)

    async def copy_in(self, query: Query[Any], data: CopyData) -> int:
        """See `Database.copy`, for COPY ... FROM STDIN."""
        shape = _copy_shape(query)
        if not shape.into_server:
            raise KindError(query.name, "this COPY gives data, and takes none")
        items = blocks_or_rows(query.name, shape, data)
        with _noting(query):
            async with held(self._sessions) as session:
                return await session.copy_in(_copy_text(query), items, _timeout(query))

    async def copy_out(self, query: Query[Any], parsed: bool) -> AsyncGenerator[Any]:
        """Rows of texts, or blocks of bytes; see `Database.copy`, for COPY ... TO STDOUT."""
        shape = _copy_shape(query)
        if shape.into_server:
            raise KindError(query.name, "this COPY takes data: give it the rows")
        if parsed and shape.format != "text":
            raise KindError(
                query.name, f"this COPY gives {shape.format}: hand copy() a binary file for it"
            )
        with _noting(query):
            async with held(self._sessions) as session:
                items = session.copy_out(_copy_text(query), parsed, _timeout(query))
                try:
                    async for item in items:
                        yield item
                finally:
                    await items.aclose()

    async def copy_into_file(self, query: Query[Any], file: BinaryIO) -> int:
        """Writes what a COPY ... TO STDOUT gives to ``file``; gives the count of bytes."""
        if not hasattr(file, "write") or isinstance(file, io.TextIOBase):
            raise TypeError(
                f"{query.name}: this COPY gives bytes: hand copy() a file that is open in binary "
                "mode, as in open(path, 'wb')"
            )
        count = 0
        blocks = self.copy_out(query, parsed=False)
        try:
            async for block in blocks:
                file.write(block)
                count += len(block)
        finally:
            await blocks.aclose()
        return count


def is_copy_out(query: Query[Any]) -> bool:
    """Whether a query is a COPY that gives data; raises `KindError` if it is no COPY at all."""
    return not _copy_shape(query).into_server


async def _send_chunk(
    session: Session, query: Query[Any], chunk: Sequence[Bound[Any]]
) -> list[Reply]:
    """The answers to ``chunk``, in its order; neighbours of one variant share a round trip."""
    replies: list[Reply] = []
    for text, group in itertools.groupby(chunk, key=lambda bound: bound.statement.text):
        rows = [bound.values for bound in group]
        replies += await session.execute_many(text, rows, _timeout(query))
    return replies


def _bind(query: Query[Any], row: Any, number: int) -> Bound[Any]:
    """``query`` with the arguments that a mapping, or a record with more fields, gives."""
    if isinstance(row, Mapping):
        given = row
    elif attrs.has(type(row)):
        names = query.definition.template.names
        given = {name: getattr(row, name) for name in names if hasattr(row, name)}
    else:
        kind = type(row).__name__
        raise KindError(query.name, f"row {number} is a {kind}; give mappings or attrs records")
    try:
        return query(**given)
    except ParameterError as error:
        raise ParameterError(query.name, [f"row {number}: {p}" for p in error.problems]) from None


def _check_query(query: object) -> None:
    if isinstance(query, Bound):
        raise KindError(query.query.name, "run_many() takes the query itself, and rows for it")
    if not isinstance(query, Query):
        raise TypeError(f"run_many() takes a query; not {type(query).__name__}")


def _bound(bound: object, verb: str) -> Bound[Any]:
    if isinstance(bound, Bound):
        return bound
    if isinstance(bound, Query):
        raise KindError(bound.name, f"{verb}() takes the query called: {bound.signature}")
    raise TypeError(f"{verb}() takes a query called with its arguments; not {type(bound).__name__}")


def _copy_shape(query: Query[Any]) -> CopyShape:
    if not isinstance(query, Query):
        raise TypeError(f"copy() takes a :copy query; not {type(query).__name__}")
    if query.definition.copy is None:
        raise KindError(query.name, f"copy() takes :copy, and this is :{query.kind.value}")
    return query.definition.copy


def _copy_text(query: Query[Any]) -> str:
    text: str = query().statement.text
    return text


def _timeout(query: Query[Any]) -> int | None:
    return query.definition.directives.timeout


@contextmanager
def _noting(query: Query[Any], more: str = "") -> Iterator[None]:
    """
    Adds to an error of the driver, or of a record's class, which query it was and where.

    Our own errors say so themselves; ``more`` is added to either.
    """
    try:
        yield
    except RaxolSQLError as error:
        if more:
            error.add_note(more)
        raise
    except Exception as error:
        error.add_note(" ".join(["in query", query.name, f"({query.location})", more]).strip())
        raise

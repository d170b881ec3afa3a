"""COPY between a caller and the server."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, BinaryIO

import psycopg

from raxol_sql.engine.copy.columns import COLUMNS, ColumnInfo
from raxol_sql.engine.copy.decoder import RowDecoder, check_rows_out, read_texts
from raxol_sql.engine.copy.encoder import RowEncoder
from raxol_sql.engine.copy.flow import receive, send
from raxol_sql.engine.copy.source import CopyData, check_rows_in, iter_blocks
from raxol_sql.engine.session.error_notes import notes_on_errors
from raxol_sql.engine.session.session import Session
from raxol_sql.engine.transaction.commit import raise_if_uncertain
from raxol_sql.engine.transaction.session_source import SessionSource, held
from raxol_sql.engine.types.column_types import column_types
from raxol_sql.errors import QueryKindError
from raxol_sql.queries import Query
from raxol_sql.queries.validation import copy_shape
from raxol_sql.records import shape_of
from raxol_sql.telemetry import OperationTimer
from raxol_sql.text import CopyShape


async def copy_in(
    sessions: SessionSource, query: Query[Any], data: CopyData, watch: OperationTimer
) -> int:
    """Run a COPY ... FROM STDIN; see `Database.copy`."""
    shape = copy_shape(query)
    if not shape.into_server:
        raise QueryKindError(query.name, "this COPY sends data and takes none")
    blocks = iter_blocks(query.name, data)
    if blocks is None:
        check_rows_in(query.name, shape)
    with notes_on_errors(query):
        async with held(sessions, query.name, _timeout(query), watch) as session:
            if blocks is None:
                blocks = await _encode(session, query, shape, data)
            try:
                return await send(session, _text(query), blocks, _timeout(query))
            except psycopg.Error as error:
                if sessions.retrier is not None and session.is_sent:
                    raise_if_uncertain(error)
                raise


async def copy_out(sessions: SessionSource, query: Query[Any], watch: OperationTimer) -> list[Any]:
    """Return the rows of a COPY ... TO STDOUT; see `Database.copy`."""
    shape = _shape_out(query)
    names_result = query.definition.result is not None
    check_rows_out(query.name, shape, names_result=names_result)
    with notes_on_errors(query):
        async with held(sessions, query.name, _timeout(query), watch) as session:
            if not names_result:
                async with aclosing(receive(session, _text(query), _timeout(query))) as pieces:
                    return await read_texts(session.connection, pieces)
            names, oids = await _columns(session, shape)
            context = session.types.context
            build = shape_of(query, names, column_types(context.adapters, oids))
            decoder = RowDecoder(context, query.name, shape, names, oids)
            async with aclosing(receive(session, _text(query), _timeout(query))) as pieces:
                return await decoder.read(pieces, build)


async def copy_into_file(
    sessions: SessionSource, query: Query[Any], file: BinaryIO, watch: OperationTimer
) -> int:
    """Write the data of a COPY ... TO STDOUT to ``file``; return the number of bytes."""
    _shape_out(query)
    if not hasattr(file, "write") or isinstance(file, io.TextIOBase):
        raise TypeError(
            f"{query.name}: this COPY sends bytes: open the file for copy() in binary mode, "
            "as in open(path, 'wb')"
        )
    count = 0
    with notes_on_errors(query):
        async with (
            held(sessions, query.name, _timeout(query), watch) as session,
            aclosing(receive(session, _text(query), _timeout(query))) as pieces,
        ):
            async for piece in pieces:
                file.write(piece)
                count += len(piece)
    return count


def is_copy_out(query: Query[Any]) -> bool:
    """Return whether a query is a COPY TO; raises `QueryKindError` if it is not a COPY."""
    return not copy_shape(query).into_server


async def _encode(
    session: Session, query: Query[Any], shape: CopyShape, data: Any
) -> AsyncIterator[bytes]:
    columns = await _table_columns(session, shape)
    return RowEncoder(session.types.context, query.name, shape, columns).blocks(data)


async def _columns(session: Session, shape: CopyShape) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the names and types of the columns of a COPY TO."""
    if shape.query is not None:
        described = await session.describe(shape.query)
        return described.columns.names, described.columns.oids
    columns = await _table_columns(session, shape)
    return tuple(column.name for column in columns), tuple(column.oid for column in columns)


async def _table_columns(session: Session, shape: CopyShape) -> list[ColumnInfo]:
    answer = await session.run(COLUMNS, (shape.relation, list(shape.columns)))
    columns = answer.all(ColumnInfo.of)
    await session.types.learn(session.wire, [column.oid for column in columns])
    return columns


def _shape_out(query: Query[Any]) -> CopyShape:
    shape = copy_shape(query)
    if shape.into_server:
        raise QueryKindError(query.name, "this COPY takes data: give copy() the rows")
    return shape


def _text(query: Query[Any]) -> str:
    text: str = query().statement.text
    return text


def _timeout(query: Query[Any]) -> int | None:
    return query.definition.directives.timeout

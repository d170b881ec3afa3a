"""Every statement of every query, put before the server without being run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import psycopg
from psycopg import pq
from psycopg.errors import error_from_result
from psycopg.pq.abc import PGresult

from raxol_sql.engine.types.catalog import CATALOGUE, TypeCatalog, oid_array, rows_of
from raxol_sql.engine.types.column_types import column_type
from raxol_sql.engine.types.connection_types import ConnectionTypes
from raxol_sql.errors import RecordError
from raxol_sql.queries import Queries, Query
from raxol_sql.records import ColumnType, shape_of
from raxol_sql.schema.asking import asked
from raxol_sql.schema.finding import Finding, Level
from raxol_sql.schema.fitting import misfit_of, target_of
from raxol_sql.schema.plans import Plans
from raxol_sql.schema.reading import read
from raxol_sql.text import CopyShape, Statement
from raxol_sql.text.variants import all_statements

_AT = " at: "


@attrs.frozen
class Origin:
    """
    The column of a table that a column of a query's rows comes from, as the server says.

    ``name`` is what the query calls it, ``table`` the table's OID, ``number`` the column's.
    """

    query: Query[Any]
    name: str
    table: int
    number: int


@attrs.frozen
class Proof:
    """What was found about queries, and where their columns come from."""

    findings: tuple[Finding, ...]
    origins: tuple[Origin, ...]


def prove(connection: psycopg.Connection[Any], queries: Queries) -> Proof:
    """
    What the server says of every statement that the queries can become.

    Each is prepared, which asks for its tables, columns, functions and types, and described, so
    that its columns and their types are compared with the record; nothing is run. Of a :copy
    query the rows that it copies are. ``connection`` is one in autocommit, and used for nothing
    else during that. Raises psycopg's OperationalError where the server is lost, or a table is
    locked for longer than five seconds.
    """
    findings: list[Finding] = []
    origins: list[Origin] = []
    plans = Plans.of(connection)
    types = ConnectionTypes(connection, TypeCatalog())
    for name in queries:
        query: Query[Any] = queries[name]
        # Statements of one query have most of their problems in common.
        told: dict[str, Finding] = {}
        for statement in _statements(query):
            with plans.open():
                for finding in _examined(connection, query, statement, origins, plans, types):
                    told.setdefault(finding.message.partition(_AT)[0], finding)
        allowed = {code for code, _ in query.definition.directives.allow}
        findings += [one for one in [*told.values(), *read(query)] if one.code not in allowed]
    return Proof(tuple(findings), tuple(dict.fromkeys(origins)))


def _statements(query: Query[Any]) -> Iterator[Statement]:
    copy = query.definition.copy
    if copy is None:
        yield from all_statements(query.definition.template)
    else:
        # The server prepares no COPY, but what has its tables and columns.
        yield Statement(copy.query or _selected(copy), (), frozenset())


def _selected(copy: CopyShape) -> str:
    quoted = ['"{}"'.format(name.replace('"', '""')) for name in copy.columns]
    return f"select {', '.join(quoted) or '*'} from {copy.relation}"


def _examined(
    connection: psycopg.Connection[Any],
    query: Query[Any],
    statement: Statement,
    origins: list[Origin],
    plans: Plans,
    types: ConnectionTypes,
) -> Iterator[Finding]:
    pgconn = connection.pgconn
    prepared = asked(connection, lambda: pgconn.send_prepare(b"", statement.text.encode()))
    if prepared.status != pq.ExecStatus.COMMAND_OK:
        yield _refused(query, statement, prepared)
        return
    described = asked(connection, lambda: pgconn.send_describe_prepared(b""))
    if described.status != pq.ExecStatus.COMMAND_OK:
        yield _refused(query, statement, described)
        return
    copy = query.definition.copy
    # What a COPY without a list leaves out, generated columns, is known when it runs.
    is_listed = copy is not None and bool(copy.query or copy.columns)
    if not (query.kind.gives_rows or (is_listed and query.definition.result)):
        return
    columns = tuple((described.fname(n) or b"").decode() for n in range(described.nfields))
    try:
        shape_of(query, columns)
    except RecordError as error:
        result = query.definition.result
        message = f"{result}: {error.problem}" if result else error.problem
        remedy = "change the columns of the query, or the fields of the record"
        yield Finding(Level.FAIL, "record", query.name, message, remedy, query.location)
        return
    oids = [described.ftype(n) for n in range(described.nfields)]
    _learn(connection, types, oids)
    for n, column in enumerate(columns):
        if described.ftable(n):
            origins.append(Origin(query, column, described.ftable(n), described.ftablecol(n)))
        yield from _mistyped(query, column, column_type(types.context.adapters, oids[n]))
    yield from plans.read(query, statement)


def _learn(connection: psycopg.Connection[Any], types: ConnectionTypes, oids: list[int]) -> None:
    unknown = types.to_ask(oids)
    if unknown:
        given = [oid_array(unknown)]
        told = asked(connection, lambda: connection.pgconn.send_query_params(CATALOGUE, given))
        types.take(oids, unknown, rows_of(told) if told.status == pq.ExecStatus.TUPLES_OK else [])


def _mistyped(query: Query[Any], column: str, type: ColumnType) -> Iterator[Finding]:
    target = None if query.record is None else target_of(query.record, column)
    problem = None if target is None else misfit_of(target, type)
    if target is None or problem is None:
        return
    yield Finding(
        Level.FAIL,
        "record",
        query.name,
        f"{target} is {target.field.annotation}, and the column {column!r} is {type.name}",
        f"{problem}; or cast the column in the query",
        query.location,
    )


def _refused(query: Query[Any], statement: Statement, result: PGresult) -> Finding:
    error = error_from_result(result)
    if isinstance(error, psycopg.OperationalError):
        # A lost connection or a lock that another one holds says nothing about the query.
        error.add_note(f"in query {query.name} ({query.location})")
        raise error

    def said(field: pq.DiagnosticField) -> str:
        return (result.error_field(field) or b"").decode("utf-8", "replace")

    message = (
        f"{said(pq.DiagnosticField.MESSAGE_PRIMARY)} (SQLSTATE {said(pq.DiagnosticField.SQLSTATE)})"
    )
    position = said(pq.DiagnosticField.STATEMENT_POSITION)
    if position:
        message += f"{_AT}{_line_of(statement.text, int(position) - 1)}"
    if query.record is not None:
        message += f"; the query gives {query.definition.result}"
    hint = said(pq.DiagnosticField.MESSAGE_HINT)
    remedy = hint or "change the query, or run raxol-sql migrate if the database is behind"
    return Finding(Level.FAIL, "statement", query.name, message, remedy, query.location)


def _line_of(text: str, place: int) -> str:
    begin = text.rfind("\n", 0, place) + 1
    return text[begin:].partition("\n")[0].strip()

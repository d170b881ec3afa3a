"""Checks of every statement of every query: the server prepares it, and does not run it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from time import monotonic
from typing import Any

import attrs
import psycopg
from psycopg import pq
from psycopg.pq.abc import PGconn, PGresult

from raxol_sql.engine.core.concurrency import BLOCKING, run_sync
from raxol_sql.engine.explain import GenericPlan, explain_generic
from raxol_sql.engine.types.catalog import TypeCatalog
from raxol_sql.engine.types.column_types import column_type
from raxol_sql.engine.types.connection_types import ConnectionTypes
from raxol_sql.engine.wire.flight import CHUNK, SECONDS, conclude, exchange_each
from raxol_sql.engine.wire.pipeline import Pipeline, Request
from raxol_sql.engine.wire.timeout_detection import to_exception
from raxol_sql.errors import DeadlineExceededError, RecordError
from raxol_sql.queries import Queries, Query
from raxol_sql.records import ColumnType, shape_of
from raxol_sql.schema import plans
from raxol_sql.schema.finding import Finding, Level
from raxol_sql.schema.fitting import misfit_of, target_of
from raxol_sql.schema.reading import read
from raxol_sql.text import CopyShape, Statement
from raxol_sql.text.variants import all_statements

_AT = " at: "
# All statements together wait for the locks of a migration for at most five seconds, or the
# statement timeout: each statement in the pipeline after a blocked one would wait as long again.
_BEGIN = b"""
select set_config('raxol_sql.check_began', extract(epoch from clock_timestamp())::text, false)
"""
_LIMIT = b"""
select set_config('lock_timeout', greatest(1, most - took)::int::text, true)
from (
    select
        case when own between 1 and 5000 then own else 5000 end as most,
        coalesce(1000 * (now - nullif(began, '')::float8), 0) as took
    from (
        select
            1000 * extract(epoch from current_setting('statement_timeout')::interval) as own,
            extract(epoch from clock_timestamp())::float8 as now,
            current_setting('raxol_sql.check_began', true) as began
    ) as time
) as time
"""


@attrs.frozen
class Origin:
    """
    The column of a table from which a column of a query's result comes, as the server reports it.

    ``name`` is its name in the query, ``table`` the table's OID, ``number`` the column's number.
    """

    query: Query[Any]
    name: str
    table: int
    number: int


@attrs.frozen
class Proof:
    """The findings about queries, and the origins of their columns."""

    findings: tuple[Finding, ...]
    origins: tuple[Origin, ...]


def prove(
    connection: psycopg.Connection[Any], queries: Queries, *, seconds: float = SECONDS
) -> Proof:
    """
    Have the server prepare and describe every statement that the queries can become.

    Preparing a statement checks its tables, columns, functions and types; the description has its
    columns and their types, which are compared with the record. The server runs nothing. For a
    :copy query, a SELECT of the rows that it copies takes its place. The statements are pipelined,
    some hundred in each round trip. ``connection`` must be in autocommit mode, and nothing else
    may use it until this returns. Raises psycopg's OperationalError if the connection is lost, if
    the server takes more than ``seconds`` for a statement, or if a table is locked for longer than
    five seconds; ``connection`` may be closed then.
    """
    try:
        return run_sync(_prove(connection, queries, seconds))
    except DeadlineExceededError as error:
        if error.ended_by == "server":
            raise
        connection.close()
    raise psycopg.errors.ConnectionTimeout("the server has not answered")


@attrs.define
class _Case:
    """A statement of a query, and the findings about it."""

    query: Query[Any]
    statement: Statement
    findings: list[Finding] = attrs.field(factory=list)
    columns: list[tuple[str, int]] = attrs.field(factory=list)
    plan: GenericPlan | None = None


async def _prove(connection: psycopg.Connection[Any], queries: Queries, seconds: float) -> Proof:
    pipeline = Pipeline(BLOCKING, connection)
    all_queries: list[Query[Any]] = [queries[name] for name in queries]
    cases = [_Case(query, one) for query in all_queries for one in _statements(query)]
    origins: list[Origin] = []
    for first in range(0, len(cases), CHUNK - 1):
        await _describe(pipeline, cases[first : first + CHUNK - 1], origins, seconds)
    types = ConnectionTypes(connection, TypeCatalog())
    pipeline.until = monotonic() + seconds
    oids = {oid for case in cases for _, oid in case.columns}
    await types.learn(pipeline, oids)
    known = {oid: column_type(types.context.adapters, oid) for oid in oids}
    for case in cases:
        for column, oid in case.columns:
            case.findings += _type_findings(case.query, column, known[oid])
    planned = [(case, case.plan) for case in cases if case.plan is not None]
    results = await explain_generic(
        pipeline, [plan for _, plan in planned], plans.OPTIONS, plans.SETTINGS, seconds
    )
    for (case, _), result in zip(planned, results, strict=True):
        case.findings += plans.read_plan(case.query, result)
    return Proof(tuple(_deduplicate(all_queries, cases)), tuple(dict.fromkeys(origins)))


def _deduplicate(queries: Iterable[Query[Any]], cases: Iterable[_Case]) -> Iterator[Finding]:
    """Yield the findings of each query once, without those that the query allows."""
    # The statements of one query share most of their problems.
    told: dict[str, dict[str, Finding]] = {query.name: {} for query in queries}
    for case in cases:
        for finding in case.findings:
            told[case.query.name].setdefault(finding.message.partition(_AT)[0], finding)
    for query in queries:
        allowed = {code for code, _ in query.definition.directives.allow}
        found = [*told[query.name].values(), *read(query)]
        yield from (one for one in found if one.code not in allowed)


async def _describe(
    pipeline: Pipeline, cases: Sequence[_Case], origins: list[Origin], seconds: float
) -> None:
    """Describe statements in one round trip, in which they share the wait for locks."""
    pgconn = pipeline.pgconn
    described = iter(cases)
    groups = [[_send(pgconn, _BEGIN)]]
    for case in cases:
        prepare = partial(pgconn.send_prepare, b"", case.statement.text.encode())
        describe = partial(pgconn.send_describe_prepared, b"")
        groups.append([_send(pgconn, _LIMIT), prepare, describe])

    def read(results: list[PGresult]) -> None:
        if len(results) > 1:
            _examine(next(described), conclude(results), origins, pgconn.server_version)

    await exchange_each(pipeline, groups, read, seconds)


def _send(pgconn: PGconn, text: bytes) -> Request:
    return partial(pgconn.send_query_params, text, None)


def _statements(query: Query[Any]) -> Iterator[Statement]:
    copy = query.definition.copy
    if copy is None:
        yield from all_statements(query.definition.template)
    else:
        # The server prepares no COPY, so a SELECT of the same columns takes its place.
        yield Statement(copy.query or _select_of(copy), (), frozenset())


def _select_of(copy: CopyShape) -> str:
    quoted = ['"{}"'.format(name.replace('"', '""')) for name in copy.columns]
    return f"select {', '.join(quoted) or '*'} from {copy.relation}"


def _examine(case: _Case, described: PGresult, origins: list[Origin], version: int) -> None:
    """Take in the description of a statement, or the error of the server in its place."""
    query = case.query
    if described.status != pq.ExecStatus.COMMAND_OK:
        case.findings.append(_rejection(query, case.statement, described))
        return
    copy = query.definition.copy
    # A COPY without a list of columns omits generated columns, which only its run shows.
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
        case.findings.append(
            Finding(Level.FAIL, "record", query.name, message, remedy, query.location)
        )
        return
    case.columns = [(column, described.ftype(n)) for n, column in enumerate(columns)]
    for n, column in enumerate(columns):
        if described.ftable(n):
            origins.append(Origin(query, column, described.ftable(n), described.ftablecol(n)))
    case.plan = plans.plan_to_read(query, case.statement, version)


def _type_findings(query: Query[Any], column: str, type: ColumnType) -> Iterator[Finding]:
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


def _rejection(query: Query[Any], statement: Statement, result: PGresult) -> Finding:
    error = to_exception(result)
    if isinstance(error, psycopg.OperationalError):
        # A lost connection, or a lock of another session, says nothing about the query.
        error.add_note(f"in query {query.name} ({query.location})")
        raise error

    def field(name: pq.DiagnosticField) -> str:
        return (result.error_field(name) or b"").decode("utf-8", "replace")

    sqlstate = field(pq.DiagnosticField.SQLSTATE)
    message = f"{field(pq.DiagnosticField.MESSAGE_PRIMARY)} (SQLSTATE {sqlstate})"
    position = field(pq.DiagnosticField.STATEMENT_POSITION)
    if position:
        message += f"{_AT}{_line_of(statement.text, int(position) - 1)}"
    if query.record is not None:
        message += f"; the query gives {query.definition.result}"
    hint = field(pq.DiagnosticField.MESSAGE_HINT)
    remedy = hint or "change the query, or run raxol-sql migrate if the database is behind"
    return Finding(Level.FAIL, "statement", query.name, message, remedy, query.location)


def _line_of(text: str, place: int) -> str:
    begin = text.rfind("\n", 0, place) + 1
    return text[begin:].partition("\n")[0].strip()

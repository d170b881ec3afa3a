"""Every statement of every query, put before the server without being run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import attrs
import psycopg
from psycopg import pq
from psycopg.pq.abc import PGconn, PGresult

from raxol_sql.errors import RecordError
from raxol_sql.queries import Queries, Query
from raxol_sql.records import shape_of
from raxol_sql.schema.finding import Finding, Level
from raxol_sql.text import Kind, Statement, literals
from raxol_sql.text.variants import all_statements

_PLACEHOLDER = re.compile(r":[A-Za-z_]\w*|%s|%\(\w+\)s")


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
    that its columns are compared with the record; nothing is run. A :copy query cannot be
    prepared. ``connection`` is one in autocommit, and used for nothing else meanwhile.
    """
    findings: list[Finding] = []
    origins: list[Origin] = []
    for name in queries:
        query: Query[Any] = queries[name]
        allowed = {code for code, _ in query.definition.directives.allow}
        if query.kind is not Kind.COPY:
            told: dict[str, Finding] = {}
            for statement in all_statements(query.definition.template):
                for finding, found in _examined(connection.pgconn, query, statement):
                    if finding is not None:
                        told.setdefault(finding.message, finding)
                    origins += found
            findings += told.values()
        findings += [one for one in _read(query) if one.code not in allowed]
    return Proof(tuple(findings), tuple(dict.fromkeys(origins)))


def _examined(
    pgconn: PGconn, query: Query[Any], statement: Statement
) -> Iterator[tuple[Finding | None, list[Origin]]]:
    prepared = pgconn.prepare(b"", statement.text.encode())
    if prepared.status != pq.ExecStatus.COMMAND_OK:
        yield _refused(query, prepared), []
        return
    described = pgconn.describe_prepared(b"")
    if described.status != pq.ExecStatus.COMMAND_OK:
        yield _refused(query, described), []
        return
    columns = tuple((described.fname(n) or b"").decode() for n in range(described.nfields))
    if not query.kind.gives_rows:
        return
    try:
        shape_of(query, columns)
    except RecordError as error:
        remedy = "change the columns of the query, or the fields of the record"
        result = query.definition.result
        whose = f"{result}: " if result else ""
        yield (
            Finding(
                Level.FAIL, "record", query.name, f"{whose}{error.problem}", remedy, query.location
            ),
            [],
        )
        return
    yield (
        None,
        [
            Origin(query, column, described.ftable(n), described.ftablecol(n))
            for n, column in enumerate(columns)
            if described.ftable(n)
        ],
    )


def _refused(query: Query[Any], result: PGresult) -> Finding:
    def said(field: pq.DiagnosticField) -> str:
        return (result.error_field(field) or b"").decode("utf-8", "replace")

    message = (
        f"{said(pq.DiagnosticField.MESSAGE_PRIMARY)} (SQLSTATE {said(pq.DiagnosticField.SQLSTATE)})"
    )
    result_name = query.definition.result
    if result_name:
        message += f", in a query that gives {result_name}"
    hint = said(pq.DiagnosticField.MESSAGE_HINT)
    remedy = hint or "change the query, or run raxol-sql migrate if the database is behind"
    return Finding(Level.FAIL, "statement", query.name, message, remedy, query.location)


def _read(query: Query[Any]) -> Iterator[Finding]:
    """What can be said of a query by reading it."""
    statement = next(all_statements(query.definition.template))
    for text in literals(statement.text):
        if _PLACEHOLDER.fullmatch(text):
            yield Finding(
                Level.WARN,
                "literal",
                query.name,
                f"'{text}' in quotes is a text, and no parameter",
                "leave the quotes out, and write a parameter as :name",
                query.location,
            )
    if not query.definition.doc:
        yield Finding(
            Level.NOTE,
            "undocumented",
            query.name,
            "nothing says what it is for",
            "write a comment between the header and the statement",
            query.location,
        )

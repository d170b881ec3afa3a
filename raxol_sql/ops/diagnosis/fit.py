"""Whether the project's queries fit the tables, and the tables good practice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import psycopg

from raxol_sql import schema
from raxol_sql.errors import RaxolSQLError
from raxol_sql.ops.amounts import counted
from raxol_sql.ops.diagnosis.check import Check
from raxol_sql.ops.diagnosis.subject import Subject
from raxol_sql.ops.finding import Finding, Status

GROUP = "schema"
_STATUSES = {schema.Level.FAIL: Status.FAIL, schema.Level.WARN: Status.WARN}
# By the code of what `raxol-sql check` finds.
_NAMES = {"index": "foreign key index", "null": "NULL", "statement": "query"}


def read_fit(subject: Subject) -> Iterator[Finding]:
    """What `raxol-sql check` finds; of the tables, even where the queries cannot be looked at."""
    proof, failure = schema.Proof((), ()), None
    count = 0
    try:
        count = len(subject.queries)
        with subject.database.connection(purpose="diagnose") as connection:
            proof = schema.prove(connection, subject.queries)
    except (psycopg.Error, RaxolSQLError, OSError) as error:
        failure = error
    yield from of_tables(schema.lint(subject.database, proof.origins))
    if failure is not None:
        raise failure
    yield from of_queries(count, proof.findings)


def of_tables(linted: Iterable[schema.Finding]) -> Iterator[Finding]:
    """What is to be said of findings about the tables."""
    found = [*_known(linted)]
    if not found:
        fine = "types, foreign keys, timestamps and constraints are as they should be"
        yield Finding(GROUP, "practice", Status.OK, fine)
    yield from found


def of_queries(count: int, proved: Iterable[schema.Finding]) -> Iterator[Finding]:
    """What is to be said of findings about ``count`` queries."""
    found = [*_known(proved)]
    if not count:
        said = "the project has no queries to hold against the tables"
        yield Finding(GROUP, "query", Status.SKIP, said)
    elif not found:
        fine = f"{counted(count, 'query fits', 'queries fit')} the tables"
        yield Finding(GROUP, "query", Status.OK, fine)
    yield from found


def _known(findings: Iterable[schema.Finding]) -> Iterator[Finding]:
    for one in findings:
        if one.level in _STATUSES:
            place = f" ({one.place})" if one.place else ""
            said = f"{one.subject}{place}: {one.message}"
            name = _NAMES.get(one.code, one.code)
            yield Finding(GROUP, name, _STATUSES[one.level], said, one.remedy)


CHECKS = (Check(GROUP, "query", read_fit),)

"""The whole diagnosis: which checks there are, in which order, and what if one fails."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import psycopg
from psycopg import errors

from raxol_sql.errors import RaxolSQLError
from raxol_sql.migrations import server_lost
from raxol_sql.ops.diagnosis import (
    disks,
    fit,
    indexes,
    load,
    migrating,
    security,
    service,
    sizing,
    statements,
    storage,
    tables,
)
from raxol_sql.ops.diagnosis.check import Check
from raxol_sql.ops.diagnosis.subject import Subject
from raxol_sql.ops.finding import Finding, Status
from raxol_sql.ops.own_queries import own_queries

CHECKS: tuple[Check, ...] = (
    *service.CHECKS,
    *sizing.CHECKS,
    *migrating.CHECKS,
    *fit.CHECKS,
    *tables.CHECKS,
    *indexes.CHECKS,
    *load.CHECKS,
    *storage.CHECKS,
    *disks.CHECKS,
    *statements.CHECKS,
    *security.CHECKS,
)
# What reaching the server finds comes before everything that a server can be asked.
REACHING = ("network", "credentials")
GROUPS = (*REACHING, *dict.fromkeys(check.group for check in CHECKS))
_PROBE = own_queries(__file__, "service").server
_LOST = "the connection was lost"


def diagnose(subject: Subject, groups: Collection[str] = GROUPS) -> Iterator[Finding]:
    """
    What all checks of ``groups`` find, one after another, each as soon as it is known.

    Only reads, and each query for five seconds at most. A check that fails is a finding itself,
    and ends no other one, unless the server is gone. Raises nothing that a server can cause.
    """
    is_gone = False
    for check in CHECKS:
        if check.group not in groups:
            continue
        if is_gone:
            yield Finding(check.group, check.name, Status.SKIP, _LOST)
            continue
        try:
            yield from check.read(subject)
        except (psycopg.Error, RaxolSQLError, OSError) as error:
            yield of_error(check, error, subject.role)
            is_gone = server_lost(error) and not _answers(subject)


def of_error(check: Check, error: Exception, role: str) -> Finding:
    """The finding that a check is of which an error is all that ``role`` is told."""
    if isinstance(error, errors.InsufficientPrivilege):
        said = f"this role may not know: {_words(error)}"
        return Finding(check.group, check.name, Status.SKIP, said, f"grant pg_monitor to {role};")
    if isinstance(error, (errors.QueryCanceled, errors.LockNotAvailable)):
        said = "no answer in time: the server is busy, or a table is locked"
        remedy = "raxol-sql diagnose --only load"
        return Finding(check.group, check.name, Status.SKIP, said, remedy)
    if isinstance(error, (errors.CharacterNotInRepertoire, errors.UntranslatableCharacter)):
        said = "a text of another database, which has no encoding, cannot be read in this one"
        remedy = "select pg_stat_statements_reset();" if check.group == "statements" else ""
        return Finding(check.group, check.name, Status.SKIP, said, remedy)
    if server_lost(error):
        return Finding(check.group, check.name, Status.FAIL, f"{_LOST}: {_words(error)}")
    return Finding(check.group, check.name, Status.FAIL, _words(error))


def _words(error: Exception) -> str:
    if not isinstance(error, psycopg.Error):
        return str(error)
    # The server's DETAIL may quote the values of a row.
    words = " ".join((error.diag.message_primary or str(error)).split())
    return f"{words} (SQLSTATE {error.sqlstate})" if error.sqlstate else words


def _answers(subject: Subject) -> bool:
    try:
        subject.database.run(_PROBE())
    except (psycopg.Error, RaxolSQLError):
        return False
    return True

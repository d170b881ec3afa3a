"""A failure: what to say about a migration that failed, decided from the driver's error. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import attrs
import psycopg

from raxol_sql.config.passwords import MASK
from raxol_sql.errors import MigrationFailedError
from raxol_sql.migrations.folder import MigrationFile, Statement
from raxol_sql.migrations.refusal import NO_WRITES
from raxol_sql.migrations.session import server_lost

__all__ = ["Attempt", "failure_of", "message_of"]

LONGEST_EXCERPT = 120
# That of a role, with all that stands behind it.
PASSWORD = re.compile(r"(\bpassword\s+)(?:e|u&)?['$].*", re.IGNORECASE)

HINTS = {
    "25006": NO_WRITES,
    "25001": "a statement that cannot run in a transaction needs `-- transactional: false` at the "
    "top of the migration",
    "55P03": "it waited for a lock as long as lock_timeout allows; try again at a quieter time",
    "42701": "exists already",
    "42710": "exists already",
    "42P07": "exists already",
}
EXISTS = (
    "if everything in the file is there, because a bare yoyo was killed between the commit and its "
    "mark, `yoyo mark --revision {id}` says so"
)
EXISTS_AGAIN = (
    "it runs from its start each time: write it so that what an earlier run made does no harm, such"
    " as `if not exists`"
)


@attrs.frozen
class Attempt:
    """
    How far a migration came, in the direction whose statements stand in ``path``.

    ``ran`` statements took effect. Without a transaction ``undone`` statements of the rollback
    file ran after the failure; ``undo_failure`` says why that stopped.
    """

    file: MigrationFile
    path: Path
    statements: Sequence[Statement]
    ran: int
    undone: int = 0
    undo_failure: str = ""

    @property
    def failed(self) -> Statement | None:
        """The statement that failed; None if all ran, and the record or the commit failed."""
        return self.statements[self.ran] if self.ran < len(self.statements) else None


def failure_of(attempt: Attempt, error: psycopg.Error) -> MigrationFailedError:
    """
    The error to raise: its text is one line, its notes are the details, line by line.

    The server's detail is left out of both, because it quotes the values of rows; it is to be
    found on the cause.
    """
    place = str(attempt.path)
    if attempt.failed is not None:
        place = f"{place}:{line_of(attempt.failed, error)}"
    code = f" (SQLSTATE {error.sqlstate})" if error.sqlstate else ""
    failed = MigrationFailedError(f"{place}: {message_of(error)}{code}")
    for note in (statement_note(attempt), remains_note(attempt, error), hint_note(attempt, error)):
        if note:
            failed.add_note(note)
    return failed


def message_of(error: psycopg.Error) -> str:
    """The server's message on one line."""
    text = error.diag.message_primary or str(error) or type(error).__name__
    return " ".join(text.split())


def line_of(statement: Statement, error: psycopg.Error) -> int:
    position = error.diag.statement_position
    before = int(position) - 1 if position else 0
    return statement.line + statement.text.count("\n", 0, before)


def statement_note(attempt: Attempt) -> str:
    if attempt.failed is None:
        return "every statement ran; the commit, or recording what was done, failed"
    first_line = PASSWORD.sub(rf"\1{MASK}", attempt.failed.text.splitlines()[0])
    if len(first_line) > LONGEST_EXCERPT:
        first_line = first_line[: LONGEST_EXCERPT - 1] + "…"
    return f"statement {attempt.ran + 1} of {len(attempt.statements)}: {first_line}"


def remains_note(attempt: Attempt, error: psycopg.Error) -> str:
    lost = server_lost(error)
    if attempt.file.transactional:
        if lost and attempt.failed is None:
            return (
                "the server was lost around the commit; statements and record are one transaction, "
                "so the next run sees which way it went"
            )
        return "this migration was rolled back; earlier ones remain applied"
    before = f"it runs without a transaction: {counted(attempt.ran)} took effect before that"
    if lost:
        return f"{before}, and the server may yet have finished this one"
    if attempt.undo_failure:
        return f"{before}; taking back stopped at: {attempt.undo_failure}"
    if attempt.undone:
        return f"{before}; then {counted(attempt.undone)} of its rollback file ran"
    return before


def hint_note(attempt: Attempt, error: psycopg.Error) -> str:
    hint = HINTS.get(error.sqlstate or "", error.diag.message_hint or "")
    if hint == "exists already":
        return EXISTS.format(id=attempt.file.id) if attempt.file.transactional else EXISTS_AGAIN
    return hint


def counted(statements: int) -> str:
    match statements:
        case 0:
            return "no statement"
        case 1:
            return "1 statement"
        case _:
            return f"{statements} statements"

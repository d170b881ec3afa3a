"""
Applying: the statements of one migration, or of its rollback, and the record that they ran.

They are run here and not by yoyo, because yoyo commits a migration on one connection and marks it
on another, prints the rows of a query, and does not tell which statement failed.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import psycopg
from psycopg.pq import TransactionStatus

from raxol_sql.errors import MigrationFailedError
from raxol_sql.migrations.failure import Attempt, failure_of, message_of
from raxol_sql.migrations.folder import MigrationFile
from raxol_sql.migrations.indexes import (
    ConcurrentIndex,
    InvalidIndex,
    concurrent_indexes,
    invalid_indexes,
)
from raxol_sql.migrations.ledger import Ledger
from raxol_sql.migrations.lock import OnNotice, ignore
from raxol_sql.migrations.session import Session

__all__ = ["OnNotice", "apply_one", "rollback_one"]


def apply_one(session: Session, file: MigrationFile, on_notice: OnNotice = ignore) -> None:
    """
    Apply ``file`` and record it.

    One without a transaction that was cut off starts without the invalid indexes that its earlier
    run left, and is not recorded while an index that it creates is invalid. Raises
    MigrationFailedError.
    """
    ledger = Ledger(session)
    attempt = Attempt(file, file.path, file.statements, ran=0)
    if file.transactional:
        run_in_transaction(session, attempt, lambda: ledger.applied(file))
        return
    with session.limited():
        made = tuple(concurrent_indexes(file.statements))
        if ledger.was_interrupted(file):
            drop_leftovers(session, file, made, on_notice)
        known = {index.name for index in invalid_indexes(session)} if made else set()
        ledger.started(file)

        def record() -> None:
            check_indexes(session, file, made, known)
            ledger.applied(file)

        run_alone(session, attempt, record)


def rollback_one(session: Session, file: MigrationFile, on_notice: OnNotice = ignore) -> None:
    """Undo ``file`` and forget its record; raises MigrationFailedError."""
    ledger = Ledger(session)
    attempt = Attempt(file, file.rollback_path, file.rollback, ran=0)
    if file.transactional:
        run_in_transaction(session, attempt, lambda: ledger.rolled_back(file))
        return
    with session.limited():
        run_alone(session, attempt, lambda: ledger.rolled_back(file))


def run_in_transaction(session: Session, attempt: Attempt, record: Callable[[], None]) -> None:
    ran = 0
    try:
        with session.limited_transaction():
            for statement in attempt.statements:
                session.execute(statement.text.encode())
                ran += 1
            if session.info.transaction_status != TransactionStatus.INTRANS:
                raise MigrationFailedError(
                    f"{attempt.path}: it ended the transaction it runs in, so its statements took "
                    "effect, and it is not recorded; undo them, delete its commit or rollback, and "
                    "try again"
                )
            with session.transaction():
                record()
    except psycopg.Error as error:
        raise failure_of(attrs.evolve(attempt, ran=ran), error) from error


def run_alone(session: Session, attempt: Attempt, record: Callable[[], None]) -> None:
    ran = 0
    try:
        for statement in attempt.statements:
            session.execute(statement.text.encode())
            ran += 1
        if session.info.transaction_status == TransactionStatus.INTRANS:
            raise MigrationFailedError(
                f"{attempt.path}: it leaves a transaction open, which is rolled back; "
                "end it with commit, and try again"
            )
        with session.transaction():
            record()
    except psycopg.Error as error:
        stopped = attrs.evolve(attempt, ran=ran)
        raise failure_of(undo_statements(session, stopped), error) from error


def undo_statements(session: Session, attempt: Attempt) -> Attempt:
    """
    Undo what a migration without a transaction did before it failed, as yoyo does.

    yoyo pairs the first statement with the last of the rollback file, and so on; in other words,
    as many statements from the end of the rollback file as had run.
    """
    applying = attempt.path == attempt.file.path
    if not applying or attempt.failed is None or attempt.ran == 0:
        return attempt
    undone = 0
    try:
        # Where the file had begun a transaction itself, that one comes first.
        session.rollback()
        for statement in attempt.file.rollback[-attempt.ran :]:
            session.execute(statement.text.encode())
            undone += 1
    except psycopg.Error as error:
        return attrs.evolve(attempt, undone=undone, undo_failure=message_of(error))
    return attrs.evolve(attempt, undone=undone)


def drop_leftovers(
    session: Session, file: MigrationFile, made: tuple[ConcurrentIndex, ...], on_notice: OnNotice
) -> None:
    """
    Drop the invalid indexes that an earlier run of ``file`` left.

    With them the file would fail, or pass over the index that it is there to build.
    """
    for index in left_indexes(session, made):
        try:
            session.execute(f"drop index concurrently {index.name}".encode())
        except psycopg.Error as error:
            failed = MigrationFailedError(
                f"{file.path}: the invalid index {index.name}, which an earlier run left, cannot "
                f"be dropped: {message_of(error)} (SQLSTATE {error.sqlstate})"
            )
            failed.add_note(f"invalid index on {index.table}: {index.remedy}")
            raise failed from error
        on_notice(f"{file.id}: dropped the invalid index {index.name}, which an earlier run left")


def check_indexes(
    session: Session, file: MigrationFile, made: tuple[ConcurrentIndex, ...], known: set[str]
) -> None:
    """
    Raise MigrationFailedError if an index that ``file`` creates is invalid.

    ``known`` are the names of those that were invalid before: one that the server named may be
    that of another statement.
    """
    for index in left_indexes(session, made):
        if index.name not in known or index.own_name in {each.name for each in made}:
            raise MigrationFailedError(
                f"{file.path}: the index {index.name} is invalid although every statement ran, so "
                "the migration is not recorded as applied. `if not exists` passes over an index "
                "that an earlier build left. To drop it and build it again: raxol-sql migrate"
            )


def left_indexes(session: Session, made: tuple[ConcurrentIndex, ...]) -> list[InvalidIndex]:
    """Those that stand in the way of ``made``; one with a twin only where it has the name."""
    if not made:
        return []
    named = {each.name for each in made}
    return [
        index
        for index in invalid_indexes(session)
        if any(each.may_be(index) for each in made)
        and (index.own_name in named or not index.has_twin)
    ]

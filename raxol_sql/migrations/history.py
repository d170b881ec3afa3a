"""
What the database remembers of migrations, and how each file stands against it. Pure.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import attrs

from raxol_sql.migrations.folder import MigrationFile

__all__ = [
    "History",
    "LedgerRow",
    "MigrationState",
    "MigrationStatus",
    "is_removed",
    "missing_ids",
    "renamed_files",
    "state_of",
    "statuses",
]


class MigrationState(enum.StrEnum):
    """How a migration stands; the value is what a table shows."""

    APPLIED = "applied"
    UNVERIFIED = "applied, unverified"
    COMMENTED = "applied, comments edited since"
    EDITED = "applied, edited since"
    RENAMED = "applied, renamed since"
    MISSING = "applied, file missing"
    REMOVED = "applied, file removed and accepted"
    PENDING = "pending"
    INTERRUPTED = "pending, interrupted"


@attrs.frozen
class LedgerRow:
    """
    What we wrote down about one migration.

    ``marked_at`` is the time in yoyo's mark that the hashes belong to; None while a migration
    without a transaction runs, and after it was cut off. ``code_hash`` is None where an older
    release wrote the row. ``is_removed`` says that the loss of its file was accepted, ``note`` what
    was accepted, when and by which user.
    """

    id: str
    content_hash: str
    rollback_hash: str | None
    marked_at: datetime | None
    code_hash: str | None = None
    is_removed: bool = False
    note: str = ""

    def has_code_of(self, file: MigrationFile) -> bool:
        """Whether the SQL of ``file`` is what ran, comments and white space left out."""
        same_code = bool(self.code_hash) and self.code_hash == file.code_hash
        return same_code or self.content_hash == file.content_hash


@attrs.frozen
class History:
    """
    What the database remembers: yoyo's marks (id to time, UTC without a zone) and our ledger.

    Whether a migration is applied is decided by yoyo's mark alone. A ledger row of another time
    than the mark is out of date: bare yoyo has rolled back, or applied again, in between.
    """

    marks: Mapping[str, datetime]
    ledger: Mapping[str, LedgerRow]

    def current(self, migration_id: str) -> LedgerRow | None:
        """The ledger row that belongs to the present mark."""
        row = self.ledger.get(migration_id)
        mark = self.marks.get(migration_id)
        return row if row is not None and mark is not None and row.marked_at == mark else None


@attrs.frozen
class MigrationStatus:
    """
    One migration, for showing.

    ``applied_at`` is in UTC, None if pending. ``reversible`` is False as well where the file that
    would tell is missing. ``rollback_edited`` tells that another rollback file than the one
    recorded would run; that is allowed, and worth a look. ``note`` is what `migrate --accept`
    recorded. ``other_name`` is the file of a renamed migration, and the applied name of that file.
    """

    id: str
    state: MigrationState
    applied_at: datetime | None = None
    reversible: bool = False
    rollback_edited: bool = False
    note: str = ""
    other_name: str = ""
    has_file: bool = True


def statuses(files: Sequence[MigrationFile], history: History) -> tuple[MigrationStatus, ...]:
    """
    Every migration: those with a file in their order, then those without, by id.

    One that was renamed is there under both names.
    """
    old_names = renamed_files(files, history)
    new_names = {old: new for new, old in old_names.items()}
    present = [
        MigrationStatus(
            id=file.id,
            state=MigrationState.RENAMED if file.id in old_names else state_of(file, history),
            applied_at=applied_at(old_names.get(file.id, file.id), history),
            reversible=file.reversible,
            rollback_edited=rollback_edited(file, history),
            note=note_of(file.id, history),
            other_name=old_names.get(file.id, ""),
        )
        for file in files
    ]
    missing = [
        MigrationStatus(
            id=gone,
            state=state_of_missing(gone, new_names, history),
            applied_at=applied_at(gone, history),
            note=note_of(gone, history),
            other_name=new_names.get(gone, ""),
            has_file=False,
        )
        for gone in missing_ids(files, history)
    ]
    return (*present, *missing)


def state_of(file: MigrationFile, history: History) -> MigrationState:
    """How a migration with a file stands; a renamed one is pending here."""
    row = history.current(file.id)
    if file.id in history.marks:
        if row is None or not row.content_hash:
            return MigrationState.UNVERIFIED
        if row.content_hash == file.content_hash:
            return MigrationState.APPLIED
        return MigrationState.COMMENTED if row.has_code_of(file) else MigrationState.EDITED
    written = history.ledger.get(file.id)
    if written is not None and written.marked_at is None:
        return MigrationState.INTERRUPTED
    return MigrationState.PENDING


def renamed_files(files: Sequence[MigrationFile], history: History) -> Mapping[str, str]:
    """
    The files that are an applied migration under another name, each with the applied name.

    Such a file is not applied, has the SQL of an applied migration, and that one has no file. Of
    several that fit, the same text and then the same words after the number come first.
    """
    lost = [row for gone in missing_ids(files, history) if (row := history.current(gone))]
    free = [file for file in files if file.id not in history.marks and file.statements]
    fitting = sorted(
        (
            row.content_hash != file.content_hash,
            row.id[4:] != file.id[4:],
            row.id,
            file.id,
        )
        for row in lost
        for file in free
        if row.has_code_of(file)
    )
    found: dict[str, str] = {}
    for *_, old, new in fitting:
        if new not in found and old not in found.values():
            found[new] = old
    return found


def state_of_missing(gone: str, new_names: Mapping[str, str], history: History) -> MigrationState:
    if gone in new_names:
        return MigrationState.RENAMED
    return MigrationState.REMOVED if is_removed(gone, history) else MigrationState.MISSING


def is_removed(gone: str, history: History) -> bool:
    """Whether the loss of its file was accepted."""
    row = history.current(gone)
    return row is not None and row.is_removed


def note_of(migration_id: str, history: History) -> str:
    row = history.current(migration_id)
    return "" if row is None else row.note


def rollback_edited(file: MigrationFile, history: History) -> bool:
    row = history.current(file.id)
    return row is not None and row.rollback_hash != file.rollback_hash


def applied_at(migration_id: str, history: History) -> datetime | None:
    mark = history.marks.get(migration_id)
    return None if mark is None else mark.replace(tzinfo=UTC)


def missing_ids(files: Sequence[MigrationFile], history: History) -> list[str]:
    return sorted(history.marks.keys() - {file.id for file in files})

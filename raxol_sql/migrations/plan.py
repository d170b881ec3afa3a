"""
A plan: what is to be done, decided from the files and from what the database remembers.

Pure: nothing in here touches a server or a file.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import attrs

from raxol_sql.errors import (
    IrreversibleError,
    MigrationChangedError,
    MigrationError,
    MigrationMissingError,
)
from raxol_sql.migrations.folder import MigrationFile

__all__ = [
    "ApplyPlan",
    "History",
    "LedgerRow",
    "MigrationState",
    "MigrationStatus",
    "plan_apply",
    "plan_rollback",
    "statuses",
]


class MigrationState(enum.StrEnum):
    """How a migration stands; the value is what a table shows."""

    APPLIED = "applied"
    UNVERIFIED = "applied, unverified"
    EDITED = "applied, edited since"
    MISSING = "applied, file missing"
    PENDING = "pending"
    INTERRUPTED = "pending, interrupted"


@attrs.frozen
class LedgerRow:
    """
    What we wrote down about one migration.

    ``marked_at`` is the time in yoyo's mark that the hashes belong to; None while a migration
    without a transaction runs, and after it was cut off.
    """

    id: str
    content_hash: str
    rollback_hash: str | None
    marked_at: datetime | None


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
    recorded would run; that is allowed, and worth a look.
    """

    id: str
    state: MigrationState
    applied_at: datetime | None = None
    reversible: bool = False
    rollback_edited: bool = False


@attrs.frozen
class ApplyPlan:
    """Migrations to apply, in order, and applied ones whose present hash is to be recorded."""

    pending: tuple[MigrationFile, ...]
    adopt: tuple[MigrationFile, ...]

    def __bool__(self) -> bool:
        return bool(self.pending or self.adopt)


def statuses(files: Sequence[MigrationFile], history: History) -> tuple[MigrationStatus, ...]:
    """Every migration: those with a file in their order, then those without, by id."""
    present = [
        MigrationStatus(
            id=file.id,
            state=state_of(file, history),
            applied_at=applied_at(file.id, history),
            reversible=file.reversible,
            rollback_edited=rollback_edited(file, history),
        )
        for file in files
    ]
    missing = [
        MigrationStatus(id=gone, state=MigrationState.MISSING, applied_at=applied_at(gone, history))
        for gone in missing_ids(files, history)
    ]
    return (*present, *missing)


def plan_apply(
    files: Sequence[MigrationFile],
    history: History,
    *,
    to: str | None = None,
    steps: int | None = None,
    accept_changed: bool = False,
) -> ApplyPlan:
    """
    What applying would do: everything pending in order, up to and including ``to`` if given.

    With ``steps`` it is the first so many of these. What is to be recorded of those that are
    applied is the same with either.

    An applied migration without a file is no obstacle as long as it comes before everything
    pending: somebody has cleared away old files. If it comes after, the folder and the database
    have gone different ways, and nobody knows whether the pending one fits: refused. With nothing
    pending there is nothing to fit, so an older release runs on a newer database.

    Raises MigrationChangedError unless ``accept_changed``, MigrationMissingError, and
    MigrationError for an unknown ``to`` or a pending file without a statement.
    """
    edited = [file for file in files if state_of(file, history) is MigrationState.EDITED]
    if edited and not accept_changed:
        names = ", ".join(str(file.path) for file in edited)
        raise MigrationChangedError(
            f"edited after it was applied: {names}; nothing was applied. Restore the file and "
            "write a new migration, or accept the present text as the applied one"
        )

    pending = [file for file in up_to(files, to) if file.id not in history.marks][:steps]
    missing = missing_ids(files, history)
    if pending and missing and missing[-1] > min(file.id for file in pending):
        raise MigrationMissingError(
            f"{missing[-1]} is applied and has no file in {files[0].path.parent}, while "
            f"{min(file.id for file in pending)}, which comes before it, is pending; nothing was "
            "applied. Restore the file, or give the pending one a later number"
        )
    for file in pending:
        if not file.statements:
            raise MigrationError(f"{file.path}: holds no statement; write it, or delete the file")
    adopt = [
        file
        for file in files
        if state_of(file, history) in {MigrationState.UNVERIFIED, MigrationState.EDITED}
    ]
    return ApplyPlan(tuple(pending), tuple(adopt))


def plan_rollback(
    files: Sequence[MigrationFile], history: History, steps: int | None, *, to: str | None = None
) -> tuple[MigrationFile, ...]:
    """
    The last ``steps`` applied migrations, the latest first; all of them if None.

    With ``to``, an id or its four digits, it is that one and all applied ones that come after it,
    whatever ``steps`` is; none, if none of these is applied.

    Raises MigrationMissingError if a migration without a file is, or comes after, one of them,
    IrreversibleError if one has no statement that undoes it, and MigrationError for an unknown
    ``to``.
    """
    missing = missing_ids(files, history)
    if to is None:
        chosen, blocking = last(files, history, missing, steps)
    else:
        chosen, blocking = down_to(files, history, missing, to)
    if blocking:
        raise MigrationMissingError(
            f"{blocking[-1]} is applied and its file is gone, so what would undo it is not known; "
            "nothing was rolled back. Restore the file, with its rollback file"
        )
    for file in chosen:
        if not file.reversible:
            raise IrreversibleError(
                f"{file.id} is irreversible: {file.rollback_path} "
                f"{'holds no statement' if file.rollback_hash else 'does not exist'}; "
                "nothing was rolled back. Write what undoes it there, or a new migration"
            )
    return tuple(chosen)


def last(
    files: Sequence[MigrationFile], history: History, missing: Sequence[str], steps: int | None
) -> tuple[Sequence[MigrationFile], Sequence[str]]:
    """The last applied ones, the latest first, and those of ``missing`` that are in the way."""
    applied = [file for file in files if file.id in history.marks]
    wanted = len(applied) + len(missing) if steps is None else steps
    chosen = list(reversed(applied))[:wanted]
    # With too few files the missing ones are among the last steps, wherever they sort.
    first = min((file.id for file in chosen), default="")
    return chosen, [gone for gone in missing if gone > first or wanted > len(applied)]


def down_to(
    files: Sequence[MigrationFile], history: History, missing: Sequence[str], to: str
) -> tuple[Sequence[MigrationFile], Sequence[str]]:
    """As `last`, of those from ``to`` on; it is in the way itself if its file is gone."""
    if gone := [one for one in missing if names(to, one)]:
        return (), gone
    after = files[len(up_to(files, to)) - 1 :]
    chosen = [file for file in reversed(after) if file.id in history.marks]
    first = min(file.id for file in [*chosen, after[0]])
    return chosen, [gone for gone in missing if gone > first]


def state_of(file: MigrationFile, history: History) -> MigrationState:
    row = history.current(file.id)
    if file.id in history.marks:
        if row is None:
            return MigrationState.UNVERIFIED
        same = row.content_hash == file.content_hash
        return MigrationState.APPLIED if same else MigrationState.EDITED
    written = history.ledger.get(file.id)
    if written is not None and written.marked_at is None:
        return MigrationState.INTERRUPTED
    return MigrationState.PENDING


def rollback_edited(file: MigrationFile, history: History) -> bool:
    row = history.current(file.id)
    return row is not None and row.rollback_hash != file.rollback_hash


def applied_at(migration_id: str, history: History) -> datetime | None:
    mark = history.marks.get(migration_id)
    return None if mark is None else mark.replace(tzinfo=UTC)


def missing_ids(files: Sequence[MigrationFile], history: History) -> list[str]:
    return sorted(history.marks.keys() - {file.id for file in files})


def up_to(files: Sequence[MigrationFile], to: str | None) -> Sequence[MigrationFile]:
    if to is None:
        return files
    matching = [at for at, file in enumerate(files) if names(to, file.id)]
    if not matching:
        raise MigrationError(f"there is no migration {to} in {files[0].path.parent}")
    return files[: matching[0] + 1]


def names(given: str, migration_id: str) -> bool:
    """Whether what somebody typed is an id, or its number."""
    return given in (migration_id, migration_id[:4])

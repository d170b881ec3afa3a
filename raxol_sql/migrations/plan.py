"""
A plan: what is to be done, decided from the files and from what the database remembers.

Pure: nothing in here touches a server or a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from raxol_sql.errors import (
    IrreversibleError,
    MigrationChangedError,
    MigrationError,
    MigrationMissingError,
)
from raxol_sql.migrations.folder import MigrationFile
from raxol_sql.migrations.history import (
    History,
    LedgerRow,
    MigrationState,
    MigrationStatus,
    is_removed,
    missing_ids,
    renamed_files,
    state_of,
    statuses,
)

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

ACCEPT = "raxol-sql migrate"


@attrs.frozen
class ApplyPlan:
    """
    Migrations to apply, in order, and what is to be recorded of those that are applied.

    ``adopt`` are applied ones whose present hash is to be recorded, ``renamed`` are files with the
    applied name that they replace, and ``removed`` are applied ones whose files are gone.
    ``accepted`` are the ids of those that the caller accepted, for the note in the ledger.
    ``warnings`` are for people.
    """

    pending: tuple[MigrationFile, ...]
    adopt: tuple[MigrationFile, ...]
    renamed: tuple[tuple[MigrationFile, str], ...] = ()
    removed: tuple[str, ...] = ()
    accepted: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.pending or self.adopt or self.renamed or self.removed)


def plan_apply(
    files: Sequence[MigrationFile],
    history: History,
    *,
    to: str | None = None,
    steps: int | None = None,
    accept_changed: bool = False,
    accept: Iterable[str] = (),
    ignore_missing: bool = False,
) -> ApplyPlan:
    """
    What applying would do: everything pending in order, up to and including ``to`` if given.

    With ``steps`` it is the first so many of these. What is to be recorded of those that are
    applied is the same with either.

    An applied migration that was edited, renamed or lost its file stops everything, because the
    folder no longer tells what the database holds. ``accept`` names those that are taken as they
    are now, by id or number; ``accept_changed`` accepts all that were edited. An edit of comments
    alone is a warning.

    With ``ignore_missing`` a lost file is an obstacle only where it comes after a pending one, so
    that an older release runs on a newer database.

    Raises MigrationChangedError, MigrationMissingError, and MigrationError for an unknown ``to``
    or ``accept``, or a pending file without a statement.
    """
    states = {file.id: state_of(file, history) for file in files}
    old_names = renamed_files(files, history)
    accepted = accepted_ids(files, history, old_names, accept)
    if accept_changed:
        accepted |= {one for one, state in states.items() if state is MigrationState.EDITED}
    check_edited([file for file in files if states[file.id] is MigrationState.EDITED], accepted)
    kept = [
        (file, old_names[file.id])
        for file in files
        if file.id in old_names and not accepted.isdisjoint({file.id, old_names[file.id]})
    ]
    replaced = {old for _, old in kept}
    lost = [
        gone
        for gone in missing_ids(files, history)
        if gone not in accepted | replaced and not is_removed(gone, history)
    ]
    pending = [
        file
        for file in up_to(files, to)
        if file.id not in history.marks and file not in [renamed for renamed, _ in kept]
    ][:steps]
    if not ignore_missing:
        check_missing(files, lost, old_names)
    elif pending and lost and lost[-1] > min(file.id for file in pending):
        raise out_of_order(files, lost[-1], min(file.id for file in pending))
    if renamed := [file for file in pending if file.id in old_names]:
        raise renamed_error(renamed[0], old_names[renamed[0].id])
    for file in pending:
        if not file.statements:
            raise MigrationError(f"{file.path}: holds no statement; write it, or delete the file")
    return ApplyPlan(
        tuple(pending),
        adopt=tuple(
            file
            for file in files
            if states[file.id] is MigrationState.UNVERIFIED
            or (file.id in accepted and file.id in history.marks)
        ),
        renamed=tuple(kept),
        removed=tuple(gone for gone in missing_ids(files, history) if gone in accepted - replaced),
        accepted=frozenset(accepted),
        warnings=tuple(
            comments_warning(file)
            for file in files
            if states[file.id] is MigrationState.COMMENTED and file.id not in accepted
        ),
    )


def accepted_ids(
    files: Sequence[MigrationFile],
    history: History,
    old_names: Mapping[str, str],
    accept: Iterable[str],
) -> set[str]:
    """
    The ids that ``accept`` names; those that stand as they are recorded are left out.

    A number may belong to several, such as a renamed migration and the one that took its number:
    then it names the one that there is something to accept of.
    """
    states = {file.id: state_of(file, history) for file in files}
    missing = missing_ids(files, history)
    wanting = {
        *(one for one, state in states.items() if state in NOT_AS_RECORDED),
        *old_names,
        *(gone for gone in missing if not is_removed(gone, history)),
    }
    accepted: set[str] = set()
    for given in (accept,) if isinstance(accept, str) else accept:
        known = [one for one in [*states, *missing] if names(given, one)]
        chosen = [one for one in known if one in wanting]
        # Both names of one rename mean the same.
        chosen = [one for one in chosen if old_names.get(one) not in chosen]
        if len(chosen) > 1:
            raise MigrationError(f"{given} may be {' or '.join(chosen)}: give the whole name")
        if not known:
            raise MigrationError(f"there is no migration {given}, and none is applied as {given}")
        if not chosen and not any(one in history.marks for one in known):
            raise MigrationError(f"{known[0]} is not applied, so there is nothing to accept")
        accepted |= set(chosen)
    return accepted


NOT_AS_RECORDED = {MigrationState.EDITED, MigrationState.COMMENTED, MigrationState.UNVERIFIED}


def check_edited(edited: Sequence[MigrationFile], accepted: set[str]) -> None:
    if refused := [file for file in edited if file.id not in accepted]:
        paths = ", ".join(str(file.path) for file in refused)
        command = " ".join([ACCEPT, *(f"--accept {file.id}" for file in refused)])
        raise MigrationChangedError(
            f"edited after it was applied: {paths}; nothing was applied. Restore the file and "
            f"write a new migration, or record the present text as the applied one: {command}"
        )


def check_missing(
    files: Sequence[MigrationFile], lost: Sequence[str], old_names: Mapping[str, str]
) -> None:
    by_id = {file.id: file for file in files}
    for new, old in old_names.items():
        if old in lost:
            raise renamed_error(by_id[new], old)
    if lost:
        folder = files[0].path.parent
        is_one = len(lost) == 1
        command = " ".join([ACCEPT, *(f"--accept {gone}" for gone in lost)])
        raise MigrationMissingError(
            f"{', '.join(lost)} {'is' if is_one else 'are'} applied and "
            f"{'has no file' if is_one else 'have no files'} in {folder}; nothing was applied. "
            f"Restore {'it' if is_one else 'them'}: git checkout -- {folder}; or record that "
            f"{'it is' if is_one else 'they are'} gone for good: {command}; or, for an older "
            "release on a newer database: raxol-sql migrate --ignore-missing"
        )


def renamed_error(file: MigrationFile, old: str) -> MigrationMissingError:
    return MigrationMissingError(
        f"{old} is applied and has no file in {file.path.parent}, but {file.path.name} has the "
        "same SQL: it was renamed, and must not run again; nothing was applied. Rename it back, or "
        f"carry the record over to the new name: {ACCEPT} --accept {file.id}"
    )


def out_of_order(files: Sequence[MigrationFile], gone: str, first: str) -> MigrationMissingError:
    return MigrationMissingError(
        f"{gone} is applied and has no file in {files[0].path.parent}, while "
        f"{first}, which comes before it, is pending; nothing was "
        "applied. Restore the file, or give the pending one a later number"
    )


def comments_warning(file: MigrationFile) -> str:
    return (
        f"{file.path}: its comments or white space were edited after it was applied; its SQL is "
        f"the same. To record the present text: {ACCEPT} --accept {file.id}"
    )


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
        new_names = {old: new for new, old in renamed_files(files, history).items()}
        remedy = "Restore the file, with its rollback file"
        if new := new_names.get(blocking[-1]):
            remedy = f"It was renamed to {new}: {ACCEPT} --accept {new}"
        raise MigrationMissingError(
            f"{blocking[-1]} is applied and its file is gone, so what would undo it is not known; "
            f"nothing was rolled back. {remedy}"
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


def up_to(files: Sequence[MigrationFile], to: str | None) -> Sequence[MigrationFile]:
    if to is None:
        return files
    matching = [at for at, file in enumerate(files) if names(to, file.id)]
    if not matching:
        raise MigrationError(f"there is no migration {to} in {files[0].path.parent}")
    return files[: matching[0] + 1]


def names(given: str, migration_id: str) -> bool:
    """Whether ``given`` is an id, its number, or the name of its file."""
    return given in (migration_id, migration_id[:4], f"{migration_id}.sql")

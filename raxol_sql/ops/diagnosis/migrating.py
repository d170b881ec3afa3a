"""How the project's migrations stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from psycopg.errors import InsufficientPrivilege

from raxol_sql.errors import ConfigError
from raxol_sql.migrations import Migrations, MigrationState, MigrationStatus
from raxol_sql.ops.amounts import counted, some
from raxol_sql.ops.diagnosis.check import Check
from raxol_sql.ops.diagnosis.subject import Subject
from raxol_sql.ops.finding import Finding, Status

GROUP = "migrations"
_APPLIED = (MigrationState.APPLIED, MigrationState.UNVERIFIED, MigrationState.COMMENTED)


def read_migrations(subject: Subject) -> Iterable[Finding]:
    """The migrations of the project's folder; one that is absent or empty is nothing to look at."""
    folder = subject.config.project.migrations
    try:
        status = Migrations(subject.conninfo, folder, lock_timeout=5.0).status()
    except ConfigError as error:
        return [Finding(GROUP, "folder", Status.SKIP, str(error), "raxol-sql new migration NAME")]
    except InsufficientPrivilege as error:
        said = f"this role may not know: {error.diag.message_primary}"
        remedy = "raxol-sql migrations  # as the role that migrates"
        return [Finding(GROUP, "applied", Status.SKIP, said, remedy)]
    return of_migrations(status.migrations, folder)


def of_migrations(found: Sequence[MigrationStatus], folder: Path) -> Iterator[Finding]:
    """What is to be said of the migrations, each kind of trouble with all that have it."""

    def named(state: MigrationState) -> list[str]:
        return [one.id for one in found if one.state is state]

    def told(check: str, status: Status, ids: list[str], said: str, remedy: str) -> Finding:
        return Finding(GROUP, check, status, f"{some(ids, 10)}: {said}", remedy)

    applied = [one for one in found if one.state in _APPLIED]
    final = [one.id for one in applied if not one.reversible]
    said = f"{counted(len(applied), 'migration')} applied"
    if final:
        said += f"; without a way back: {some(final)}"
    yield Finding(GROUP, "applied", Status.OK, said)
    if ids := named(MigrationState.PENDING):
        yield told("pending", Status.WARN, ids, "not applied yet", "raxol-sql migrate")
    if ids := named(MigrationState.INTERRUPTED):
        said = (
            "cut off while it was applied; migrate drops an invalid index that it left, and runs it"
            " again from its start"
        )
        yield told("interrupted", Status.FAIL, ids, said, "raxol-sql migrate")
    if ids := named(MigrationState.MISSING):
        said = "applied, and the file is gone"
        remedy = f"git checkout -- {folder}  # or: {_accepting(ids)}"
        yield told("missing", Status.FAIL, ids, said, remedy)
    if ids := [one.id for one in found if one.state is MigrationState.RENAMED and one.has_file]:
        said = "applied under another name, which has no file any more"
        yield told("renamed", Status.FAIL, ids, said, _accepting(ids))
    if ids := named(MigrationState.COMMENTED):
        said = "its comments were edited since it was applied, and its SQL is the same"
        yield told("commented", Status.WARN, ids, said, _accepting(ids))
    if ids := named(MigrationState.EDITED):
        said = "edited since it was applied, so the database is not what the file says"
        remedy = f"git checkout -- {folder}  # or, to take it as it is: {_accepting(ids)}"
        yield told("edited", Status.FAIL, ids, said, remedy)


def _accepting(ids: Iterable[str]) -> str:
    return " ".join(["raxol-sql migrate", *(f"--accept {one}" for one in ids)])


CHECKS = (Check(GROUP, "migrations", read_migrations),)

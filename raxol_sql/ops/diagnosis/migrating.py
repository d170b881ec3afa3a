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
_APPLIED = (MigrationState.APPLIED, MigrationState.UNVERIFIED)


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
        said = "cut off while it was applied; migrate begins it again"
        yield told("interrupted", Status.FAIL, ids, said, "raxol-sql migrate")
    if ids := named(MigrationState.MISSING):
        said = "applied, and the file is gone"
        yield told("missing", Status.FAIL, ids, said, f"git checkout -- {folder}")
    if ids := named(MigrationState.EDITED):
        said = "edited since it was applied, so the database is not what the file says"
        remedy = "put it back, or take it as it is: raxol-sql migrate --accept-changed"
        yield told("edited", Status.FAIL, ids, said, remedy)


CHECKS = (Check(GROUP, "migrations", read_migrations),)

"""Migrations applied, rolled back and applied again, to see whether each leads back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from raxol_sql.config import Conninfo
from raxol_sql.config.conninfo import Given
from raxol_sql.errors import MigrationFailedError
from raxol_sql.migrations import server_lost
from raxol_sql.migrations.folder import MigrationFile, read_folder
from raxol_sql.migrations.plan import History, plan_apply
from raxol_sql.ops.amounts import counted
from raxol_sql.ops.drift.comparing import Difference, Sort, compare
from raxol_sql.ops.drift.item import Item
from raxol_sql.ops.drift.mending import mend, script
from raxol_sql.ops.drift.scratch import Scratch, is_server_wide, scratch
from raxol_sql.ops.finding import Finding, Status

Snapshot = frozenset[Item]
_AFTER_ROLLBACK = {
    Sort.EXTRA: "leaves the {what}",
    Sort.MISSING: "takes away the {what}, which was there before",
    Sort.CHANGED: "leaves the {what} as another",
}
_AFTER_ALL = {
    Sort.EXTRA: "applied again, it makes the {what}, which it did not make before",
    Sort.MISSING: "applied again, it does not make the {what}",
    Sort.CHANGED: "applied again, it makes the {what} another",
}


def rehearse(conninfo: Given, folder: Path, *, server_wide: bool = False) -> tuple[Finding, ...]:
    """
    Applies every migration on a scratch database, rolls them back, and applies them again.

    After each rollback the schema has to be what it was before that migration, and in the end what
    it was at first; what is not is a finding of the migration's, and told once. An irreversible
    one is a warning, and ends the way back. One that would change the whole server, such as its
    roles, is left out with a warning, unless ``server_wide``. ``conninfo`` names any database of
    the server, which is only used to make and drop the scratch database. Raises what `read_folder`
    raises, MigrationError for a file without a statement, and the driver's errors.
    """
    conninfo = Conninfo.of(conninfo)
    files = plan_apply(read_folder(folder), History({}, {})).pending
    tried = [file for file in files if server_wide or not is_server_wide(file)]
    findings = [_left_out(file) for file in files if file not in tried]
    with scratch(conninfo, "raxol_check") as database:
        return (*findings, *_Rehearsal(database).run(tried))


class _Rehearsal:
    """One way there, back and there again. ``known`` are the differences that have been told."""

    def __init__(self, database: Scratch) -> None:
        self._database = database
        self._known: set[object] = set()

    def run(self, files: Sequence[MigrationFile]) -> Iterator[Finding]:
        before = [self._database.snapshot()]
        for file in files:
            if failed := self._tried(file, "apply"):
                yield failed
                return
            before.append(self._database.snapshot())
        undone: list[MigrationFile] = []
        for file, expected in zip(reversed(files), reversed(before[:-1]), strict=True):
            if not file.reversible:
                yield _irreversible(file, files.index(file))
                break
            if failed := self._tried(file, "rollback"):
                yield failed
                break
            undone.append(file)
            yield from self._left(file, expected)
        again = list(reversed(undone))
        for file, expected in zip(again, before[len(files) - len(undone) + 1 :], strict=True):
            if failed := self._tried(file, "apply again"):
                yield failed
                return
            yield from self._different(file, expected)
        if any(is_server_wide(file) for file in undone):
            # What is not in the scratch database does not go with it.
            for file in undone:
                self._database.roll_back(file)
        said = (
            f"{counted(len(files), 'migration')} applied, {len(undone)} rolled back and applied"
            " again"
        )
        yield Finding("migrations", "rehearsed", Status.OK, said)

    def _tried(self, file: MigrationFile, check: str) -> Finding | None:
        """Runs a migration one way; what is to be said if it fails."""
        run = self._database.roll_back if check == "rollback" else self._database.apply
        try:
            run(file)
        except MigrationFailedError as error:
            if server_lost(error):
                raise
            # Which statement it was; what remains of it matters on no scratch database.
            noted = "".join(f"\n{note}" for note in getattr(error, "__notes__", ())[:1])
            remedy = {
                "apply": f"edit {file.path}",
                "rollback": f"edit {file.rollback_path}",
                "apply again": f"have {file.rollback_path} undo all that {file.path.name} does",
            }[check]
            return Finding(file.id, check, Status.FAIL, f"{error}{noted}", remedy)
        return None

    def _left(self, file: MigrationFile, expected: Snapshot) -> Iterator[Finding]:
        for difference in self._new(expected):
            said = _AFTER_ROLLBACK[difference.sort].format(what=_what(difference))
            statements = script(mend(difference)).rstrip()
            remedy = f"write into {file.rollback_path}:\n{statements}"
            if not statements:
                remedy = f"edit {file.rollback_path}: no statement alters it in place"
            yield Finding(file.id, "rollback", Status.FAIL, said, remedy)

    def _different(self, file: MigrationFile, expected: Snapshot) -> Iterator[Finding]:
        for difference in self._new(expected):
            said = _AFTER_ALL[difference.sort].format(what=_what(difference))
            remedy = f"have {file.path} make the same whenever it is applied"
            yield Finding(file.id, "apply again", Status.FAIL, said, remedy)

    def _new(self, expected: Snapshot) -> Iterator[Difference]:
        for difference in compare(expected, self._database.snapshot()):
            if difference.key not in self._known:
                self._known.add(difference.key)
                yield difference


def _what(difference: Difference) -> str:
    return f"{difference.item.kind} {difference.item.name}"


def _irreversible(file: MigrationFile, before: int) -> Finding:
    said = "irreversible: it was not rolled back"
    if before:
        said += f", nor {'was the one' if before == 1 else f'were the {before}'} before it"
    remedy = f"write what undoes it into {file.rollback_path}, if there is such a thing"
    return Finding(file.id, "rollback", Status.WARN, said, remedy)


def _left_out(file: MigrationFile) -> Finding:
    said = "left out, as it would change the whole server, such as its roles"
    remedy = "raxol-sql migrations --check --server-wide  # on a server that is there for that"
    return Finding(file.id, "server", Status.WARN, said, remedy)

"""Whether the live schema is what the migrations make that are applied there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import attrs

from raxol_sql.config import Conninfo
from raxol_sql.config.conninfo import Given
from raxol_sql.engine import Database
from raxol_sql.errors import MigrationMissingError
from raxol_sql.migrations import Migrations, MigrationState
from raxol_sql.migrations.folder import read_folder
from raxol_sql.ops.amounts import some
from raxol_sql.ops.drift.comparing import Difference, compare, without
from raxol_sql.ops.drift.scratch import ONE_CONNECTION, is_server_wide, scratch
from raxol_sql.ops.drift.snapshot import read_snapshot, read_surroundings

_PENDING = (MigrationState.PENDING, MigrationState.INTERRUPTED)


@attrs.frozen
class Drift:
    """
    In what a live database differs from what its migrations make.

    ``differences`` are what is expected by the migrations and found there. ``applied`` were tried
    on the scratch database; ``left_out`` are applied as well, and were not, because they would
    have changed the whole server. ``edited`` were edited since they were applied, and tried as
    they are now. ``interrupted`` were cut off outside of a transaction, and are pending as well.
    """

    differences: tuple[Difference, ...]
    applied: tuple[str, ...]
    left_out: tuple[str, ...]
    edited: tuple[str, ...]
    pending: tuple[str, ...]
    interrupted: tuple[str, ...]


def find_drift(
    conninfo: Given, folder: Path, *, ignored: Iterable[str] = (), server_wide: bool = False
) -> Drift:
    """
    Make a scratch database next to the live one, with what is applied there, and compares them.

    The live database is only read. Objects whose names fit one of the patterns ``ignored`` are not
    compared. A migration that would change the whole server, such as its roles, is left out unless
    ``server_wide``. Raises MigrationMissingError where an applied migration has no file, so that
    what it made is unknown; MigrationFailedError where one fails; what `read_folder` raises; and
    psycopg.errors.InsufficientPrivilege for a role that may not create a database.
    """
    conninfo = Conninfo.of(conninfo)
    files = read_folder(folder)
    states: dict[MigrationState, list[str]] = {state: [] for state in MigrationState}
    for one in Migrations(conninfo, folder).status().migrations:
        states[one.state].append(one.id)
    if gone := [*states[MigrationState.MISSING], *states[MigrationState.REMOVED]]:
        raise MigrationMissingError(
            f"applied, and the file is gone: {some(gone)}; what they made is not known. "
            f"Put them back into {folder}: git checkout -- {folder}"
        )
    pending = {id_ for state in _PENDING for id_ in states[state]}
    applied = [file for file in files if file.id not in pending]
    left_out = [file for file in applied if not server_wide and is_server_wide(file)]
    tried = [file for file in applied if file not in left_out]
    with Database.open(conninfo, **ONE_CONNECTION) as live:
        surroundings = read_surroundings(live)
        found = read_snapshot(live)
    with scratch(conninfo, "raxol_drift", surroundings) as database:
        for file in tried:
            database.apply(file)
        expected = database.snapshot()
    chosen = tuple(ignored)
    return Drift(
        compare(without(expected, chosen), without(found, chosen)),
        tuple(file.id for file in tried),
        tuple(file.id for file in left_out),
        tuple(states[MigrationState.EDITED]),
        tuple(file.id for file in files if file.id in pending),
        tuple(states[MigrationState.INTERRUPTED]),
    )

"""The data of a standby: a copy of its primary's, by pg_basebackup."""

from __future__ import annotations

from raxol_sql import embedded
from raxol_sql.embedded.account import OsUser
from raxol_sql.embedded.deadline import Timer
from raxol_sql.embedded.folder import Folder
from raxol_sql.errors import EmbeddedError

# As the separate primary that it may become, it has no standby to wait for.
_SETTINGS = "synchronous_standby_names = ''\nwal_retrieve_retry_interval = '100ms'\n"


def back_up(origin: str, folder: Folder, deadline: Timer) -> None:
    """
    Copy the server that the connection string ``origin`` leads to, and follow it from there.

    ``folder`` has no data yet. Raises `EmbeddedError` with what pg_basebackup says, or if there is
    none of it with these binaries.
    """
    binaries = embedded.find_binaries()
    run = OsUser.current().run(
        [
            binaries.program("pg_basebackup"),
            *("-D", str(folder.data), "-d", origin),
            *("-R", "-X", "stream", "-c", "fast", "--no-sync"),
        ],
        deadline=deadline,
        environment=binaries.environment,
    )
    if run.returncode != 0:
        raise EmbeddedError(f"pg_basebackup ({binaries.origin}) failed: {run.stderr.strip()}")
    with (folder.data / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
        file.write(_SETTINGS)
    account = folder.account
    for path in (folder.data, *folder.data.rglob("*")):
        account.give(path)

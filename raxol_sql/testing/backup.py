"""The data of a standby, a copy of its primary's by pg_basebackup, and its replication slot."""

from __future__ import annotations

from contextlib import suppress

import psycopg

from raxol_sql import embedded
from raxol_sql.embedded.account import OsUser
from raxol_sql.embedded.deadline import Timer
from raxol_sql.embedded.folder import Folder
from raxol_sql.errors import EmbeddedError

# As the separate primary that it may become, it has no standby to wait for.
_SETTINGS = "synchronous_standby_names = ''\nwal_retrieve_retry_interval = '100ms'\n"
# Seconds within which a primary answers, and notices that its standby has ended.
_ANSWERING = 5


def back_up(origin: str, folder: Folder, slot: str, deadline: Timer) -> None:
    """
    Copy the server that the connection string ``origin`` leads to, and follow it from there.

    ``folder`` has no data yet. The server makes the replication slot ``slot``, and keeps its WAL
    until the copy has it. Raises `EmbeddedError` with what pg_basebackup says, or if there is
    none of it with these binaries.
    """
    binaries = embedded.find_binaries()
    run = OsUser.current().run(
        [
            binaries.program("pg_basebackup"),
            *("-D", str(folder.data), "-d", origin),
            *("-R", "-X", "stream", "-c", "fast", "--no-sync"),
            *("--create-slot", "--slot", slot),
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


def drop_slot(conninfo: str, slot: str) -> None:
    """
    Drop the slot of a standby that has ended, for which the primary would keep its WAL for ever.

    Leaves the slot where the primary does not answer: it has been killed, or frozen.
    """

    def is_dropped() -> bool:
        found = connection.execute(
            "select active, case when not active then pg_drop_replication_slot(slot_name) end "
            "from pg_replication_slots where slot_name = %s",
            [slot],
        ).fetchone()
        return found is None or not found[0]

    with (
        suppress(psycopg.Error),
        psycopg.connect(conninfo, connect_timeout=_ANSWERING, autocommit=True) as connection,
    ):
        Timer.after(_ANSWERING).wait_until(is_dropped)

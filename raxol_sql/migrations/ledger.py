"""
The ledger: yoyo's marks and our hashes, always written in one transaction.

yoyo's tables say what is applied, so that bare yoyo reads and writes the same truth; the table
``_raxol_migration`` beside them adds what the files looked like at that time.
"""

from __future__ import annotations

import getpass
import os
import platform
import uuid
from datetime import UTC, datetime
from typing import Any

from yoyo import default_migration_table, internalmigrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import Migration

from raxol_sql.migrations.folder import MigrationFile
from raxol_sql.migrations.plan import History, LedgerRow
from raxol_sql.migrations.session import Session

__all__ = ["Ledger", "read_history"]

CREATE = """
create table if not exists _raxol_migration (
    id text primary key,
    content_hash text not null,
    rollback_hash text,
    marked_at timestamp
)
"""

EXISTING = """
select to_regclass('_yoyo_migration') is not null, to_regclass('_raxol_migration') is not null
"""

MARKS = "select migration_id, applied_at_utc from _yoyo_migration"

HASHES = "select id, content_hash, rollback_hash, marked_at from _raxol_migration"

STARTED = """
insert into _raxol_migration (id, content_hash, rollback_hash)
values (%s, %s, %s)
on conflict (id) do update set
    content_hash = excluded.content_hash,
    rollback_hash = excluded.rollback_hash,
    marked_at = null
"""

RECORD = """
insert into _raxol_migration (id, content_hash, rollback_hash, marked_at)
select migration_id, %s, %s, applied_at_utc from _yoyo_migration where migration_id = %s
on conflict (id) do update set
    content_hash = excluded.content_hash,
    rollback_hash = excluded.rollback_hash,
    marked_at = excluded.marked_at
"""

FORGET = "delete from _raxol_migration where id = %s"

# What a migration has set for its session must not decide where its own mark is written.
RESETS = ("reset session authorization", "reset role", "reset search_path")


def read_history(session: Session) -> History:
    """What the database remembers; nothing, where the tables do not exist. Only reads."""
    marked, hashed = session.execute(EXISTING).fetchone() or (False, False)
    marks: dict[str, datetime] = dict(session.execute(MARKS).fetchall()) if marked else {}
    rows = session.execute(HASHES).fetchall() if hashed else []
    return History(marks, {row[0]: LedgerRow(*row) for row in rows})


# yoyo ships no types, so its classes are Any to mypy.
class Bookkeeping(PostgresqlPsycopgBackend):  # type: ignore[misc]
    """yoyo's own bookkeeping, on a connection of ours: no URL, and our transaction."""

    def __init__(self, session: Session) -> None:
        self.session = session
        super().__init__(
            DatabaseURI("postgresql+psycopg", None, None, None, None, None, {}),
            default_migration_table,
        )

    def connect(self, dburi: DatabaseURI) -> Session:
        return self.session

    def get_log_data(self, migration: Any = None, operation: str = "apply") -> dict[str, Any]:
        """
        A row of yoyo's log.

        yoyo's own asks DNS for the host's name, which may take long, and fails in a container
        whose user has no name.
        """
        return {
            "id": str(uuid.uuid1()),
            "migration_id": migration.id,
            "migration_hash": migration.hash,
            "username": user_name(),
            "hostname": platform.node(),
            "created_at_utc": datetime.now(UTC).replace(tzinfo=None),
            "operation": operation,
        }


class Ledger:
    """
    Writes marks and hashes over one session; not to be shared between threads.

    ``applied`` and ``rolled_back`` belong into the transaction of the statements they record, so
    that a crash leaves both or neither.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.yoyo = Bookkeeping(session)

    def create_lock_table(self) -> None:
        """yoyo's lock table, if it is not there: the one thing needed before the lock is held."""
        if self.yoyo.lock_table not in self.yoyo.list_tables():
            self.yoyo.create_lock_table()

    def create_tables(self) -> None:
        """yoyo's tables and ours, if they are not there; only while the lock is held."""
        if internalmigrations.needs_upgrading(self.yoyo):
            internalmigrations.upgrade(self.yoyo)
        # A server older than us answers `if not exists` with a notice each time.
        if self.session.execute("select to_regclass('_raxol_migration')").fetchone() == (None,):
            self.session.execute(CREATE)

    def started(self, file: MigrationFile) -> None:
        """``file`` runs without a transaction now, and may be cut off."""
        self.session.execute(STARTED, [file.id, file.content_hash, file.rollback_hash])

    def applied(self, file: MigrationFile) -> None:
        """``file`` is applied."""
        self.reset()
        migration = yoyo_migration(file)
        self.yoyo.mark_one(migration, log=False)
        self.yoyo.log_migration(migration, "apply")
        self.adopt(file)

    def adopt(self, file: MigrationFile) -> None:
        """The present text of ``file`` is what the existing mark stands for."""
        self.session.execute(RECORD, [file.content_hash, file.rollback_hash, file.id])

    def rolled_back(self, file: MigrationFile) -> None:
        """``file`` is undone."""
        self.reset()
        migration = yoyo_migration(file)
        self.yoyo.unmark_one(migration, log=False)
        self.yoyo.log_migration(migration, "rollback")
        self.session.execute(FORGET, [file.id])

    def reset(self) -> None:
        for statement in RESETS:
            self.session.execute(statement.encode())


def yoyo_migration(file: MigrationFile) -> Migration:
    return Migration(file.id, str(file.path), str(file.path.parent))


def user_name() -> str:
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        return f"uid {os.getuid()}"

"""
The ledger: yoyo's marks and our hashes, always written in one transaction.

yoyo's tables say what is applied, so that bare yoyo reads and writes the same truth; the table
``_raxol_migration`` next to them adds what the files looked like at that time.
"""

from __future__ import annotations

import getpass
import os
import platform
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import psycopg
from yoyo import default_migration_table, internalmigrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import Migration

from raxol_sql.migrations.folder import MigrationFile
from raxol_sql.migrations.history import History, LedgerRow
from raxol_sql.migrations.session import Session

__all__ = ["Ledger", "note_of", "read_history", "user_name"]

CREATE = """
create table if not exists _raxol_migration (
    id text primary key,
    content_hash text not null,
    rollback_hash text,
    marked_at timestamp,
    code_hash text,
    is_removed boolean not null default false,
    note text
)
"""

# For a table that an older release made.
EXTEND = """
alter table _raxol_migration
    add column if not exists code_hash text,
    add column if not exists is_removed boolean not null default false,
    add column if not exists note text
"""

IS_OLDER = """
select to_regclass('_raxol_migration') is not null and not exists (
    select from pg_attribute where attrelid = to_regclass('_raxol_migration') and attname = 'note'
)
"""

EXISTING = """
select to_regclass('_yoyo_migration') is not null, to_regclass('_raxol_migration') is not null
"""

MARKS = "select migration_id, applied_at_utc from _yoyo_migration"

# By way of JSON, because a table that an older release made lacks the later columns.
HASHES = """
select
    id,
    content_hash,
    rollback_hash,
    marked_at,
    to_jsonb(booked) ->> 'code_hash',
    coalesce((to_jsonb(booked) ->> 'is_removed')::boolean, false),
    coalesce(to_jsonb(booked) ->> 'note', '')
from _raxol_migration as booked
"""

STARTED = """
insert into _raxol_migration (id, content_hash, rollback_hash, code_hash)
values (%s, %s, %s, %s)
on conflict (id) do update set
    content_hash = excluded.content_hash,
    rollback_hash = excluded.rollback_hash,
    code_hash = excluded.code_hash,
    is_removed = false,
    note = null,
    marked_at = null
"""

WAS_STARTED = "select marked_at is null from _raxol_migration where id = %s"

RECORD = """
insert into _raxol_migration (id, content_hash, rollback_hash, code_hash, marked_at, note)
select migration_id, %s, %s, %s, applied_at_utc, nullif(%s, '')
from _yoyo_migration
where migration_id = %s
on conflict (id) do update set
    content_hash = excluded.content_hash,
    rollback_hash = excluded.rollback_hash,
    code_hash = excluded.code_hash,
    is_removed = false,
    note = coalesce(excluded.note, _raxol_migration.note),
    marked_at = excluded.marked_at
"""

ADD_CODE = """
update _raxol_migration set code_hash = %s
where id = %s and content_hash = %s and code_hash is null
"""

# The text of a migration that bare yoyo applied is not known; an empty hash fits no file.
REMOVED = """
insert into _raxol_migration (id, content_hash, marked_at, is_removed, note)
select migration_id, '', applied_at_utc, true, %s from _yoyo_migration where migration_id = %s
on conflict (id) do update set
    is_removed = true,
    note = excluded.note,
    marked_at = excluded.marked_at
"""

RENAME_MARK = """
update _yoyo_migration set migration_hash = %s, migration_id = %s where migration_id = %s
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
            # Another migrator may create it at the same moment. yoyo's own function is silent
            # about a role that may not create it, and about a standby.
            with suppress(psycopg.errors.DuplicateTable, psycopg.errors.UniqueViolation):
                self.yoyo.execute(self.yoyo.format_sql(self.yoyo.create_lock_table_sql))

    def create_tables(self) -> None:
        """yoyo's tables and ours, if they are not there; only while the lock is held."""
        if internalmigrations.needs_upgrading(self.yoyo):
            internalmigrations.upgrade(self.yoyo)
        # A server older than us answers `if not exists` with a notice each time.
        if self.session.execute("select to_regclass('_raxol_migration')").fetchone() == (None,):
            self.session.execute(CREATE)
        if self.session.execute(IS_OLDER).fetchone() == (True,):
            self.session.execute(EXTEND)

    def started(self, file: MigrationFile) -> None:
        """``file`` runs without a transaction now, and may be cut off."""
        self.session.execute(
            STARTED, [file.id, file.content_hash, file.rollback_hash, file.code_hash]
        )

    def was_interrupted(self, file: MigrationFile) -> bool:
        """Whether ``file``, which runs without a transaction, was started and not finished."""
        return self.session.execute(WAS_STARTED, [file.id]).fetchone() == (True,)

    def applied(self, file: MigrationFile) -> None:
        """``file`` is applied."""
        self.reset()
        migration = yoyo_migration(file)
        self.yoyo.mark_one(migration, log=False)
        self.yoyo.log_migration(migration, "apply")
        self.adopt(file)

    def adopt(self, file: MigrationFile, note: str = "") -> None:
        """The present text of ``file`` is what the existing mark stands for."""
        self.session.execute(
            RECORD, [file.content_hash, file.rollback_hash, file.code_hash, note, file.id]
        )

    def add_code_hash(self, file: MigrationFile) -> None:
        """Complete the row of ``file`` where an older release wrote it."""
        self.session.execute(ADD_CODE, [file.code_hash, file.id, file.content_hash])

    def rename(self, file: MigrationFile, old: str, note: str) -> None:
        """``file`` is the applied migration ``old`` under another name; its time stays."""
        migration = yoyo_migration(file)
        with self.session.transaction():
            self.session.execute(RENAME_MARK, [migration.hash, file.id, old])
            self.yoyo.log_migration(migration, "mark")
            self.session.execute(FORGET, [old])
            self.adopt(file, note)

    def remove(self, migration_id: str, note: str) -> None:
        """The applied migration has no file any more, and needs none."""
        self.session.execute(REMOVED, [note, migration_id])

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


def note_of(what: str) -> str:
    """``what`` was accepted, with the time and the user."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {user_name()}@{platform.node()}: {what}"


def user_name() -> str:
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        return f"uid {os.getuid()}"

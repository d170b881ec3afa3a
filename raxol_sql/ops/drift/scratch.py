"""A database next to the live one, for as long as a block lasts, on which migrations are tried."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import attrs
from psycopg.errors import InsufficientPrivilege
from psycopg.sql import SQL, Identifier

from raxol_sql import databases
from raxol_sql.config import Conninfo
from raxol_sql.config.conninfo import Given
from raxol_sql.engine import Database
from raxol_sql.migrations.applying import apply_one, rollback_one
from raxol_sql.migrations.folder import MigrationFile
from raxol_sql.migrations.ledger import Ledger
from raxol_sql.migrations.session import open_session
from raxol_sql.ops.drift.item import Item
from raxol_sql.ops.drift.snapshot import Surroundings, read_snapshot

ONE_CONNECTION: dict[str, Any] = {"pool_size": 1, "pool_min_size": 1}
# Seconds that a statement waits for a lock. No other session could hold one.
_LOCK_TIMEOUT = 5.0

_NONE = Surroundings()
_ALLOW = "alter role {} createdb"
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.S)
# What takes effect on the whole server, in whatever database it is said: roles and who is a member
# of which, databases by their names, tablespaces, settings. It begins a statement, a text that is
# executed, or a line of PL/pgSQL.
_SERVER_WIDE = re.compile(
    r"""
    (?: ^ | [;'$] | \b(?:begin|then|else|loop) ) \s*
    (?:
        (?:create|alter|drop)\s+(?:role|group|database|tablespace|subscription|user(?!\s+mapping))\b
        | alter\s+system\b
        | (?:drop|reassign)\s+owned\b
        | (?:grant|revoke)\b[^;]*?\bon\s+(?:database|tablespace|parameter)\b
        | grant\b(?:(?!\bon\b)[^;])*?\bto\b
        | revoke\b(?:(?!\bon\b)[^;])*?\bfrom\b
    )
    """,
    re.I | re.X,
)


@attrs.frozen
class Scratch:
    """
    A database that no other session uses. For one thread.

    ``conninfo`` may hold a password, and is in no repr.
    """

    conninfo: Conninfo
    name: str
    _database: Database = attrs.field(repr=False)

    def apply(self, file: MigrationFile) -> None:
        """Runs a migration as `Migrations.apply` does; raises MigrationFailedError."""
        with closing(open_session(self.conninfo, _LOCK_TIMEOUT)) as session:
            apply_one(session, file)

    def roll_back(self, file: MigrationFile) -> None:
        """Undoes a migration as `Migrations.rollback` does; raises MigrationFailedError."""
        with closing(open_session(self.conninfo, _LOCK_TIMEOUT)) as session:
            rollback_one(session, file)

    def snapshot(self) -> frozenset[Item]:
        """The schema as it is now."""
        return read_snapshot(self._database)


@contextmanager
def scratch(conninfo: Given, prefix: str, surroundings: Surroundings = _NONE) -> Iterator[Scratch]:
    """
    A new database on the server of ``conninfo``, dropped in the end whatever happens.

    Its name is ``prefix`` and something random. It has the ``surroundings`` of another one. Raises
    psycopg.errors.InsufficientPrivilege for a role that may create none.
    """
    conninfo = Conninfo.of(conninfo)
    with ExitStack() as stack:
        try:
            name = stack.enter_context(databases.temporary(conninfo, prefix))
        except InsufficientPrivilege as error:
            role = Identifier(str(conninfo.parameters.get("user") or "ROLE")).as_string()
            error.add_note(
                f"for the scratch database; a superuser allows it: {_ALLOW.format(role)}"
            )
            raise
        there = conninfo.changed(dbname=name)
        _adopt_settings(conninfo, name, surroundings.settings)
        with closing(open_session(there, _LOCK_TIMEOUT)) as session:
            if surroundings.home is not None:
                home = Identifier(surroundings.home)
                session.execute(SQL("create schema if not exists {}").format(home))
            ledger = Ledger(session)
            ledger.create_lock_table()
            ledger.create_tables()
        with Database.open(there, **ONE_CONNECTION) as database:
            yield Scratch(there, name, database)


def is_server_wide(file: MigrationFile) -> bool:
    """
    Whether a migration, or its rollback, seems to change more than one database.

    Told from its words: what it builds from several strings is not seen.
    """
    statements = (*file.statements, *file.rollback)
    return any(_SERVER_WIDE.search(_COMMENT.sub(" ", one.text)) for one in statements)


def _adopt_settings(conninfo: Conninfo, name: str, settings: Mapping[str, str]) -> None:
    """
    Make them the defaults of our sessions in the database ``name``.

    What the connection string or PGOPTIONS sets stands above them, as in the live database.
    """
    with closing(open_session(conninfo, _LOCK_TIMEOUT)) as session, session.transaction():
        for setting, value in settings.items():
            # A list, such as a search_path, is no literal: the server writes down what it has.
            session.execute("select set_config(%s, %s, true)", [setting, value])
            session.execute(
                SQL("alter role session_user in database {} set {} from current").format(
                    Identifier(name), Identifier(setting)
                )
            )

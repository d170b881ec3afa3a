"""A database of a benchmark's own on the configured server, dropped when it is over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from raxol_sql import Config, databases, server

COMMENT = "made by a benchmark of raxol_sql, which may drop it"


class ScratchError(Exception):
    """The database is not to be had: no server, or one of that name that no benchmark made."""


@contextmanager
def scratch_database(config: Config, *, keep: bool = False) -> Iterator[str]:
    """
    The connection string of the database that ``config`` names, new and empty; it may hold a
    password.

    One that an earlier run left is replaced. Dropped at the end, unless ``keep``. Raises
    `ScratchError` if there is no server, or one of that name that no benchmark made.
    """
    maintenance = server.conninfo(config, "postgres")
    name = config.database
    try:
        exists = databases.exists(maintenance, name)
    except psycopg.OperationalError as error:
        raise ScratchError(f"{server.describe(config)}: {error}") from error
    if exists:
        if databases.comment_on(maintenance, name) != COMMENT:
            raise ScratchError(f"there is a database {name} already, and it is not a benchmark's")
        databases.drop(maintenance, name, force=True)
    databases.create(maintenance, name, comment=COMMENT)
    try:
        yield server.conninfo(config)
    finally:
        if not keep:
            databases.drop(maintenance, name, force=True)

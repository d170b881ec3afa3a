"""A database of a benchmark's own on the configured server, dropped when it is over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from raxol_sql import Config, databases, server


class ScratchError(Exception):
    """The database is not to be had, because there is no server."""


@contextmanager
def scratch_database(config: Config, *, keep: bool = False) -> Iterator[str]:
    """
    The connection string of a new and empty database; it may hold a password.

    Its name begins with the one that ``config`` names. Dropped at the end, unless ``keep``.
    Raises `ScratchError` if there is no server.
    """
    maintenance = server.conninfo(config, "postgres")
    try:
        psycopg.connect(maintenance).close()
    except psycopg.OperationalError as error:
        raise ScratchError(f"{server.describe(config)}: {error}") from error
    with databases.temporary(maintenance, config.database, keep=keep) as name:
        yield server.conninfo(config, name)

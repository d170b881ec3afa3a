"""Scratch databases for benchmarks on the configured server, dropped afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from raxol_sql import Config, databases, server


class ScratchError(Exception):
    """The scratch database cannot be created, because the server cannot be reached."""


@contextmanager
def scratch_database(config: Config, *, keep: bool = False) -> Iterator[str]:
    """
    Create an empty database, and yield its connection string, which may hold a password.

    The database's name begins with the one that ``config`` names. It is dropped at the end,
    unless ``keep``. Raises `ScratchError` if the server cannot be reached.
    """
    maintenance = server.conninfo(config, "postgres")
    try:
        psycopg.connect(maintenance).close()
    except psycopg.OperationalError as error:
        raise ScratchError(f"{server.describe(config)}: {error}") from error
    with databases.temporary(maintenance, config.database, keep=keep) as name:
        yield server.conninfo(config, name)

"""Functions that create and drop a whole database, from the server's maintenance database."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import sql

from raxol_sql.config import Conninfo
from raxol_sql.config.conninfo import Given

_FIND = "select from pg_database where datname = %s"


def create(maintenance: Given, name: str) -> bool:
    """
    Create the database ``name``, with encoding UTF8 and time zone UTC, unless it exists.

    ``maintenance`` is the connection string of another database of the server. Return whether this
    call created it. Raises the driver's errors, such as InsufficientPrivilege.
    """
    maintenance = Conninfo.of(maintenance)
    identifier = _identifier(name)
    with _connected(maintenance) as connection:
        try:
            connection.execute(
                sql.SQL("create database {} encoding 'UTF8' template template0").format(identifier)
            )
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            # The server raises the second error if two sessions create it at the same moment.
            return False
        except psycopg.errors.InsufficientPrivilege:
            # The server checks the privileges of the role before the existence of the database.
            if connection.execute(_FIND, [name]).fetchone() is None:
                raise
            return False
        connection.execute(sql.SQL("alter database {} set timezone = 'UTC'").format(identifier))
    return True


def drop(maintenance: Given, name: str, *, force: bool = False) -> bool:
    """
    Drop the database ``name``, if it exists; return whether it did.

    Raises psycopg.errors.ObjectInUse while other sessions are connected to it, unless ``force``
    ends them.
    """
    maintenance = Conninfo.of(maintenance)
    statement = sql.SQL("drop database {}{}").format(
        _identifier(name), sql.SQL(" with (force)" if force else "")
    )
    with _connected(maintenance) as connection:
        try:
            connection.execute(statement)
        except psycopg.errors.InvalidCatalogName:
            return False
    return True


def sessions(maintenance: Given, name: str) -> int:
    """Return the number of sessions that are connected to the database ``name``."""
    maintenance = Conninfo.of(maintenance)
    with _connected(maintenance) as connection:
        row = connection.execute(
            "select count(*) from pg_stat_activity where datname = %s", [name]
        ).fetchone()
        return int(row[0]) if row else 0


@contextmanager
def temporary(maintenance: Given, prefix: str, *, keep: bool = False) -> Iterator[str]:
    """
    Create a database for a block and yield its name: ``prefix`` with a random suffix.

    The database is always dropped at the end, unless ``keep``. If the server is unavailable by
    then, the database stays.
    """
    maintenance = Conninfo.of(maintenance)
    name = f"{prefix}_{secrets.token_hex(4)}"
    try:
        create(maintenance, name)
        yield name
    finally:
        if not keep:
            # The block has raised the error of the lost server already.
            with suppress(psycopg.OperationalError):
                drop(maintenance, name, force=True)


def _identifier(name: str) -> sql.Identifier:
    if "\0" in name:
        # libpq would quote only the part before the NUL, the name of another database.
        raise ValueError(f"no database can be named {name!r}: it has a NUL in it")
    return sql.Identifier(name)


@contextmanager
def _connected(conninfo: Given) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    with Conninfo.of(conninfo).connect(autocommit=True) as connection:
        yield connection

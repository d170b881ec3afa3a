"""Creating and dropping a whole database, from the server's maintenance database."""

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
    Creates the database ``name``, in UTF8 and with its times in UTC, unless it exists.

    ``maintenance`` is the connection string of another database of the server. Gives whether it
    was created now. Raises the driver's errors, such as InsufficientPrivilege.
    """
    maintenance = Conninfo.of(maintenance)
    identifier = _identifier(name)
    with _connected(maintenance) as connection:
        try:
            connection.execute(
                sql.SQL("create database {} encoding 'UTF8' template template0").format(identifier)
            )
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            # The second one is what the server says of two that create it at the same moment.
            return False
        except psycopg.errors.InsufficientPrivilege:
            # What a role may do is looked at before what is there already.
            if connection.execute(_FIND, [name]).fetchone() is None:
                raise
            return False
        connection.execute(sql.SQL("alter database {} set timezone = 'UTC'").format(identifier))
    return True


def drop(maintenance: Given, name: str, *, force: bool = False) -> bool:
    """
    Drops the database ``name`` with everything in it, if it exists; gives whether it did.

    Raises psycopg.errors.ObjectInUse while others are connected to it, unless ``force`` ends
    their sessions.
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
    """How many sessions are connected to the database ``name``."""
    maintenance = Conninfo.of(maintenance)
    with _connected(maintenance) as connection:
        row = connection.execute(
            "select count(*) from pg_stat_activity where datname = %s", [name]
        ).fetchone()
        return int(row[0]) if row else 0


@contextmanager
def temporary(maintenance: Given, prefix: str, *, keep: bool = False) -> Iterator[str]:
    """
    The name of a new database for the length of a block: ``prefix`` and something random.

    Dropped at the end whatever happens, with everything in it, unless ``keep``. Where the server
    is gone by then, it stays.
    """
    maintenance = Conninfo.of(maintenance)
    name = f"{prefix}_{secrets.token_hex(4)}"
    try:
        create(maintenance, name)
        yield name
    finally:
        if not keep:
            # The error that says that the server is gone is on its way already.
            with suppress(psycopg.OperationalError):
                drop(maintenance, name, force=True)


def _identifier(name: str) -> sql.Identifier:
    if "\0" in name:
        # libpq would quote what comes before it, which is the name of another database.
        raise ValueError(f"no database can be named {name!r}: it has a NUL in it")
    return sql.Identifier(name)


@contextmanager
def _connected(conninfo: Given) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    with Conninfo.of(conninfo).connect(autocommit=True) as connection:
        yield connection

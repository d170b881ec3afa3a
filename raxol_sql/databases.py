"""Creating and dropping a whole database, from the server's maintenance database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql


def create(maintenance: str, name: str, *, comment: str | None = None) -> bool:
    """
    Creates the database ``name``, in UTF8 and with its times in UTC, unless it exists.

    ``maintenance`` is the connection string of another database of the server. Gives whether it
    was created now. Raises the driver's errors, such as InsufficientPrivilege.
    """
    identifier = sql.Identifier(name)
    with _connected(maintenance) as connection:
        try:
            connection.execute(
                sql.SQL("create database {} encoding 'UTF8' template template0").format(identifier)
            )
        except psycopg.errors.DuplicateDatabase:
            return False
        connection.execute(sql.SQL("alter database {} set timezone = 'UTC'").format(identifier))
        if comment is not None:
            connection.execute(
                sql.SQL("comment on database {} is {}").format(identifier, sql.Literal(comment))
            )
    return True


def drop(maintenance: str, name: str, *, force: bool = False) -> bool:
    """
    Drops the database ``name`` with everything in it, if it exists; gives whether it did.

    Raises psycopg.errors.ObjectInUse while others are connected to it, unless ``force`` ends
    their sessions.
    """
    statement = sql.SQL("drop database {}{}").format(
        sql.Identifier(name), sql.SQL(" with (force)" if force else "")
    )
    with _connected(maintenance) as connection:
        try:
            connection.execute(statement)
        except psycopg.errors.InvalidCatalogName:
            return False
    return True


def sessions(maintenance: str, name: str) -> int:
    """How many sessions are connected to the database ``name``."""
    with _connected(maintenance) as connection:
        row = connection.execute(
            "select count(*) from pg_stat_activity where datname = %s", [name]
        ).fetchone()
        return int(row[0]) if row else 0


def comment_on(maintenance: str, name: str) -> str | None:
    """The comment on the database ``name``; None if there is none, or no such database."""
    with _connected(maintenance) as connection:
        row = connection.execute(
            "select shobj_description(oid, 'pg_database') from pg_database where datname = %s",
            [name],
        ).fetchone()
        return row[0] if row else None


def exists(maintenance: str, name: str) -> bool:
    """Whether there is a database ``name``."""
    with _connected(maintenance) as connection:
        row = connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone()
        return row is not None


@contextmanager
def _connected(conninfo: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        yield connection

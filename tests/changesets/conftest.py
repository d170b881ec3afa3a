"""A database with the repository's tables, for verdicts to be compared with the server's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql import embedded


@pytest.fixture(scope="session")
def verdict_database(server: embedded.Server, _accounts_template: str) -> str:
    """The one database in which these tests ask the server."""
    name = "raxol_verdicts"
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} template {_accounts_template}")
    return server.conninfo(name)


@pytest.fixture(scope="session")
def side(verdict_database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection on which nothing is ever committed, with one user, 1."""
    with psycopg.connect(verdict_database) as connection:
        connection.execute("insert into users (email, name) values ('parent@b.de', 'P')")
        yield connection
        connection.rollback()


@pytest.fixture(scope="session")
def verdict_db(verdict_database: str) -> Iterator[rx.Database]:
    """That database, open, with one user, 1."""
    with rx.Database.open(verdict_database) as database:
        yield database

"""A proxy before a database that all of these tests use in turn, and a connection beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from raxol_sql import embedded
from raxol_sql.testing import FaultProxy


@pytest.fixture(scope="session")
def faults_database(server: embedded.Server) -> str:
    """The one database; a new one for each test would be slow."""
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute("create database raxol_faults template template0")
    return server.conninfo("raxol_faults")


@pytest.fixture
def database(faults_database: str) -> Iterator[str]:
    """That database, to which nobody is connected."""
    yield faults_database
    with psycopg.connect(faults_database, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )


@pytest.fixture
def proxy(database: str) -> Iterator[FaultProxy]:
    """A proxy before the database."""
    with FaultProxy(database) as proxy:
        yield proxy


@pytest.fixture
def side(database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection beside the proxy, to the database with an empty table ``notes``."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("drop table if exists notes; create table notes (n int not null)")
        yield connection

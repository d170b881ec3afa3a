"""Queries of a text, put before tables that the test makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql import embedded
from raxol_sql.schema import Finding, lint, prove

PLAIN = "-- name: one :one\n-- One.\nselect 1 as one;\n"


@pytest.fixture(scope="session")
def _schema_db(server: embedded.Server) -> Iterator[tuple[str, rx.Database]]:
    name = "raxol_schema"
    conninfo = server.conninfo(name)
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} template template0")
        with rx.Database.open(conninfo, pool_size=1, pool_min_size=1) as db:
            yield conninfo, db
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture
def database(_schema_db: tuple[str, rx.Database]) -> str:
    """The connection string of a database without a table: there are too many tests to make one."""
    conninfo, _ = _schema_db
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("drop schema if exists public, other cascade; create schema public")
    return conninfo


@pytest.fixture
def found(
    database: str, _schema_db: tuple[str, rx.Database], tmp_path: Path
) -> Callable[..., list[Finding]]:
    """Gives what is found about queries, after SQL is run."""
    _, db = _schema_db

    def found(sql: str, queries: str = PLAIN, *records: type) -> list[Finding]:
        (tmp_path / "own.sql").write_text(queries)
        loaded = rx.load(tmp_path / "own.sql", records=records)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(sql.encode())
            proof = prove(connection, loaded)
        return [*proof.findings, *lint(db, proof.origins)]

    return found

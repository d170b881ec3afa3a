"""A database that tests fill and look at while its tables are maintained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.ops.maintenance.relation import Index, Relation, indexes, tables

Do = Callable[[str], list[Any]]

# Each entry takes 20 ms, so that an index on it is built for as long as a test needs.
SLOW = """
    create function slow(a int) returns int immutable language plpgsql as
    'begin perform pg_catalog.pg_sleep(0.02); return a; end';
    create table slow (a int);
    create index slow_index on slow (slow(a));
    alter table slow set (autovacuum_enabled = off);
"""


@pytest.fixture
def do(database: str) -> Iterator[Do]:
    """Runs a statement as the superuser, in autocommit; gives its rows."""
    with psycopg.connect(database, autocommit=True) as connection:

        def do(statement: str) -> list[Any]:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

        yield do


@pytest.fixture
def store(database: str) -> Iterator[rx.Database]:
    """The test's own database, empty."""
    with rx.Database.open(database, pool_size=1, pool_min_size=1) as opened:
        yield opened


@contextmanager
def locked(database: str, name: str, mode: str = "access exclusive") -> Iterator[int]:
    """The pid of a session that holds a lock."""
    with psycopg.connect(database, application_name="holder") as holder:
        holder.execute(f"lock table {name} in {mode} mode")  # type: ignore[arg-type]
        yield holder.info.backend_pid


def one(store: rx.Database, name: str) -> Relation:
    (found,) = tables(store, [name])
    return found


def index(store: rx.Database, name: str) -> Index:
    (found,) = indexes(store, [name])
    return found

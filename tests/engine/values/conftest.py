"""What the tests of values share: a database with types of all sorts, and described statements."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg.types import TypeInfo
from psycopg.types.composite import CompositeInfo, register_composite
from psycopg.types.enum import EnumInfo, register_enum
from psycopg.types.hstore import register_hstore
from psycopg.types.range import RangeInfo, register_range

from raxol_sql import embedded
from raxol_sql.engine.types.interval_loaders import guard
from raxol_sql.engine.types.parameters import Parameters
from raxol_sql.engine.types.row_loader import RowLoader

TYPES = """
create extension hstore;
create extension citext;
create type mood as enum ('sad', 'ok', 'happy "yes"');
create type colour as enum ('red', 'green');
create type item as (name text, price numeric, at timestamp);
create type pair as (a int, b text);
create type textrange as range (subtype = text);
create domain percentage as int check (value between 0 and 100);
create domain local_time as timestamp;
create domain instants as timestamptz[];
"""


class Mood(enum.Enum):
    """Registered for the type ``mood``."""

    SAD = "sad"
    OK = "ok"
    HAPPY = 'happy "yes"'


class Item(NamedTuple):
    """Registered for the type ``item``."""

    name: str | None
    price: Any
    at: Any


_numbers = itertools.count(1)


class Statement:
    """A statement, prepared without naming a type, that is called with its values."""

    def __init__(self, connection: psycopg.Connection[Any], sql: str) -> None:
        self._pgconn = connection.pgconn
        self._name = f"s{next(_numbers)}".encode()
        _checked(self._pgconn.prepare(self._name, sql.encode()))
        told = self._pgconn.describe_prepared(self._name)
        oids = [told.param_type(index) for index in range(told.nparams)]
        self.parameters = Parameters(connection, oids)
        names = tuple([(told.fname(index) or b"").decode() for index in range(told.nfields)])
        types = tuple([told.ftype(index) for index in range(told.nfields)])
        self.columns = RowLoader(connection, names, types)

    def result(self, *values: Any) -> psycopg.pq.abc.PGresult:
        """What the server answers."""
        data, formats = self.parameters.dump(values)
        format = self.columns.format
        answer = self._pgconn.exec_prepared(
            self._name,
            data,  # type: ignore[arg-type]  # None is NULL
            formats,
            format,
        )
        return _checked(answer)

    def __call__(self, *values: Any) -> list[tuple[Any, ...]]:
        """All rows."""
        return self.columns.rows(self.result(*values), tuple)

    def one(self, *values: Any) -> Any:
        """The only value, of the first row."""
        (value,) = self.columns.row(self.result(*values), 0, tuple)
        return value


def _checked(result: psycopg.pq.abc.PGresult) -> psycopg.pq.abc.PGresult:
    if result.status in (psycopg.pq.ExecStatus.COMMAND_OK, psycopg.pq.ExecStatus.TUPLES_OK):
        return result
    raise psycopg.errors.error_from_result(result)


@pytest.fixture(scope="session")
def values_database(server: embedded.Server) -> str:
    """A database that has types of all sorts."""
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute("create database raxol_values template template0")
    with psycopg.connect(server.conninfo("raxol_values"), autocommit=True) as connection:
        connection.execute(TYPES)
    return server.conninfo("raxol_values")


@pytest.fixture(scope="session")
def shared(values_database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection for all tests that leave it as it is; Paris is its time zone."""
    with psycopg.connect(values_database, autocommit=True) as connection:
        connection.execute("set timezone = 'Europe/Paris'")
        _register(connection)
        yield connection


@pytest.fixture
def connection(values_database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection of the test's own, on which nothing but the guard is registered."""
    with psycopg.connect(values_database, autocommit=True) as connection:
        guard(connection)
        yield connection


@pytest.fixture(scope="session")
def prepared(shared: psycopg.Connection[Any]) -> Callable[[str], Statement]:
    """Gives the statement of a text on the shared connection."""
    return cache(lambda sql: Statement(shared, sql))


@pytest.fixture(scope="module")
def session(values_database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection whose settings the tests of one file change."""
    with psycopg.connect(values_database, autocommit=True) as connection:
        _register(connection)
        yield connection


@pytest.fixture(scope="module")
def told(session: psycopg.Connection[Any]) -> Callable[[str], Statement]:
    """Gives the statement of a text on the connection whose settings change."""
    return cache(lambda sql: Statement(session, sql))


@pytest.fixture
def prepare(connection: psycopg.Connection[Any]) -> Callable[[str], Statement]:
    """Prepares a statement on the test's own connection."""
    return lambda sql: Statement(connection, sql)


@pytest.fixture(scope="session")
def mood() -> type[Mood]:
    """The Python class of the enum ``mood``."""
    return Mood


@pytest.fixture(scope="session")
def item() -> type[Item]:
    """The Python class of the composite ``item``."""
    return Item


def _register(connection: psycopg.Connection[Any]) -> None:
    guard(connection)
    register_hstore(_known(TypeInfo, connection, "hstore"), connection)
    labels = [(member, member.value) for member in Mood]
    register_enum(_known(EnumInfo, connection, "mood"), connection, Mood, mapping=labels)
    register_composite(_known(CompositeInfo, connection, "item"), connection, Item)
    register_range(_known(RangeInfo, connection, "textrange"), connection)


def _known(kind: Any, connection: psycopg.Connection[Any], name: str) -> Any:
    info = kind.fetch(connection, name)
    assert info is not None
    return info

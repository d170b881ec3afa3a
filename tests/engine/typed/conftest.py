"""What the tests of types share: a database with types that users made, and queries on it."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import attrs
import psycopg
import pytest

import raxol_sql as rx
from raxol_sql import embedded
from tests.engine.conftest import Awaited

TYPES = """
create extension citext;
create type mood as enum ('sad', 'ok', 'so, so "{}"');
create type addr as (street text, zip text, floor int);
create domain dint as int check (value >= 0);
create domain email as text;
create domain feeling as mood;
create type visit as (at timestamptz, mood mood, addr addr, tags text[], rank dint);
create type moodrange as range (subtype = mood, multirange_type_name = moodranges);
create domain place as addr;
"""


class Mood(enum.Enum):
    """Members whose values are the labels of ``mood``."""

    SAD = "sad"
    FINE = "ok"
    SO = 'so, so "{}"'


@attrs.frozen
class Addr:
    """The composite ``addr``."""

    street: str | None
    zip: str | None
    floor: int | None = None


@attrs.frozen
class Line:
    """A part of what is kept as JSON."""

    name: str
    price: Decimal
    mood: Mood
    id: UUID | None = None


Load = Callable[..., rx.Queries]


@pytest.fixture(scope="session")
def typed_database(server: embedded.Server) -> str:
    """A database that has types of all sorts."""
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute("create database raxol_typed template template0")
    with psycopg.connect(server.conninfo("raxol_typed"), autocommit=True) as connection:
        connection.execute(TYPES)
    return server.conninfo("raxol_typed")


@pytest.fixture
def own_database(database: str) -> str:
    """A database of the test's own that has the same types."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TYPES)
    return database


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads queries out of a text, with the records that they name."""

    def load(sql: str, *records: type) -> rx.Queries:
        (tmp_path / "q.sql").write_text(sql)
        return rx.load(tmp_path, records=list(records)).q  # type: ignore[no-any-return]

    return load


@pytest.fixture
def db(typed_database: str) -> Iterator[rx.Database]:
    """The blocking database on it."""
    with rx.Database.open(typed_database, pool_size=2, pool_min_size=1) as db:
        yield db


@pytest.fixture(params=["blocking", "asyncio"])
def opened(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Opens a database of either colour, for one story to await."""

    @asynccontextmanager
    async def open_one(url: str, **options: Any) -> AsyncIterator[Any]:
        options = {"pool_size": 2, "pool_min_size": 1, **options}
        if request.param == "asyncio":
            async with rx.AsyncDatabase.open(url, **options) as db:
                yield db
        else:
            with rx.Database.open(url, **options) as db:
                yield Awaited(db)

    return open_one

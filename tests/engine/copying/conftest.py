"""What the tests of COPY share: types of all sorts, and a way in and out of the database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import psycopg
import pytest

from raxol_sql import embedded
from raxol_sql.engine.copy.columns import COLUMNS, ColumnInfo
from raxol_sql.engine.copy.decoder import RowDecoder
from raxol_sql.engine.copy.encoder import RowEncoder
from raxol_sql.engine.core.concurrency import run_sync
from raxol_sql.engine.types.interval_loaders import guard
from raxol_sql.engine.types.parameters import Parameters
from raxol_sql.text import CopyShape

T = TypeVar("T")

TYPES = """
create extension citext;
create schema other;
create type mood as enum ('sad', 'ok', 'happy "yes"');
create type pair as (a int, b text);
create type textrange as range (subtype = text);
create domain percentage as int check (value between 0 and 100);
create domain half as percentage check (value <= 50);
create domain moods as mood[];
"""


class Copier:
    """COPY on one connection, through our own encoder and decoder."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def columns(self, relation: str, *names: str) -> list[ColumnInfo]:
        """What the server tells of the columns."""
        with psycopg.RawCursor(self.connection) as cursor:
            cursor.execute(COLUMNS, [relation, list(names)])
            return [ColumnInfo.of(row) for row in cursor.fetchall()]

    def blocks(self, relation: str, names: Sequence[str], rows: Any, format: str) -> list[bytes]:
        """The blocks that a COPY of rows sends."""
        shape = CopyShape(True, tuple(names), format, relation)
        columns = self.columns(relation, *names)
        encoder = RowEncoder(self.connection, "q.into", shape, columns)
        return run_sync(gathered(encoder.blocks(rows)))

    def into(self, relation: str, names: Sequence[str], rows: Any, format: str = "binary") -> int:
        """Copies rows in; gives their count."""
        return self.send(relation, names, self.blocks(relation, names, rows, format), format)

    def send(
        self, relation: str, names: Sequence[str], blocks: Iterable[bytes], format: str
    ) -> int:
        """Copies blocks in."""
        listed = f"({', '.join(names)})" if names else ""
        text: Any = f"copy {relation} {listed} from stdin (format {format})"
        with self.connection.cursor() as cursor:
            with cursor.copy(text) as copy:
                for block in blocks:
                    copy.write(block)
            return cursor.rowcount

    def pieces(self, query: str, format: str) -> list[bytes]:
        """The messages in which the server sends the rows of a query."""
        text: Any = f"copy ({query}) to stdout (format {format})"
        with self.connection.cursor() as cursor, cursor.copy(text) as copy:
            return [bytes(piece) for piece in copy]

    def decoder(self, query: str, format: str) -> RowDecoder:
        """What reads the rows of a query."""
        names, oids = self.told(query)
        shape = CopyShape(False, (), format, None, query)
        return RowDecoder(self.connection, "q.out", shape, names, oids)

    def out(
        self, query: str, format: str, build: Callable[[tuple[Any, ...]], Any] = tuple
    ) -> list[Any]:
        """Copies the rows of a query out."""
        decoder = self.decoder(query, format)
        return run_sync(decoder.read(given(self.pieces(query, format)), build))

    def told(self, query: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """The names and the types of the columns of a query."""
        told = self.described(query)
        names = [(told.fname(index) or b"").decode() for index in range(told.nfields)]
        return tuple(names), tuple([told.ftype(index) for index in range(told.nfields)])

    def described(self, text: str) -> psycopg.pq.abc.PGresult:
        """What the server says of a statement."""
        pgconn = self.connection.pgconn
        checked(pgconn.prepare(b"", text.encode()))
        return checked(pgconn.describe_prepared(b""))

    def inserted(self, relation: str, cast: str, value: Any) -> str | None:
        """The text of what a parameter of an INSERT stores in ``v``, which is not left there."""
        told = self.described(f"insert into {relation} (v) values ($1{cast})")
        data, formats = Parameters(self.connection, [told.param_type(0)]).dump([value])
        checked(self.connection.pgconn.exec_prepared(b"", data, formats))
        return self.taken(relation)[0]

    def taken(self, relation: str) -> list[str | None]:
        """The texts of all values of ``v``, which are gone then."""
        text: Any = f"with gone as (delete from {relation} returning v) select v::text from gone"
        return [value for (value,) in self.connection.execute(text).fetchall()]


async def gathered(items: AsyncIterator[T]) -> list[T]:
    return [item async for item in items]


async def given(items: Iterable[T]) -> AsyncIterator[T]:
    for item in items:
        yield item


def checked(result: psycopg.pq.abc.PGresult) -> psycopg.pq.abc.PGresult:
    if result.status in (psycopg.pq.ExecStatus.COMMAND_OK, psycopg.pq.ExecStatus.TUPLES_OK):
        return result
    raise psycopg.errors.error_from_result(result)


@pytest.fixture(scope="session")
def copying_database(server: embedded.Server) -> str:
    """A database that has types of all sorts."""
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute("create database raxol_copying template template0")
    with psycopg.connect(server.conninfo("raxol_copying"), autocommit=True) as connection:
        connection.execute(TYPES)
    return server.conninfo("raxol_copying")


@pytest.fixture(scope="session")
def copier(copying_database: str) -> Iterator[Copier]:
    """COPY on a connection that the tests leave as it is; Paris is its time zone."""
    with psycopg.connect(copying_database, autocommit=True) as connection:
        connection.execute("set timezone = 'Europe/Paris'")
        guard(connection)
        yield Copier(connection)


@pytest.fixture
def own(copying_database: str) -> Iterator[Copier]:
    """COPY on a connection of the test's own."""
    with psycopg.connect(copying_database, autocommit=True) as connection:
        guard(connection)
        yield Copier(connection)


@pytest.fixture(scope="session")
def table(copier: Copier) -> Callable[[str], str]:
    """Gives the name of an empty table whose column ``v`` is of a type."""
    known: dict[str, str] = {}

    def name(type: str) -> str:
        if type not in known:
            known[type] = f"t{len(known)}"
            copier.connection.execute(f"create unlogged table {known[type]} (v {type})")
        return known[type]

    return name

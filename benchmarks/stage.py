"""The database in which everything is measured, and what all contenders have in hand there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property
from operator import attrgetter
from pathlib import Path

import attrs
import psycopg

import raxol_sql as rx
from benchmarks.texts import Text
from raxol_sql.demo.accounts import User
from raxol_sql.migrations import Migrations

FOLDER = Path(__file__).parent
COLUMNS = ("email", "name", "age", "active", "inserted_at", "updated_at")
TYPES = ("text", "varchar", "int4", "bool", "timestamptz", "timestamptz")
"""What a COPY into newcomers writes, and the types of it."""

_FILL = """
    insert into users (email, name, age, inserted_at, updated_at)
    select
        'user' || number || '@example.com',
        'User ' || number,
        20 + mod(number, 60),
        timestamptz '2024-01-01 12:00:00+00' + number * interval '1.000001 s',
        timestamptz '2024-06-01 12:00:00+00'
    from generate_series(1, %s) as number
"""
# The table for updates and the one for inserts have none of the checks and triggers of `users`.
# Autovacuum is off, as it could run in the middle of a contender's round.
_TABLES = """
    create table members (like users including defaults, primary key (id));
    create table newcomers (like users including defaults including identity);
    alter table users set (autovacuum_enabled = false);
    alter table members set (autovacuum_enabled = false);
    alter table newcomers set (autovacuum_enabled = false);
"""
_FILL_MEMBERS = "insert into members select * from users order by id limit 100"


@attrs.frozen
class Newcomer:
    """A user who is yet to be written: one of those that are inserted and copied."""

    email: str
    name: str
    age: int | None
    active: bool
    inserted_at: datetime
    updated_at: datetime


values_of = attrgetter(*COLUMNS)
"""The fields of a `Newcomer` as a tuple, in the order of COLUMNS."""


@attrs.frozen
class Sizes:
    """How many rows there are: of a short list, of a long one, and to be inserted."""

    short: int = 1_000
    long: int = 100_000
    inserts: int = 10_000


QUICK = Sizes(long=20_000)


@attrs.frozen(slots=False)
class Stage:
    """
    The filled database ``conninfo``, and what contenders are given there.

    ``connections`` is how many each of their pools holds, from the start and at most.
    """

    conninfo: str
    sizes: Sizes = Sizes()
    connections: int = 1

    @cached_property
    def queries(self) -> rx.Queries:
        """The queries of benchmarks/sql."""
        return load_queries()

    def text(self, name: str) -> Text:
        """The statement of one of the queries."""
        return Text.of(self.queries[name])

    @cached_property
    def changes(self) -> list[dict[str, int]]:
        """Five rows of a page that a user saves: arguments by name."""
        return [{"age": 20 + number, "id": number} for number in range(1, 6)]

    @cached_property
    def inserts(self) -> list[Newcomer]:
        """The rows to be inserted."""
        return [newcomer(number) for number in range(self.sizes.inserts)]

    @cached_property
    def copies(self) -> list[Newcomer]:
        """The rows to be copied in."""
        return [newcomer(number) for number in range(self.sizes.long)]


def newcomer(number: int) -> Newcomer:
    """One of many who differ."""
    moment = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=number, microseconds=number)
    age = 20 + number % 60 if number % 10 else None
    return Newcomer(f"new{number}@example.com", f"New {number}", age, True, moment, moment)


def load_queries() -> rx.Queries:
    """The queries of benchmarks/sql."""
    return rx.load(FOLDER / "sql", records=[User])


def fill(stage: Stage) -> None:
    """The repository's tables and some more, with users, in what is an empty database."""
    Migrations(stage.conninfo, FOLDER.parent / "migrations").apply()
    with psycopg.connect(stage.conninfo, autocommit=True) as connection:
        connection.execute(_TABLES)
        connection.execute(_FILL, [max(stage.sizes.long, stage.sizes.short)])
        connection.execute(_FILL_MEMBERS)
        connection.execute("vacuum (analyze) users, members")

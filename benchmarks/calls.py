"""What a call costs, next to psycopg and aiosql: ``python -m benchmarks.calls``."""

from __future__ import annotations

import importlib
import importlib.util
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs
import click
import psycopg
from psycopg.rows import class_row
from psycopg_pool import ConnectionPool

import raxol_sql as rx
from benchmarks.scratch import ScratchError, scratch_database
from raxol_sql import server
from raxol_sql.accounts import Account, User, UserPreferences
from raxol_sql.migrations import Migrations

DATABASE = "raxol_calls"
ROOT = Path(__file__).parent.parent
# Short rounds, and many of them: a neighbour that takes the machine spoils few.
ROUNDS = 300
USERS = 100
WARM_UP = 50

GET = """
    select id, email, name, age, active, inserted_at, updated_at
    from users
    where id = %(id)s
"""
SET_AGE = """
    update users
    set updated_at = now(), age = %(age)s
    where id = %(id)s
    returning id, email, name, age, active, inserted_at, updated_at
"""
AIOSQL = f"""
-- name: get(id)^
-- record_class: User
{GET.replace("%(id)s", ":id")}

-- name: set_age(age, id)^
-- record_class: User
{SET_AGE.replace("%(id)s", ":id").replace("%(age)s", ":age")}
"""

# Five rows of a page that somebody saves.
CHANGES = [{"id": number, "age": 20 + number} for number in range(1, 6)]

Call = Callable[[], object]


@attrs.frozen
class Contender:
    """One way of doing the same work; each call is the whole of it."""

    name: str
    call: Call


@attrs.frozen
class Work:
    """What is done, by all in turn; ``calls`` of one make a round of it."""

    title: str
    calls: int
    contenders: tuple[Contender, ...]


@attrs.frozen
class Sample:
    """One round of one contender: microseconds a call, on the clock and of CPU in this process."""

    wall: float
    cpu: float


@contextmanager
def opened(conninfo: str) -> Iterator[list[Work]]:
    """Everything to be compared on the database ``conninfo``, which has the tables and rows."""
    with ExitStack() as stack:
        bare = stack.enter_context(psycopg.connect(conninfo, autocommit=True))
        # As raxol_sql has it: a single statement is its own transaction, in one round trip.
        pool = stack.enter_context(
            ConnectionPool(conninfo, min_size=1, max_size=10, kwargs={"autocommit": True})
        )
        db = stack.enter_context(rx.Database.open(conninfo))
        yield [reading(bare, pool, db), updating(bare, pool, db)]


def reading(
    bare: psycopg.Connection, pool: ConnectionPool[psycopg.Connection], db: rx.Database
) -> Work:
    """One row into a record, by primary key."""
    get = load_queries().users.get

    def by_psycopg(connection: psycopg.Connection) -> object:
        with connection.cursor(row_factory=class_row(User)) as cursor:
            return cursor.execute(GET, {"id": 7}).fetchone()

    def pooled() -> object:
        with pool.connection() as connection:
            return by_psycopg(connection)

    contenders = [
        Contender("psycopg, pooled", pooled),
        Contender("psycopg, one connection", lambda: by_psycopg(bare)),
        Contender("raxol_sql", lambda: db.run(get(id=7))),
    ]
    if peer := load_aiosql():

        def by_aiosql() -> object:
            with pool.connection() as connection:
                return peer.get(connection, id=7)

        contenders.append(Contender("aiosql, pooled", by_aiosql))
    return Work("one row into a record, by primary key", 20, tuple(contenders))


def updating(
    bare: psycopg.Connection, pool: ConnectionPool[psycopg.Connection], db: rx.Database
) -> Work:
    """A transaction of five updates, each of which gives its row back as a record."""
    update = load_queries().users.update

    def by_psycopg(connection: psycopg.Connection) -> object:
        with connection.transaction(), connection.cursor(row_factory=class_row(User)) as cursor:
            return [cursor.execute(SET_AGE, change).fetchone() for change in CHANGES]

    def pooled() -> object:
        with pool.connection() as connection:
            return by_psycopg(connection)

    def executemany() -> object:
        with (
            pool.connection() as connection,
            connection.transaction(),
            connection.cursor(row_factory=class_row(User)) as cursor,
        ):
            cursor.executemany(SET_AGE, CHANGES, returning=True)
            return [each.fetchone() for each in cursor.results()]

    def by_raxol() -> object:
        with db.transaction() as tx:
            return [tx.run(update(**change)) for change in CHANGES]

    contenders = [
        Contender("psycopg, pooled", pooled),
        Contender("psycopg, one connection", lambda: by_psycopg(bare)),
        Contender("psycopg, pooled, executemany", executemany),
        Contender("raxol_sql", by_raxol),
        Contender("raxol_sql, run_many", lambda: db.run_many(update, CHANGES)),
    ]
    if peer := load_aiosql():

        def by_aiosql() -> object:
            with pool.connection() as connection, connection.transaction():
                return [peer.set_age(connection, **change) for change in CHANGES]

        contenders.append(Contender("aiosql, pooled", by_aiosql))
    return Work("a transaction of five updates", 5, tuple(contenders))


def load_queries() -> rx.Queries:
    """The repository's own queries."""
    return rx.load(ROOT / "sql", records=[Account, User, UserPreferences])


def load_aiosql() -> Any:
    """aiosql's queries of the same texts; None if it is not installed."""
    if importlib.util.find_spec("aiosql") is None:
        return None
    library = importlib.import_module("aiosql")
    return library.from_str(AIOSQL, "psycopg", record_classes={"User": User})


def prepare(conninfo: str) -> None:
    """The repository's tables in the empty database ``conninfo``, with some users."""
    Migrations(conninfo, ROOT / "migrations").apply()
    users = [(f"user{number}@example.com", f"User {number}", 30) for number in range(USERS)]
    with rx.Database.open(conninfo) as db:
        db.copy(load_queries().users.load, users)


def check(work: Work) -> None:
    """Warms all up; raises a ClickException if they do not give the same users."""
    seen = {}
    for contender in work.contenders:
        for _ in range(WARM_UP):
            result: Any = contender.call()
        users = result if isinstance(result, list) else [result]
        if not all(isinstance(user, User) for user in users):
            raise click.ClickException(f"{work.title}: {contender.name} gives no users")
        seen[contender.name] = [(user.id, user.email, user.age) for user in users]
    for name, users in seen.items():
        if users != seen[work.contenders[0].name]:
            raise click.ClickException(f"{work.title}: {name} gives {users}")


def measure(work: Work) -> dict[str, list[Sample]]:
    """The rounds of each contender; a round of one follows at once upon that of the other."""
    samples: dict[str, list[Sample]] = {one.name: [] for one in work.contenders}
    for _ in range(ROUNDS):
        for one in work.contenders:
            call = one.call
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(work.calls):
                call()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            samples[one.name].append(Sample(wall * 1e6 / work.calls, cpu * 1e6 / work.calls))
    return samples


def report(work: Work, samples: dict[str, list[Sample]]) -> None:
    """Prints medians, and the medians of the ratios to the first contender in the same round."""
    click.echo(f"{work.title}: µs a call, {ROUNDS} rounds of {work.calls}; ratios to the first")
    click.echo(f"  {'':<30} {'wall':>8} {'ratio':>6} {'CPU':>8} {'ratio':>6}")
    yardstick = samples[work.contenders[0].name]
    for name, own in samples.items():
        pairs = list(zip(own, yardstick, strict=True))
        wall = statistics.median(one.wall for one in own)
        cpu = statistics.median(one.cpu for one in own)
        walls = statistics.median(one.wall / other.wall for one, other in pairs)
        cpus = statistics.median(one.cpu / other.cpu for one, other in pairs)
        click.echo(f"  {name:<30} {wall:8.1f} {walls:6.2f} {cpu:8.1f} {cpus:6.2f}")


@click.command()
@click.option("--url", help="The server; without it, the one that raxol_sql is configured for.")
def main(url: str | None) -> None:
    """
    Compares single calls and a transaction on a database of its own, which it drops.

    CPU is that of this process: what the server does is in the wall time alone.
    """
    try:
        config = rx.Config.find(url, database=DATABASE)
        click.echo(f"{DATABASE} on {server.describe(config)}")
        with scratch_database(config) as conninfo:
            prepare(conninfo)
            with opened(conninfo) as works:
                for work in works:
                    check(work)
                    report(work, measure(work))
    except (ScratchError, rx.RaxolSQLError) as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()

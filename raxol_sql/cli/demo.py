"""`raxol-sql demo`: the example's queries of every kind, run and shown."""

from __future__ import annotations

import io
import os
from datetime import datetime
from typing import Any

import attrs
import click
from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from raxol_sql import BoundQuery, Database, Queries, databases, load, server
from raxol_sql.cli.migrate import apply_all
from raxol_sql.cli.output import Output, console, pairs_of, visible
from raxol_sql.cli.project import ONE_CONNECTION, reachable
from raxol_sql.cli.registry import tidied
from raxol_sql.config import Config, Project
from raxol_sql.demo import MIGRATIONS, QUERIES
from raxol_sql.demo.accounts import Account, User, UserPreferences
from raxol_sql.migrations import Migrations

# Where one of these is set, the server that it names is meant.
_ADDRESSES = ("DATABASE_URL", "PGSERVICE", "PGHOSTADDR")


@click.command()
@click.option("--keep", is_flag=True, help="Keep the demo's database afterwards.")
def demo(keep: bool) -> None:
    """
    Show the main job on a real PostgreSQL: SQL files in, records out.

    Runs the queries of an example that is installed with raxol_sql, in any folder. Starts the
    embedded server if no other is configured, makes a separate database there, applies the
    example's migrations, runs queries of every kind, and drops the database again. No other
    database is touched.
    """
    config = _with_server(Config.find())
    queries = load(QUERIES, records=[Account, User, UserPreferences])
    output = Output("table")
    maintenance = reachable(config, None, "postgres")
    # Its own name, so that two demos on one server do not meet.
    with databases.temporary(maintenance, "raxol_demo", keep=keep) as name:
        output.say(f"using {server.describe(config)}, database {name}")
        conninfo = server.target(config, name)
        apply_all(Migrations(conninfo, MIGRATIONS), output)
        with Database.open(conninfo, **ONE_CONNECTION) as database:
            _Tour(database, queries, console()).run()
    output.say(_next(config.project))


def _with_server(config: Config) -> Config:
    """Return the configuration, with the embedded server where none is configured at all."""
    origins = config.origins
    is_given = any(os.environ.get(name) for name in _ADDRESSES)
    is_default = origins["hostname"] == origins["port"] == "default"
    if config.project.file is not None or is_given or not is_default:
        return config
    return attrs.evolve(config, server="embedded", origins={**origins, "server": "raxol-sql demo"})


def _next(project: Project) -> str:
    """Return what a user may try after the demo."""
    if project.file is None:
        return "Next: raxol-sql server stop; raxol-sql init begins a project in this folder"
    return "Next: raxol-sql setup, raxol-sql list, raxol-sql run users.search limit=5"


class _Tour:
    """The queries of ``sql/``, one after the other, each with its text and what it gave."""

    def __init__(self, database: Database, queries: Queries, screen: Console) -> None:
        self._database = database
        self._queries = queries
        self._screen = screen

    def run(self) -> None:
        database, users = self._database, self._queries.users
        preferences = self._queries.user_preferences
        rows = [("ann@example.org", "Ann", 34), ("bob@example.org", "Bob", None)]
        self._step("users.load :copy", "db.copy(queries.users.load, rows)", users.load())
        self._gave(f"{database.copy(users.load, rows)} rows")

        self._one("db.run(queries.users.create(...))", users.create(
            email="cy@example.org", name="Cy", age=71))  # fmt: skip
        self._one("db.run(queries.users.get(id=99))", users.get(id=99))
        self._one("db.run(queries.users.search(limit=2))", users.search(limit=2))
        self._one(
            'db.run(queries.users.search(min_age=18, sort="newest", limit=1))',
            users.search(min_age=18, sort="newest", limit=1),
        )
        self._one('db.run(queries.users.update(id=2, name="Rob"))', users.update(id=2, name="Rob"))

        themes: list[dict[str, Any]] = [
            {"user_id": 1, "theme": "dark"},
            {"user_id": 3, "notifications_enabled": False},
        ]
        self._step(
            "user_preferences.create :one",
            "db.run_many(queries.user_preferences.create, rows)",
            preferences.create(**themes[0]),
        )
        for record in database.run_many(preferences.create, themes):
            self._gave(record)

        overview = self._queries.reports.account.overview
        self._one("db.run(queries.reports.account.overview(id=1))", overview(id=1))
        self._one("db.run(queries.users.ages())", users.ages())

        self._step(
            "users.deactivate_older_than :affected",
            "with db.transaction() as tx: tx.run(queries.users.deactivate_older_than(age=70))",
            users.deactivate_older_than(age=70),
        )
        with database.transaction() as transaction:
            self._gave(transaction.run(users.deactivate_older_than(age=70)))

        self._step("users.all :many", "for user in db.stream(queries.users.all()):", users.all())
        for user in database.stream(users.all()):
            self._gave(f"{user.name}, {'active' if user.active else 'not active'}")

        self._step("users.dump :copy", "db.copy(queries.users.dump, file)", users.dump())
        file = io.BytesIO()
        database.copy(users.dump, file)
        self._gave(file.getvalue().decode().splitlines()[1])

        self._one("db.run(queries.users.clear())", users.clear())
        self._one("db.run(queries.users.count())", users.count())

    def _one(self, call: str, bound: BoundQuery[object]) -> None:
        self._step(f"{bound.query.name} :{bound.query.kind.value}", call, bound)
        result = self._database.run(bound)
        for record in result if isinstance(result, list) else [result]:
            self._gave(record)

    def _step(self, title: str, call: str, bound: BoundQuery[object]) -> None:
        self._screen.print()
        self._screen.print(Text(f"{title}  ", style="bold").append(call, style="cyan"))
        sql = Syntax(tidied(bound.statement.text), "postgresql", background_color="default")
        self._screen.print(sql)

    def _gave(self, result: object) -> None:
        said = result if isinstance(result, str) else _brief(result)
        self._screen.print(Text(f"→ {visible(said)}"))


def _brief(value: object) -> str:
    """A value's repr; times in it as PostgreSQL writes them."""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if attrs.has(type(value)):
        inside = ", ".join(f"{name}={_brief(member)}" for name, member in pairs_of(value))
        return f"{type(value).__name__}({inside})"
    return repr(value)

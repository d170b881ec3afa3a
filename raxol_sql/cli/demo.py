"""`raxol-sql demo`: the repository's own queries of every kind, run and shown."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any

import attrs
import click
from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from raxol_sql import BoundQuery, Database, Queries, databases, server
from raxol_sql.cli.migrate import apply_all
from raxol_sql.cli.output import Output, console, pairs_of, visible
from raxol_sql.cli.project import ONE_CONNECTION, project_migrations, project_queries, reachable
from raxol_sql.cli.registry import tidied
from raxol_sql.config import Config

_NEEDED = ("users.load", "users.search", "user_preferences.create", "reports.account.overview")


@click.command()
@click.option("--keep", is_flag=True, help="Keep the demo's database afterwards.")
def demo(keep: bool) -> None:
    """
    Show the main job on a real PostgreSQL: SQL files in, records out.

    For a clone of raxol_sql's repository, whose own queries it runs. Starts the embedded server if
    no other is configured, makes a database of its own there, applies the migrations, runs
    queries of every kind, and drops the database again. No other database is touched.
    """
    config = Config.find()
    queries = project_queries(config.project)
    if not all(name in queries for name in _NEEDED):
        raise click.UsageError("the demo shows raxol_sql's own queries: run it in a clone of it")
    output = Output("table")
    maintenance = reachable(config, None, "postgres")
    # A name of its own, so that two demos on one server do not meet.
    with databases.temporary(maintenance, "raxol_demo", keep=keep) as name:
        output.say(f"using {server.describe(config)}, database {name}")
        conninfo = server.target(config, name)
        apply_all(project_migrations(config, conninfo), output)
        with Database.open(conninfo, **ONE_CONNECTION) as database:
            _Tour(database, queries, console()).run()
    output.say("Next: raxol-sql setup, raxol-sql list, raxol-sql run users.search limit=5")


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

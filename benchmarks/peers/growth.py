"""What a call costs when there are more queries in the registry, or more columns in a row."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
from psycopg.rows import class_row

import raxol_sql as rx
from benchmarks.contender import BlockingPeer, contends_with
from benchmarks.peers.psycopg import open_pool
from benchmarks.peers.raxol import open_database
from benchmarks.stage import FOLDER
from benchmarks.texts import Text
from benchmarks.work import COLUMNS, QUERIES
from raxol_sql.demo.accounts import User

_PER_FILE = 100
_TYPES = ("id", "email", "age", "active", "inserted_at")


class Registries(BlockingPeer):
    """The same query out of registries of different sizes, on the same `Database`."""

    def open(self, stack: ExitStack) -> None:
        self.db = open_database(self.stage, stack)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rx-registries-")))
        self.users = {count: _registry(folder / str(count), count).users for count in QUERIES}

    @contends_with(QUERIES, "{} queries", "registry")
    def get(self, count: int) -> object:
        # As a program writes it: the way through the registry is a part of the call.
        return self.db.run(self.users[count].get(id=7))


def _registry(folder: Path, count: int) -> Any:
    """A registry of ``count`` queries, of which one is ``users.get``."""
    folder.mkdir()
    users = (FOLDER / "sql" / "users.sql").read_text(encoding="utf-8")
    (folder / "users.sql").write_text(users, encoding="utf-8")
    others = [
        f"-- name: other_{number} :one\nselect {number} as number where true = :flag;\n"
        for number in range(count - users.count("-- name:"))
    ]
    for start in range(0, len(others), _PER_FILE):
        text = "\n".join(others[start : start + _PER_FILE])
        (folder / f"others_{start}.sql").write_text(text, encoding="utf-8")
    return rx.load(folder, records=[User])


class Columns(BlockingPeer):
    """A row of more and more columns into a record of as many fields."""

    def open(self, stack: ExitStack) -> None:
        self.db = open_database(self.stage, stack)
        self.pool = open_pool(self.stage, stack)
        self.records: dict[int, Any] = {count: _record(count) for count in COLUMNS}
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rx-columns-")))
        (folder / "rows.sql").write_text("\n".join(map(_query, COLUMNS)), encoding="utf-8")
        rows = rx.load(folder, records=list(self.records.values())).rows
        self.queries = {count: getattr(rows, f"get_{count}") for count in COLUMNS}
        self.texts = {count: Text.of(query).pyformat for count, query in self.queries.items()}

    @contends_with(COLUMNS, "psycopg, pooled", "columns-{}")
    def by_psycopg(self, count: int) -> object:
        with (
            self.pool.connection() as connection,
            connection.cursor(row_factory=class_row(self.records[count])) as cursor,
        ):
            return cursor.execute(self.texts[count], {"id": 7}).fetchone()

    @contends_with(COLUMNS, "raxol_sql", "columns-{}")
    def by_raxol(self, count: int) -> object:
        return self.db.run(self.queries[count](id=7))


def _record(count: int) -> Any:
    fields = [f"column_{number}" for number in range(count)]
    return attrs.make_class(f"Row{count}", fields, frozen=True)


def _query(count: int) -> str:
    columns = ", ".join(
        f"{_TYPES[number % len(_TYPES)]} as column_{number}" for number in range(count)
    )
    return f"-- name: get_{count} :one -> Row{count}\nselect {columns} from users where id = :id;\n"

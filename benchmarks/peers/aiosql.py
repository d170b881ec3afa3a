"""aiosql, on psycopg and psycopg_pool."""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks.contender import BlockingPeer, contends, library
from benchmarks.peers.psycopg import open_pool
from raxol_sql.demo.accounts import User

_QUERIES = (
    ("users.get", "get(id)^", True),
    ("users.page", "page(limit)", True),
    ("members.set_age", "set_age(age, id)^", True),
    ("members.change_age", "change_age(age, id)!", False),
    ("newcomers.add", "add(email, name, age)*!", False),
)
"""A query, how aiosql declares it, and whether its rows become records."""


class Aiosql(BlockingPeer):
    """Queries out of a file with ``record_class``, called on a connection out of the pool."""

    needs = ("aiosql",)

    def open(self, stack: ExitStack) -> None:
        stage = self.stage
        self.queries = library("aiosql").from_str(
            "\n".join(
                f"-- name: {declared}\n"
                + ("-- record_class: User\n" if gives_users else "")
                + f"{stage.text(name).named};\n"
                for name, declared, gives_users in _QUERIES
            ),
            "psycopg",
            record_classes={"User": User},
        )
        self.pool = open_pool(stage, stack)

    @contends("aiosql, pooled", "one-row", "threads")
    def get(self) -> object:
        with self.pool.connection() as connection:
            return self.queries.get(connection, id=7)

    @contends("aiosql, pooled", "rows", "many-rows")
    def page(self, limit: int) -> object:
        with self.pool.connection() as connection:
            return list(self.queries.page(connection, limit=limit))

    @contends("aiosql, pooled", "updates-with-rows")
    def update_with_rows(self) -> object:
        with self.pool.connection() as connection, connection.transaction():
            return [self.queries.set_age(connection, **change) for change in self.stage.changes]

    @contends("aiosql, pooled", "updates")
    def update(self) -> None:
        with self.pool.connection() as connection, connection.transaction():
            for change in self.stage.changes:
                self.queries.change_age(connection, **change)

    @contends("aiosql", "inserts")
    def insert(self) -> None:
        rows = [
            {"email": one.email, "name": one.name, "age": one.age} for one in self.stage.inserts
        ]
        with self.pool.connection() as connection, connection.transaction():
            self.queries.add(connection, rows)

"""SQLSpec on psycopg, with psycopg_pool."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from benchmarks.contender import BlockingPeer, contends, library
from raxol_sql.demo.accounts import User


class SQLSpec(BlockingPeer):
    """
    Sessions of its registry and ``schema_type``; placeholders as the driver has them, which is
    its fastest way: it need not rewrite them.
    """

    needs = ("sqlspec",)

    def open(self, stack: ExitStack) -> None:
        stage = self.stage
        self.spec = library("sqlspec").SQLSpec()
        self.config = self.spec.add_config(
            library("sqlspec.adapters.psycopg").PsycopgSyncConfig(
                connection_config={
                    "conninfo": stage.conninfo,
                    "kwargs": {"autocommit": True},
                    "min_size": stage.connections,
                    "max_size": stage.connections,
                }
            )
        )
        stack.callback(self.config.close_pool)
        self.one = stage.text("users.get").positional
        self.many = stage.text("users.page").positional
        self.set_age = stage.text("members.set_age").positional
        self.change_age = stage.text("members.change_age").positional
        self.add = stage.text("newcomers.add").positional
        self.changes = [(change["age"], change["id"]) for change in stage.changes]

    def session(self) -> Any:
        """A session on a connection out of the pool, for a block."""
        return self.spec.provide_session(self.config)

    @contends("SQLSpec, pooled", "one-row", "threads")
    def get(self) -> object:
        with self.session() as session:
            return session.select_one(self.one, (7,), schema_type=User)

    @contends("SQLSpec, pooled", "rows", "many-rows")
    def page(self, limit: int) -> object:
        with self.session() as session:
            return session.select(self.many, (limit,), schema_type=User)

    @contends("SQLSpec, pooled", "updates-with-rows")
    def update_with_rows(self) -> object:
        with self.session() as session, session.transaction():
            return [
                session.select_one(self.set_age, change, schema_type=User)
                for change in self.changes
            ]

    @contends("SQLSpec, pooled", "updates")
    def update(self) -> None:
        with self.session() as session, session.transaction():
            session.execute_many(self.change_age, self.changes)

    @contends("SQLSpec", "inserts")
    def insert(self) -> None:
        rows = [(one.email, one.name, one.age) for one in self.stage.inserts]
        with self.session() as session, session.transaction():
            session.execute_many(self.add, rows)

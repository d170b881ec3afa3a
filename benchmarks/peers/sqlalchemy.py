"""SQLAlchemy Core on psycopg, with its own pool."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from benchmarks.contender import BlockingPeer, contends, library
from raxol_sql.demo.accounts import User


class SQLAlchemy(BlockingPeer):
    """
    ``text()`` made once, records from rows; an engine in autocommit that leaves out the rollback
    at the end, and another one for transactions.
    """

    needs = ("sqlalchemy",)

    def open(self, stack: ExitStack) -> None:
        stage = self.stage
        self.engine = self._engine(isolation_level="AUTOCOMMIT", pool_reset_on_return=None)
        self.transactions = self._engine()
        stack.callback(self.engine.dispose)
        stack.callback(self.transactions.dispose)
        text = library("sqlalchemy").text
        self.one = text(stage.text("users.get").named)
        self.many = text(stage.text("users.page").named)
        self.set_age = text(stage.text("members.set_age").named)
        self.change_age = text(stage.text("members.change_age").named)
        self.add = text(stage.text("newcomers.add").named)

    def _engine(self, **options: Any) -> Any:
        return library("sqlalchemy").create_engine(
            "postgresql+psycopg://",
            connect_args=conninfo_to_dict(self.stage.conninfo),
            pool_size=self.stage.connections,
            max_overflow=0,
            **options,
        )

    @contends("SQLAlchemy Core, pooled", "one-row", "threads")
    def get(self) -> object:
        with self.engine.connect() as connection:
            return User(*connection.execute(self.one, {"id": 7}).one())

    @contends("SQLAlchemy Core, pooled", "rows", "many-rows")
    def page(self, limit: int) -> object:
        with self.engine.connect() as connection:
            return [User(*row) for row in connection.execute(self.many, {"limit": limit})]

    @contends("SQLAlchemy Core, pooled", "updates-with-rows")
    def update_with_rows(self) -> object:
        with self.transactions.begin() as connection:
            return [
                User(*connection.execute(self.set_age, change).one())
                for change in self.stage.changes
            ]

    @contends("SQLAlchemy Core, pooled", "updates")
    def update(self) -> None:
        with self.transactions.begin() as connection:
            connection.execute(self.change_age, self.stage.changes)

    @contends("SQLAlchemy Core", "inserts")
    def insert(self) -> None:
        rows = [
            {"email": one.email, "name": one.name, "age": one.age} for one in self.stage.inserts
        ]
        with self.transactions.begin() as connection:
            connection.execute(self.add, rows)

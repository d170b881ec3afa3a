"""psycopg2, which has no prepared statements and no binary format, with its own pool."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from benchmarks.contender import BlockingPeer, contends, library
from benchmarks.stage import values_of
from raxol_sql.demo.accounts import User

_CSV = "copy newcomers (email, name, age, active, inserted_at, updated_at) from stdin (format csv)"
_ADD = "insert into newcomers (email, name, age) values %s"


class Psycopg2(BlockingPeer):
    """Records from tuples; several rows at once by the helpers of ``psycopg2.extras``."""

    needs = ("psycopg2",)

    def open(self, stack: ExitStack) -> None:
        stage = self.stage
        self.extras = library("psycopg2.extras")
        size = stage.connections
        self.pool = library("psycopg2.pool").ThreadedConnectionPool(size, size, stage.conninfo)
        stack.callback(self.pool.closeall)
        connections = [self.pool.getconn() for _ in range(size)]
        for connection in connections:
            connection.autocommit = True
            self.pool.putconn(connection)
        self.one = stage.text("users.get").pyformat
        self.many = stage.text("users.page").pyformat
        self.set_age = stage.text("members.set_age").pyformat
        self.change_age = stage.text("members.change_age").pyformat
        self.add = stage.text("newcomers.add").positional

    @contextmanager
    def connected(self) -> Iterator[Any]:
        """A connection out of the pool, for a block."""
        connection = self.pool.getconn()
        try:
            yield connection
        finally:
            self.pool.putconn(connection)

    @contends("psycopg2, pooled", "one-row", "threads")
    def get(self) -> object:
        with self.connected() as connection, connection.cursor() as cursor:
            cursor.execute(self.one, {"id": 7})
            return User(*cursor.fetchone())

    @contends("psycopg2, pooled", "rows", "many-rows")
    def page(self, limit: int) -> object:
        with self.connected() as connection, connection.cursor() as cursor:
            cursor.execute(self.many, {"limit": limit})
            return [User(*row) for row in cursor]

    @contends("psycopg2, pooled", "updates-with-rows")
    def update_with_rows(self) -> object:
        users = []
        with self.connected() as connection, connection, connection.cursor() as cursor:
            for change in self.stage.changes:
                cursor.execute(self.set_age, change)
                users.append(User(*cursor.fetchone()))
        return users

    @contends("psycopg2, pooled, execute_batch", "updates")
    def update(self) -> None:
        with self.connected() as connection, connection, connection.cursor() as cursor:
            self.extras.execute_batch(cursor, self.change_age, self.stage.changes)

    @contends("psycopg2, execute_batch", "inserts")
    def insert_batch(self) -> None:
        rows = [(one.email, one.name, one.age) for one in self.stage.inserts]
        with self.connected() as connection, connection, connection.cursor() as cursor:
            self.extras.execute_batch(cursor, self.add, rows, page_size=1000)

    @contends("psycopg2, execute_values", "inserts")
    def insert_values(self) -> None:
        rows = [(one.email, one.name, one.age) for one in self.stage.inserts]
        with self.connected() as connection, connection, connection.cursor() as cursor:
            self.extras.execute_values(cursor, _ADD, rows, page_size=1000)

    @contends("psycopg2, csv", "copy-in")
    def copy_in(self) -> None:
        file = io.StringIO()
        csv.writer(file).writerows(map(values_of, self.stage.copies))
        file.seek(0)
        with self.connected() as connection, connection.cursor() as cursor:
            cursor.copy_expert(_CSV, file)

    @contends("psycopg2", "copy-out")
    def copy_out(self) -> object:
        file = io.BytesIO()
        with self.connected() as connection, connection.cursor() as cursor:
            cursor.copy_expert(self.stage.text("users.dump").numbered, file)
        return file.getvalue()

"""psycopg 3 with psycopg_pool, as its documentation writes it."""

from __future__ import annotations

import io
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import psycopg
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from benchmarks.contender import AsyncioPeer, BlockingPeer, contends
from benchmarks.stage import TYPES, Stage, values_of
from raxol_sql.demo.accounts import User

Pool = ConnectionPool[psycopg.Connection[Any]]


def open_pool(stage: Stage, stack: ExitStack, **options: Any) -> Pool:
    """A pool with all of its connections there; ``options`` are those of a connection."""
    pool: Pool = ConnectionPool(
        stage.conninfo,
        kwargs={"autocommit": True, **options},
        min_size=stage.connections,
        max_size=stage.connections,
        open=False,
    )
    stack.enter_context(pool)
    pool.wait()
    return pool


class Psycopg(BlockingPeer):
    """
    ``class_row`` on a connection, on one out of a pool, and in binary by `RawCursor`; in
    pipelines where there are several statements; COPY as text and in binary, row by row.
    """

    def open(self, stack: ExitStack) -> None:
        stage = self.stage
        self.bare = stack.enter_context(psycopg.connect(stage.conninfo, autocommit=True))
        self.pool = open_pool(stage, stack)
        self.raw_pool = open_pool(stage, stack, cursor_factory=psycopg.RawCursor)
        get, page = stage.text("users.get"), stage.text("users.page")
        self.one, self.many = get.pyformat, page.pyformat
        self.raw_one, self.raw_many = get.numbered, page.numbered
        self.set_age = stage.text("members.set_age").pyformat
        self.change_age = stage.text("members.change_age").pyformat
        self.add = stage.text("newcomers.add").positional
        self.load = stage.text("newcomers.load").numbered
        self.load_binary = stage.text("newcomers.load_binary").numbered
        self.dump = stage.text("users.dump").numbered

    @contends("psycopg, one connection", "one-row")
    def get(self) -> object:
        with self.bare.cursor(row_factory=class_row(User)) as cursor:
            return cursor.execute(self.one, {"id": 7}).fetchone()

    @contends("psycopg, pooled", "one-row", "threads")
    def get_pooled(self) -> object:
        with (
            self.pool.connection() as connection,
            connection.cursor(row_factory=class_row(User)) as cursor,
        ):
            return cursor.execute(self.one, {"id": 7}).fetchone()

    @contends("psycopg, pooled, RawCursor in binary", "one-row", "threads")
    def get_raw(self) -> object:
        with (
            self.raw_pool.connection() as connection,
            connection.cursor(binary=True, row_factory=class_row(User)) as cursor,
        ):
            return cursor.execute(self.raw_one, [7]).fetchone()

    @contends("psycopg, pooled", "rows", "many-rows")
    def page(self, limit: int) -> object:
        with (
            self.pool.connection() as connection,
            connection.cursor(row_factory=class_row(User)) as cursor,
        ):
            return cursor.execute(self.many, {"limit": limit}).fetchall()

    @contends("psycopg, pooled, RawCursor in binary", "rows", "many-rows")
    def page_raw(self, limit: int) -> object:
        with (
            self.raw_pool.connection() as connection,
            connection.cursor(binary=True, row_factory=class_row(User)) as cursor,
        ):
            return cursor.execute(self.raw_many, [limit]).fetchall()

    @contends("psycopg, pooled", "updates-with-rows")
    def update_with_rows(self) -> object:
        with (
            self.pool.connection() as connection,
            connection.transaction(),
            connection.cursor(row_factory=class_row(User)) as cursor,
        ):
            return [
                cursor.execute(self.set_age, change).fetchone() for change in self.stage.changes
            ]

    @contends("psycopg, pooled, pipeline", "updates-with-rows")
    def update_with_rows_in_a_pipeline(self) -> object:
        with (
            self.pool.connection() as connection,
            connection.pipeline(),
            connection.transaction(),
        ):
            cursors = [connection.cursor(row_factory=class_row(User)) for _ in range(5)]
            for cursor, change in zip(cursors, self.stage.changes, strict=True):
                cursor.execute(self.set_age, change)
            return [cursor.fetchone() for cursor in cursors]

    @contends("psycopg, pooled, executemany", "updates-with-rows")
    def update_many_with_rows(self) -> object:
        with (
            self.pool.connection() as connection,
            connection.transaction(),
            connection.cursor(row_factory=class_row(User)) as cursor,
        ):
            cursor.executemany(self.set_age, self.stage.changes, returning=True)
            return [each.fetchone() for each in cursor.results()]

    @contends("psycopg, pooled", "updates")
    def update(self) -> None:
        with self.pool.connection() as connection, connection.transaction():
            for change in self.stage.changes:
                connection.execute(self.change_age, change)

    @contends("psycopg, pooled, pipeline", "updates")
    def update_in_a_pipeline(self) -> None:
        with (
            self.pool.connection() as connection,
            connection.pipeline(),
            connection.transaction(),
        ):
            for change in self.stage.changes:
                connection.execute(self.change_age, change)

    @contends("psycopg, pooled, executemany", "updates")
    def update_many(self) -> None:
        with self.pool.connection() as connection, connection.transaction():
            connection.cursor().executemany(self.change_age, self.stage.changes)

    @contends("psycopg", "inserts")
    def insert(self) -> None:
        rows = [(one.email, one.name, one.age) for one in self.stage.inserts]
        with self.pool.connection() as connection, connection.transaction():
            connection.cursor().executemany(self.add, rows)

    @contends("psycopg", "copy-in")
    def copy_in(self) -> None:
        with self.pool.connection() as connection, connection.cursor().copy(self.load) as copy:
            for record in self.stage.copies:
                copy.write_row(values_of(record))

    @contends("psycopg, binary", "copy-in")
    def copy_in_binary(self) -> None:
        with (
            self.pool.connection() as connection,
            connection.cursor().copy(self.load_binary) as copy,
        ):
            copy.set_types(TYPES)
            for record in self.stage.copies:
                copy.write_row(values_of(record))

    @contends("psycopg", "copy-out")
    def copy_out(self) -> object:
        file = io.BytesIO()
        with self.pool.connection() as connection, connection.cursor().copy(self.dump) as copy:
            for block in copy:
                file.write(block)
        return file.getvalue()


class PsycopgAsyncio(AsyncioPeer):
    """The same as `Psycopg`, awaited."""

    async def open(self, stack: AsyncExitStack) -> None:
        size = self.stage.connections
        self.pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]] = AsyncConnectionPool(
            self.stage.conninfo,
            kwargs={"autocommit": True},
            min_size=size,
            max_size=size,
            open=False,
        )
        await stack.enter_async_context(self.pool)
        await self.pool.wait()
        self.one = self.stage.text("users.get").pyformat

    @contends("psycopg, pooled", "one-row-asyncio", "one-row-uvloop", "tasks")
    async def get(self) -> object:
        async with (
            self.pool.connection() as connection,
            connection.cursor(row_factory=class_row(User)) as cursor,
        ):
            await cursor.execute(self.one, {"id": 7})
            return await cursor.fetchone()

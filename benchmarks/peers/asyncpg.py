"""asyncpg, which speaks the protocol of the server itself, with its own pool."""

from __future__ import annotations

import io
from contextlib import AsyncExitStack
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from benchmarks.contender import AsyncioPeer, contends, library
from benchmarks.stage import COLUMNS, values_of
from raxol_sql.demo.accounts import User

_NAMES = {"dbname": "database", "host": "host", "port": "port", "user": "user"}
_DUMP = "select id, email, name, age, active, inserted_at, updated_at from users order by id"


class Asyncpg(AsyncioPeer):
    """
    ``fetch`` and ``fetchrow``, into records of ours by name and into its own `Record`.

    Its pool sends a reset to the server when a connection returns. That is its default, and
    part of its cost; without that round trip it is a separate contender.
    """

    needs = ("asyncpg",)

    async def open(self, stack: AsyncExitStack) -> None:
        stage = self.stage
        asyncpg = library("asyncpg")
        self.record = asyncpg.Record
        given = conninfo_to_dict(stage.conninfo)
        where = {name: given[key] for key, name in _NAMES.items() if key in given}
        where |= {"password": given["password"]} if "password" in given else {}
        size = {"min_size": stage.connections, "max_size": stage.connections}
        self.connection = await asyncpg.connect(**where)
        stack.push_async_callback(self.connection.close)
        self.pool = await stack.enter_async_context(asyncpg.create_pool(**where, **size))
        self.hasty = await stack.enter_async_context(
            asyncpg.create_pool(**where, **size, reset=_leave_as_it_is)
        )
        self.one = stage.text("users.get").numbered
        self.many = stage.text("users.page").numbered
        self.set_age = stage.text("members.set_age").numbered
        self.change_age = stage.text("members.change_age").numbered
        self.add = stage.text("newcomers.add").numbered

    def read(self, result: Any) -> Any:
        if isinstance(result, self.record):
            return User(**result)
        if isinstance(result, list):
            return [self.read(one) for one in result]
        return result

    @contends("asyncpg, one connection", "one-row-asyncio", "one-row-uvloop")
    async def get(self) -> object:
        return User(**await self.connection.fetchrow(self.one, 7))

    @contends("asyncpg, pooled", "one-row-asyncio", "one-row-uvloop", "tasks")
    async def get_pooled(self) -> object:
        return User(**await self.pool.fetchrow(self.one, 7))

    @contends("asyncpg, pooled, without reset", "one-row-asyncio", "one-row-uvloop", "tasks")
    async def get_pooled_without_reset(self) -> object:
        return User(**await self.hasty.fetchrow(self.one, 7))

    @contends("asyncpg, pooled, its own Record", "one-row-asyncio", "one-row-uvloop")
    async def get_own_record(self) -> object:
        return await self.pool.fetchrow(self.one, 7)

    @contends("asyncpg, pooled", "rows", "many-rows")
    async def page(self, limit: int) -> object:
        return [User(**row) for row in await self.pool.fetch(self.many, limit)]

    @contends("asyncpg, pooled, its own Record", "rows", "many-rows")
    async def page_of_own_records(self, limit: int) -> object:
        return await self.pool.fetch(self.many, limit)

    @contends("asyncpg, pooled", "updates-with-rows")
    async def update_with_rows(self) -> object:
        async with self.pool.acquire() as connection, connection.transaction():
            return [
                User(**await connection.fetchrow(self.set_age, change["age"], change["id"]))
                for change in self.stage.changes
            ]

    @contends("asyncpg, pooled, executemany", "updates")
    async def update(self) -> None:
        rows = [(change["age"], change["id"]) for change in self.stage.changes]
        async with self.pool.acquire() as connection:
            await connection.executemany(self.change_age, rows)

    @contends("asyncpg", "inserts")
    async def insert(self) -> None:
        rows = [(one.email, one.name, one.age) for one in self.stage.inserts]
        async with self.pool.acquire() as connection:
            await connection.executemany(self.add, rows)

    @contends("asyncpg", "copy-in")
    async def copy_in(self) -> None:
        async with self.pool.acquire() as connection:
            await connection.copy_records_to_table(
                "newcomers", records=map(values_of, self.stage.copies), columns=COLUMNS
            )

    @contends("asyncpg", "copy-out")
    async def copy_out(self) -> object:
        file = io.BytesIO()
        async with self.pool.acquire() as connection:
            await connection.copy_from_query(_DUMP, output=file)
        return file.getvalue()


async def _leave_as_it_is(connection: Any) -> None:
    """Does in place of a reset nothing at all."""

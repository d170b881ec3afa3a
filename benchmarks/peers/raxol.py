"""raxol_sql, blocking and on asyncio."""

from __future__ import annotations

import io
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import raxol_sql as rx
from benchmarks.contender import AsyncioPeer, BlockingPeer, contends
from benchmarks.stage import Stage


def _size(stage: Stage) -> dict[str, Any]:
    return {"pool_min_size": stage.connections, "pool_size": stage.connections}


def open_database(stage: Stage, stack: ExitStack) -> rx.Database:
    """A database with as many connections as the others have."""
    return stack.enter_context(rx.Database.open(stage.conninfo, **_size(stage)))


def _multi(query: rx.Query[object], stage: Stage) -> rx.Multi:
    multi = rx.Multi()
    for number, change in enumerate(stage.changes):
        multi = multi.add(f"update {number}", query(**change))
    return multi


class Raxol(BlockingPeer):
    """Queries of the registry on a `Database`; each call binds its own value."""

    def open(self, stack: ExitStack) -> None:
        stage = self.stage
        self.users, self.members = stage.queries.users, stage.queries.members
        self.newcomers = stage.queries.newcomers
        self.db = open_database(stage, stack)

    @contends("raxol_sql", "one-row", "threads")
    def get(self) -> object:
        return self.db.run(self.users.get(id=7))

    @contends("raxol_sql", "rows", "many-rows")
    def page(self, limit: int) -> object:
        return self.db.run(self.users.page(limit=limit))

    @contends("raxol_sql, transaction()", "updates-with-rows")
    def update_with_rows(self) -> object:
        with self.db.transaction() as tx:
            return [tx.run(self.members.set_age(**change)) for change in self.stage.changes]

    @contends("raxol_sql, Multi", "updates-with-rows")
    def update_multi_with_rows(self) -> object:
        return list(self.db.run(_multi(self.members.set_age, self.stage)).values())

    @contends("raxol_sql, run_many", "updates-with-rows")
    def update_many_with_rows(self) -> object:
        return self.db.run_many(self.members.set_age, self.stage.changes)

    @contends("raxol_sql, transaction()", "updates")
    def update(self) -> None:
        with self.db.transaction() as tx:
            for change in self.stage.changes:
                tx.run(self.members.change_age(**change))

    @contends("raxol_sql, Multi", "updates")
    def update_multi(self) -> None:
        self.db.run(_multi(self.members.change_age, self.stage))

    @contends("raxol_sql, run_many", "updates")
    def update_many(self) -> None:
        self.db.run_many(self.members.change_age, self.stage.changes)

    @contends("raxol_sql, run_many", "inserts")
    def insert(self) -> None:
        self.db.run_many(self.newcomers.add, self.stage.inserts)

    @contends("raxol_sql", "copy-in")
    def copy_in(self) -> None:
        self.db.copy(self.newcomers.load, self.stage.copies)

    @contends("raxol_sql, binary", "copy-in")
    def copy_in_binary(self) -> None:
        self.db.copy(self.newcomers.load_binary, self.stage.copies)

    @contends("raxol_sql", "copy-out")
    def copy_out(self) -> object:
        file = io.BytesIO()
        self.db.copy(self.users.dump, file)
        return file.getvalue()


class RaxolAsyncio(AsyncioPeer):
    """The same as `Raxol`, awaited."""

    async def open(self, stack: AsyncExitStack) -> None:
        stage = self.stage
        self.users, self.members = stage.queries.users, stage.queries.members
        self.newcomers = stage.queries.newcomers
        self.db = await stack.enter_async_context(
            rx.AsyncDatabase.open(stage.conninfo, **_size(stage))
        )

    @contends("raxol_sql", "one-row-asyncio", "one-row-uvloop", "tasks")
    async def get(self) -> object:
        return await self.db.run(self.users.get(id=7))

    @contends("raxol_sql, asyncio", "rows", "many-rows")
    async def page(self, limit: int) -> object:
        return await self.db.run(self.users.page(limit=limit))

    @contends("raxol_sql, asyncio, Multi", "updates-with-rows")
    async def update_multi_with_rows(self) -> object:
        return list((await self.db.run(_multi(self.members.set_age, self.stage))).values())

    @contends("raxol_sql, asyncio, run_many", "updates")
    async def update_many(self) -> None:
        await self.db.run_many(self.members.change_age, self.stage.changes)

    @contends("raxol_sql, asyncio, run_many", "inserts")
    async def insert(self) -> None:
        await self.db.run_many(self.newcomers.add, self.stage.inserts)

    @contends("raxol_sql, asyncio, binary", "copy-in")
    async def copy_in(self) -> None:
        await self.db.copy(self.newcomers.load_binary, self.stage.copies)

    @contends("raxol_sql, asyncio", "copy-out")
    async def copy_out(self) -> object:
        file = io.BytesIO()
        await self.db.copy(self.users.dump, file)
        return file.getvalue()

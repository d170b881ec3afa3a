"""The ways to run one statement that are compared, in the words of any raxol_sql since its pool."""

from __future__ import annotations

import inspect
from contextlib import AsyncExitStack
from typing import Any, ClassVar

import raxol_sql as rx
from benchmarks import burst
from benchmarks.burst import Sample
from benchmarks.stage import Stage
from raxol_sql.engine.core.concurrency import run_sync
from raxol_sql.records import result_of

CALLS = 50
# Untimed calls before each burst, which wake up idle processes.
_WARMING = 4
_ONE: dict[str, Any] = {"pool_min_size": 1, "pool_size": 1}


class Way:
    """
    One way to run ``users.get``, on the only connection of a database.

    `begin` is before a burst of calls and `end` after it; neither is timed. Ways that share a
    database share its connection, so that its server process and all that was learnt of it are
    the same for both.
    """

    name: ClassVar[str]

    def __init__(self, db: Any, stage: Stage) -> None:
        self.db = db
        self.query = stage.queries.users.get

    async def begin(self) -> None:
        """Nothing, if there is nothing to be held during a burst."""

    async def end(self) -> None:
        """Gives back what `begin` took."""

    async def once(self) -> object:
        """The record that one call gives."""
        raise NotImplementedError

    async def burst(self, calls: int) -> Sample:
        """What so many calls take, after some that are not timed."""
        raise NotImplementedError


class _Held(Way):
    """The statement alone, on a session that is held for the length of a burst."""

    async def begin(self) -> None:
        # Before there were deadlines, nothing was said of when and for what.
        given = ("a benchmark", None)[: len(inspect.signature(self.db._pool.acquire).parameters)]
        self._session = await self.db._pool.acquire(*given)

    async def end(self) -> None:
        await self.db._pool.release(self._session)

    async def call(self) -> object:
        """What an executor does at least: the query is bound, sent, and its answer read."""
        bound = self.query(id=7)
        answer = await self._session.run(bound.statement.text, bound.values, None)
        return result_of(bound.query, answer)

    async def once(self) -> object:
        return await self.call()


class Whole(Way):
    """``Database.run``."""

    name = "Database.run"

    def call(self) -> object:
        """As a program does it."""
        return self.db.run(self.query(id=7))

    async def once(self) -> object:
        return self.call()

    async def burst(self, calls: int) -> Sample:
        burst.in_turn(self.call, _WARMING)
        return burst.in_turn(self.call, calls)


class Bare(_Held):
    """The statement alone, blocking."""

    name = "held session"

    async def burst(self, calls: int) -> Sample:
        burst.in_turn(self._blocking, _WARMING)
        return burst.in_turn(self._blocking, calls)

    def _blocking(self) -> object:
        return run_sync(self.call())


class AsyncWhole(Way):
    """``AsyncDatabase.run``."""

    name = "AsyncDatabase.run"

    async def once(self) -> object:
        return await self.db.run(self.query(id=7))

    async def burst(self, calls: int) -> Sample:
        await burst.awaited_in_turn(self.once, _WARMING)
        return await burst.awaited_in_turn(self.once, calls)


class AsyncBare(_Held):
    """The statement alone, in an event loop."""

    name = "held session, asyncio"

    async def burst(self, calls: int) -> Sample:
        await burst.awaited_in_turn(self.call, _WARMING)
        return await burst.awaited_in_turn(self.call, calls)


COLOURS = {
    "blocking": (Whole.name, Bare.name),
    "asyncio": (AsyncWhole.name, AsyncBare.name),
}
"""The whole and the bare way of each colour."""


async def opened(stage: Stage, stack: AsyncExitStack) -> dict[str, Way]:
    """All ways by name, on a database for each colour; ``stack`` closes these."""
    blocking = stack.enter_context(rx.Database.open(stage.conninfo, **_ONE))
    awaited = await stack.enter_async_context(rx.AsyncDatabase.open(stage.conninfo, **_ONE))
    kinds = [(Whole, blocking), (Bare, blocking), (AsyncWhole, awaited), (AsyncBare, awaited)]
    return {kind.name: kind(db, stage) for kind, db in kinds}

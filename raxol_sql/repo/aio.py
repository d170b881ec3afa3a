"""CRUD functions for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar, overload

from raxol_sql.changesets import Changeset
from raxol_sql.engine.aio import AsyncDatabase, AsyncTransaction
from raxol_sql.engine.batch.multi import Multi
from raxol_sql.engine.core.docstrings import copy_doc
from raxol_sql.queries import BoundQuery, Queries
from raxol_sql.repo.blocking import Given, Repo
from raxol_sql.repo.plan import RepoCall, expect_refusals, refuse
from raxol_sql.repo.planner import Before, RepoPlanner
from raxol_sql.repo.steps import RepoMulti
from raxol_sql.repo.verbs import Action

R = TypeVar("R")
T = TypeVar("T")


class AsyncRepo:
    """
    The functions of `Repo` as coroutines, over an `AsyncDatabase` or an `AsyncTransaction`.

    Safe to share between the tasks of one event loop, not between loops.
    """

    def __init__(
        self,
        runner: AsyncDatabase | AsyncTransaction,
        queries: Queries,
        *,
        namespaces: Mapping[type, str] | None = None,
        before: Before | None = None,
    ) -> None:
        self._runner = runner
        self._planner = RepoPlanner(queries, namespaces or {}, before)

    @copy_doc(Repo.on)
    def on(self, transaction: AsyncTransaction) -> Self:
        other = type(self).__new__(type(self))
        other._runner, other._planner = transaction, self._planner
        return other

    @copy_doc(Repo.get)
    async def get(self, record: type[R], /, *key: Any, **keys: Any) -> R | None:
        found: R | None = await self._do(self._planner.get(record, key, keys))
        return found

    @copy_doc(Repo.get_or_raise)
    async def get_or_raise(self, record: type[R], /, *key: Any, **keys: Any) -> R:
        found: R = await self._do(self._planner.get_or_raise(record, key, keys))
        return found

    @copy_doc(Repo.get_by)
    async def get_by(self, record: type[R], /, **conditions: Any) -> R | None:
        found: R | None = await self._do(self._planner.get_by(record, conditions))
        return found

    @copy_doc(Repo.get_by_or_raise)
    async def get_by_or_raise(self, record: type[R], /, **conditions: Any) -> R:
        found: R = await self._do(self._planner.get_by_or_raise(record, conditions))
        return found

    @copy_doc(Repo.create)
    async def create(self, record: type[R], given: Given) -> R:
        stored: R = await self._do(self._planner.create(record, given))
        return stored

    @copy_doc(Repo.upsert)
    async def upsert(self, record: type[R], given: Given) -> R | None:
        stored: R | None = await self._do(self._planner.create(record, given, Action.UPSERT))
        return stored

    @copy_doc(Repo.insert_all)
    async def insert_all(self, record: type[R], rows: Iterable[Given]) -> list[R | None]:
        plan = self._planner.insert_all(record, rows)
        try:
            with expect_refusals(plan.changeset):
                return await self._runner.run_many(plan.query, plan.arguments)
        except Exception as error:
            if plan.changeset is not None:
                refuse(plan.changeset, error)
            raise

    @overload
    async def update(self, of: Changeset[R]) -> R: ...

    @overload
    async def update(self, of: R, given: Given) -> R: ...

    @copy_doc(Repo.update)
    async def update(self, of: Any, given: Any = None) -> Any:
        return await self._do(self._planner.update(of, given))

    @copy_doc(Repo.delete)
    async def delete(self, of: Any, *, allow_stale: bool = False) -> Any:
        return await self._do(self._planner.delete(of, allow_stale=allow_stale))

    @copy_doc(Repo.all)
    async def all(self, record: type[R], /, **conditions: Any) -> list[R]:
        found: list[R] = await self._do(self._planner.find(record, Action.ALL, conditions))
        return found

    @copy_doc(Repo.stream)
    def stream(self, record: type[R], /, **conditions: Any) -> AsyncIterator[R]:
        return self._runner.stream(self._planner.stream(record, conditions))

    @copy_doc(Repo.first)
    async def first(self, record: type[R], /, **conditions: Any) -> R | None:
        found: R | None = await self._do(self._planner.find(record, Action.FIRST, conditions))
        return found

    @copy_doc(Repo.last)
    async def last(self, record: type[R], /, **conditions: Any) -> R | None:
        found: R | None = await self._do(self._planner.find(record, Action.LAST, conditions))
        return found

    @copy_doc(Repo.exists)
    async def exists(self, record: type, /, **conditions: Any) -> bool:
        found: bool = await self._do(self._planner.find(record, Action.EXISTS, conditions))
        return found

    @copy_doc(Repo.count)
    async def count(self, record: type, /, **conditions: Any) -> int:
        found: int = await self._do(self._planner.find(record, Action.COUNT, conditions))
        return found

    @overload
    async def reload(self, of: list[R]) -> list[R | None]: ...

    @overload
    async def reload(self, of: R) -> R | None: ...

    @copy_doc(Repo.reload)
    async def reload(self, of: Any) -> Any:
        if isinstance(of, Sequence):
            plans = [self._planner.reload(one) for one in of]
            return await self._runner.run_all(
                plan.bound for plan in plans if plan.bound is not None
            )
        return await self._do(self._planner.reload(of))

    @copy_doc(Repo.multi)
    def multi(self, **options: Any) -> RepoMulti:
        return RepoMulti(self._planner, options)

    @copy_doc(Repo.run)
    async def run(self, what: RepoMulti | Multi | BoundQuery[Any]) -> Any:
        if not isinstance(what, RepoMulti):
            return await self._runner.run(what)
        ready = what.ready()
        try:
            with ready.expect_refusals():
                return await self._runner.run(ready.multi)
        except Exception as error:
            ready.refuse(error)
            raise

    @copy_doc(Repo.transaction)
    @asynccontextmanager
    async def transaction(self, **options: Any) -> AsyncIterator[Self]:
        async with self._runner.transaction(**options) as transaction:
            yield self.on(transaction)

    @copy_doc(Repo.run_transaction)
    async def run_transaction(self, work: Callable[[Self], Awaitable[T]], **options: Any) -> T:
        return await self._runner.run_transaction(
            lambda transaction: work(self.on(transaction)), **options
        )

    async def _do(self, plan: RepoCall) -> Any:
        if plan.bound is None:
            return plan.accept(None)
        try:
            with plan.expect_refusals():
                result = await self._runner.run(plan.bound)
        except Exception as error:
            plan.refuse(error)
            raise
        return plan.accept(result)

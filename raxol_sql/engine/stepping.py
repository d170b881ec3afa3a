"""Running the steps of a `Multi`."""

from __future__ import annotations

import itertools
from types import MappingProxyType
from typing import Any

import attrs
import psycopg

from raxol_sql.engine.batch import Batch, BatchOptions, run_batch
from raxol_sql.engine.explaining import explain
from raxol_sql.engine.many import timeout_of
from raxol_sql.engine.multi import Multi, StepFailure, check_step
from raxol_sql.engine.sessions import Sessions
from raxol_sql.queries import Bound
from raxol_sql.records import can_refuse, result_of

Named = tuple[str, Bound[Any]]


async def run_multi(sessions: Sessions, multi: Multi) -> dict[str, Any]:
    """The results of the steps by name; see `Multi`."""

    async def work(batch: Batch) -> dict[str, Any]:
        return await _Steps(multi, batch).run()

    known = [step for step in multi.steps.values() if isinstance(step, Bound)]
    options = multi.options
    if multi.outcome is None:
        options = attrs.evolve(options, outcome=sessions.outcome)
    named = f"a Multi of {', '.join(multi.names)}"
    batch = BatchOptions(named, timeout_of(sessions, known), options)
    return await run_batch(sessions, work, batch) if multi.steps else {}


class _Steps:
    """The steps on their way through one batch."""

    def __init__(self, multi: Multi, batch: Batch) -> None:
        self._left = list(multi.steps.items())
        self._names = multi.names
        self._batch = batch
        self._done: dict[str, Any] = {}
        self._made: dict[str, Bound[Any]] = {}

    async def run(self) -> dict[str, Any]:
        try:
            await self._prepare_ahead()
            while self._left:
                await self._send(self._next_group())
        except Exception as error:
            failed = self._batch.failed
            number = len(self._done) if failed is None else failed
            name = self._names[number]
            StepFailure(name, MappingProxyType(self._done)).mark(error)
            if name in self._made:
                explain(error, self._made[name].query)
            raise
        return self._done

    async def _prepare_ahead(self) -> None:
        """Has the server look at all queries that are known by now, before anything begins."""
        if self._batch.has_nothing_to_lose:
            known = [step for _, step in self._left if isinstance(step, Bound)]
            try:
                await self._batch.prepare(known)
            except psycopg.Error:
                if self._batch.is_lost:
                    raise
                # A step before it may make what it needs: it is asked for again in its turn.
                self._batch.failed = None

    async def _send(self, group: list[Named]) -> None:
        batch = self._batch
        self._made.update(group)
        while group:
            ready = self._ready(group)
            if not ready:
                await batch.prepare([group[0][1]])
                continue
            del group[: len(ready)]
            bounds = [bound for _, bound in ready]
            is_end = not group and not self._left
            last = is_end and not any(can_refuse(bound.query) for bound in bounds)
            for (name, bound), answer in zip(
                ready, await batch.send(bounds, last=last), strict=True
            ):
                self._done[name] = result_of(bound.query, answer)

    def _ready(self, group: list[Named]) -> list[Named]:
        """The steps at the beginning of a group whose statements are prepared."""
        if self._batch.knows([bound for _, bound in group]):
            return list(group)
        return list(itertools.takewhile(lambda named: self._batch.knows([named[1]]), group))

    def _next_group(self) -> list[Named]:
        """The next steps that need no result which is not there yet."""
        group: list[Named] = []
        while self._left:
            name, step = self._left[0]
            if not isinstance(step, Bound):
                if group:
                    break
                step = check_step(name, step(MappingProxyType(self._done)))
            group.append((name, step))
            del self._left[0]
        return group

"""Running the steps of a `Multi`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import psycopg

from raxol_sql.engine.batch.batch import Batch
from raxol_sql.engine.batch.execute_many import timeout_of
from raxol_sql.engine.batch.multi import AnyStep, Multi, Step, StepFailure, require_step
from raxol_sql.engine.batch.runner import BatchOptions, run_batch
from raxol_sql.engine.session.error_notes import add_notes, arguments_of
from raxol_sql.engine.session.prepared import Prepared
from raxol_sql.engine.transaction.options import options_of
from raxol_sql.engine.transaction.session_source import SessionSource
from raxol_sql.queries import BoundQuery
from raxol_sql.records import can_refuse, result_of
from raxol_sql.telemetry import OperationTimer

# The name of a step that is ready to be sent, its query, and its `Step.accept`, if it has one.
ReadyQuery = tuple[str, BoundQuery[Any], Callable[[Any], Any] | None]


async def run_multi(sessions: SessionSource, multi: Multi) -> dict[str, Any]:
    """Run the steps and return their results by name; see `Multi`."""
    steps = multi.steps
    if not steps:
        return {}
    known, has_functions = _known_queries(steps.values())
    options = multi.options
    if multi.commit_check is None and options.commit_check != sessions.commit_check:
        options = options_of(
            options.isolation, options.read_only, options.deferrable, sessions.commit_check
        )
    purpose = f"a Multi of {', '.join(steps)}"
    batch_options = BatchOptions(purpose, timeout_of(sessions, known), options)
    # The queries of functions are not known yet.
    with sessions.telemetry.watch("multi", "multi") as watch:
        if known:
            watch.concerns([bound.query.name for bound in known])

        async def work(batch: Batch) -> dict[str, Any]:
            return await _Steps(sessions, steps, known, has_functions, batch, watch).run()

        return await run_batch(sessions, work, batch_options, watch)


class _Steps:
    """
    The steps of one attempt to run a `Multi`.

    ``known`` are the queries of the steps that are not functions.
    """

    def __init__(
        self,
        sessions: SessionSource,
        steps: Mapping[str, AnyStep],
        known: list[BoundQuery[Any]],
        has_functions: bool,
        batch: Batch,
        watch: OperationTimer,
    ) -> None:
        self._sessions = sessions
        self._watch = watch
        self._names = steps.keys()
        self._left = deque(steps.items())
        self._known = known
        self._has_functions = has_functions
        self._batch = batch
        self._found: list[Prepared | None] | None = None
        self._done: dict[str, Any] = {}
        self._queries: dict[str, BoundQuery[Any]] = {}
        self._sent: list[str] = []
        self._rows = 0

    async def run(self) -> dict[str, Any]:
        try:
            await self._prepare_ahead()
            while self._left:
                await self._send(self._next_group())
        except Exception as error:
            failed = self._batch.failed
            # An interruption after the last step belongs to no step; the last one stands for it.
            at = min(len(self._done), len(self._names) - 1)
            name = [*self._names][at] if failed is None else self._sent[failed]
            StepFailure(name, self._done).mark(error)
            bound = self._queries.get(name)
            if bound is not None:
                add_notes(
                    error,
                    bound.query,
                    arguments_of(bound, shows_values=self._sessions.shows_values),
                )
            raise
        finally:
            # The queries of functions are known by now, as far as they were called.
            if self._has_functions:
                ran = self._queries.values()
                if not self._left or len(ran) > self._watch.size:
                    self._watch.concerns([bound.query.name for bound in ran])
        self._watch.rows = self._rows
        return self._done

    async def _prepare_ahead(self) -> None:
        """Prepare all queries that are known, before the transaction begins."""
        batch, known = self._batch, self._known
        if not batch.can_send_unprepared:
            return
        found = batch.find(known)
        if batch.are_current(known, found):
            if not self._has_functions:
                self._found = found
            return
        try:
            await batch.prepare(known)
        except psycopg.Error:
            # The queries that it counted are not steps that were sent.
            batch.failed = None
            if batch.is_lost:
                raise
            # An earlier step may create what the query needs; it is prepared again before it runs.

    async def _send(self, group: list[ReadyQuery]) -> None:
        batch = self._batch
        self._sent += [name for name, _, _ in group]
        bounds = [bound for _, bound, _ in group]
        found, self._found = self._found, None
        if found is None:
            found = batch.find(bounds)
            known = [pair for pair in zip(bounds, found, strict=True) if pair[1] is not None]
            if known and not batch.are_current(*zip(*known, strict=True)):
                await batch.prepare([bound for bound, _ in known])
                found = batch.find(bounds)
        else:
            # The first group begins the known queries.
            found = found[: len(group)]
        while group:
            count = found.index(None) if None in found else len(found)
            if not count:
                await batch.prepare(bounds[:1])
                found = batch.find(bounds)
                continue
            ready, group = group[:count], group[count:]
            sent, bounds = bounds[:count], bounds[count:]
            last = not group and not self._left and not _may_refuse(ready)
            answers = await batch.send(sent, found[:count], last=last)
            with batch.decoding():
                for (name, bound, accept), answer in zip(ready, answers, strict=True):
                    self._rows += answer.rows or 0
                    result = result_of(bound.query, answer)
                    self._done[name] = result if accept is None else accept(result)
            if group:
                found = batch.find(bounds)

    def _next_group(self) -> list[ReadyQuery]:
        """Take the next steps, up to the first that needs a result which is not there yet."""
        group: list[ReadyQuery] = []
        left = self._left
        while left:
            name, step = left[0]
            if not isinstance(step, BoundQuery):
                if group and (not isinstance(step, Step) or step.bound is None):
                    break
                if not isinstance(step, Step):
                    step = require_step(name, step(MappingProxyType(self._done)))
            bound: BoundQuery[Any] | None
            accept: Callable[[Any], Any] | None
            if isinstance(step, Step):
                bound, accept = step.bound, step.accept
            else:
                bound, accept = step, None
            if bound is not None:
                self._queries[name] = bound
                group.append((name, bound, accept))
            elif accept is not None:
                self._done[name] = accept(None)
            left.popleft()
        return group


def _known_queries(steps: Iterable[AnyStep]) -> tuple[list[BoundQuery[Any]], bool]:
    """Return the queries of the steps that are not functions, and whether there are functions."""
    bounds: list[BoundQuery[Any]] = []
    has_functions = False
    for step in steps:
        if isinstance(step, BoundQuery):
            bounds.append(step)
        elif not isinstance(step, Step):
            has_functions = True
        elif step.bound is not None:
            bounds.append(step.bound)
    return bounds, has_functions


def _may_refuse(group: Iterable[ReadyQuery]) -> bool:
    """Return whether the client may reject a result, so that no COMMIT may be sent along."""
    return any(accept is not None or can_refuse(bound.query) for _, bound, accept in group)

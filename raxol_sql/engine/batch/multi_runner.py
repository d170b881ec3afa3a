"""Running the steps of a `Multi`."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import Any

import attrs
import psycopg

from raxol_sql.engine.batch.batch import Batch
from raxol_sql.engine.batch.execute_many import timeout_of
from raxol_sql.engine.batch.multi import (
    Multi,
    Operation,
    Step,
    StepFailure,
    as_operation,
    operation_of,
)
from raxol_sql.engine.batch.runner import BatchOptions, run_batch
from raxol_sql.engine.session.error_notes import add_notes, arguments_of
from raxol_sql.engine.transaction.session_source import SessionSource
from raxol_sql.queries import BoundQuery
from raxol_sql.records import can_refuse, result_of
from raxol_sql.telemetry import OperationTimer

Named = tuple[str, BoundQuery[Any]]
_READY = {BoundQuery, Operation}


async def run_multi(sessions: SessionSource, multi: Multi) -> dict[str, Any]:
    """Run the steps and return their results by name; see `Multi`."""
    if not multi.steps:
        return {}
    known = _known(multi.steps.values())
    options = multi.options
    if multi.commit_check is None:
        options = attrs.evolve(options, commit_check=sessions.commit_check)
    named = f"a Multi of {', '.join(multi.names)}"
    batch_options = BatchOptions(named, timeout_of(sessions, known), options)
    # Of one whose steps are all functions that is all there is to call it by, until they are made.
    with sessions.telemetry.watch("multi", "multi") as watch:
        if known:
            watch.concerns([bound.query.name for bound in known])

        async def work(batch: Batch) -> dict[str, Any]:
            return await _Steps(sessions, multi, batch, watch).run()

        return await run_batch(sessions, work, batch_options, watch)


class _Steps:
    """The steps on their way through one batch."""

    def __init__(
        self, sessions: SessionSource, multi: Multi, batch: Batch, watch: OperationTimer
    ) -> None:
        self._sessions = sessions
        self._watch = watch
        self._left = list(multi.steps.items())
        self._names = multi.names
        self._has_functions = not _READY.issuperset(map(type, multi.steps.values()))
        self._batch = batch
        self._done: dict[str, Any] = {}
        self._made: dict[str, Operation] = {}
        self._sent: list[str] = []
        self._rows = 0

    async def run(self) -> dict[str, Any]:
        try:
            await self._prepare_ahead()
            while self._left:
                await self._send(self._next_group())
        except Exception as error:
            failed = self._batch.failed
            # Where all is done an interruption comes from none of the steps; the last is as good.
            at = min(len(self._done), len(self._names) - 1)
            name = self._names[at] if failed is None else self._sent[failed]
            StepFailure(name, self._done).mark(error)
            made = self._made.get(name)
            if made is not None and made.bound is not None:
                add_notes(
                    error,
                    made.bound.query,
                    arguments_of(made.bound, shows_values=self._sessions.shows_values),
                )
            raise
        finally:
            # The queries of functions are known by now, as far as they were called.
            if self._has_functions:
                ran = [one.bound for one in self._made.values() if one.bound is not None]
                if not self._left or len(ran) > self._watch.size:
                    self._watch.concerns([bound.query.name for bound in ran])
        self._watch.rows = self._rows
        return self._done

    async def _prepare_ahead(self) -> None:
        """Has the server look at all queries that are known by now, before anything begins."""
        if self._batch.has_nothing_to_lose:
            try:
                await self._batch.prepare(_known(step for _, step in self._left))
            except psycopg.Error:
                # What it counted are not steps that were sent.
                self._batch.failed = None
                if self._batch.is_lost:
                    raise
                # A step before it may make what it needs: it is asked for again in its turn.

    async def _send(self, group: list[Named]) -> None:
        batch = self._batch
        self._sent += [name for name, _ in group]
        bounds = [bound for _, bound in group]
        found = batch.find(bounds)
        known = [pair for pair in zip(bounds, found, strict=True) if pair[1] is not None]
        if known and not batch.are_current(*zip(*known, strict=True)):
            await batch.prepare([bound for bound, _ in known])
            found = batch.find(bounds)
        while group:
            count = found.index(None) if None in found else len(found)
            if not count:
                await batch.prepare([group[0][1]])
                found = batch.find([bound for _, bound in group])
                continue
            ready = group[:count]
            del group[:count]
            is_end = not group and not self._left
            last = is_end and not any(self._may_refuse(name) for name, _ in ready)
            answers = await batch.send([bound for _, bound in ready], found[:count], last=last)
            with batch.decoding():
                for (name, bound), answer in zip(ready, answers, strict=True):
                    self._rows += answer.rows or 0
                    self._done[name] = self._made[name].accept(result_of(bound.query, answer))
            found = batch.find([bound for _, bound in group])

    def _may_refuse(self, name: str) -> bool:
        """Whether the client may refuse what a step gives, so that no COMMIT is sent along."""
        operation = self._made[name]
        assert operation.bound is not None, "it is sent"
        return not operation.is_plain or can_refuse(operation.bound.query)

    def _next_group(self) -> list[Named]:
        """The next steps that need no result which is not there yet."""
        group: list[Named] = []
        while self._left:
            name, step = self._left[0]
            if isinstance(step, BoundQuery):
                operation = as_operation(step)  # `Multi.add` has checked it
            else:
                if group and (not isinstance(step, Operation) or step.bound is None):
                    break
                if not isinstance(step, Operation):
                    step = step(MappingProxyType(self._done))
                operation = operation_of(name, step)
            self._made[name] = operation
            if operation.bound is None:
                self._done[name] = operation.accept(None)
            else:
                group.append((name, operation.bound))
            del self._left[0]
        return group


def _known(steps: Iterable[Step]) -> list[BoundQuery[Any]]:
    """The queries of the steps that are no functions."""
    bounds = [step.bound if isinstance(step, Operation) else step for step in steps]
    return [bound for bound in bounds if isinstance(bound, BoundQuery)]

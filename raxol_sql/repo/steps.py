"""The functions of a repo as named steps that happen together or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, NoReturn, Self

from raxol_sql.engine.batch.multi import Multi, Step, StepFailure
from raxol_sql.errors import RaxolSQLError
from raxol_sql.queries import BoundQuery
from raxol_sql.repo.plan import RepoCall, declares
from raxol_sql.repo.planner import RepoPlanner
from raxol_sql.repo.verbs import Action
from raxol_sql.telemetry import ExpectedRefusals

Done = Mapping[str, Any]
StepFunction = Callable[[Done], Any]
# Gives what a step is given: that itself, or what it is as a function of the results so far.
Resolve = Callable[[Any], Any]


class RepoMulti:
    """
    Named creates, updates and deletes that happen together or not at all: ``repo.run(multi)``.

    Made by ``repo.multi()``. What a step is given, attributes or a changeset, or the record, may
    be a function of the results so far, by name. Whatever is known before is checked before the
    transaction begins: an invalid changeset costs no round trip. As of `Multi`, running it gives
    the results by name; the first failure takes everything back and comes out, and
    `StepFailure.of` says which step it was and what the steps before had given. Immutable: each
    function gives another one. Safe to use from any thread.
    """

    def __init__(self, planner: RepoPlanner, options: Mapping[str, Any]) -> None:
        self._planner = planner
        self._options = options
        self._steps: dict[str, StepFunction] = {}
        self._known: frozenset[str] = frozenset()

    def create(self, name: str, record: type, given: Any) -> Self:
        """Creates a ``record``, as `Repo.create`."""
        return self._with(name, lambda one: self._planner.create(record, one(given)), given)

    def upsert(self, name: str, record: type, given: Any) -> Self:
        """Creates or changes a ``record``, as `Repo.upsert`."""

        def plan(one: Resolve) -> RepoCall:
            return self._planner.create(record, one(given), Action.UPSERT)

        return self._with(name, plan, given)

    def update(self, name: str, of: Any, given: Any = None) -> Self:
        """Changes a record, as `Repo.update`."""
        return self._with(name, lambda one: self._planner.update(one(of), one(given)), of, given)

    def delete(self, name: str, of: Any, *, allow_stale: bool = False) -> Self:
        """Deletes a record, as `Repo.delete`."""

        def plan(one: Resolve) -> RepoCall:
            return self._planner.delete(one(of), allow_stale=allow_stale)

        return self._with(name, plan, of)

    def add(self, name: str, step: BoundQuery[Any] | StepFunction) -> Self:
        """Runs any query, as `Multi.add`."""
        return self._added(name, step if callable(step) else (lambda _: step), not callable(step))

    def put(self, name: str, value: object) -> Self:
        """Has a ``value`` among the results, as `Multi.put`."""
        return self._added(name, lambda _: Step(None, lambda _: value), True)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the steps, in their order."""
        return tuple(self._steps)

    def ready(self) -> ReadyMulti:
        """
        What is run, once.

        Raises as the functions of the repo do for what is known already, and marks the error with
        its step.
        """
        return ReadyMulti(self._steps, self._known, self._options)

    def _with(self, name: str, plan: Callable[[Resolve], RepoCall], *given: Any) -> Self:
        def step(done: Done) -> RepoCall:
            return plan(lambda one: one(done) if _is_function(one) else one)

        return self._added(name, step, not any(map(_is_function, given)))

    def _added(self, name: str, step: StepFunction, is_known: bool) -> Self:
        if name in self._steps:
            raise ValueError(f"there is a step {name!r} already")
        more = type(self)(self._planner, self._options)
        more._steps = {**self._steps, name: step}
        more._known = self._known | {name} if is_known else self._known
        return more

    def __repr__(self) -> str:
        return f"<RepoMulti {', '.join(self.names) or 'without steps'}>"


class ReadyMulti:
    """A `RepoMulti` on its way: the ``multi`` for the database, and what its errors mean."""

    def __init__(
        self, steps: Mapping[str, StepFunction], known: frozenset[str], options: Mapping[str, Any]
    ) -> None:
        self._plans: dict[str, RepoCall] = {}
        self.multi = Multi(**options)
        for name, step in steps.items():
            following = self._kept(name, step)
            if name in known:
                try:
                    self.multi = self.multi.add(name, following({}))
                except RaxolSQLError as error:
                    StepFailure(name, {}).mark(error)
                    raise
            else:
                self.multi = self.multi.add(name, following)

    def expected(self) -> AbstractContextManager[None]:
        """A block for running it; see `RepoCall.expected`."""
        return ExpectedRefusals(self._is_declared)

    def refuse(self, error: Exception) -> None:
        """Raises what stands in place of ``error``, which running it raised, if anything does."""
        failure = StepFailure.of(error)
        plan = None if failure is None else self._plans.get(failure.step)
        if failure is None or plan is None:
            return
        try:
            plan.refuse(error)
        except RaxolSQLError as instead:
            _mark(failure, instead)

    def _is_declared(self, error: BaseException) -> bool:
        failure = StepFailure.of(error)
        plan = None if failure is None else self._plans.get(failure.step)
        changeset = None if plan is None else plan.changeset
        return changeset is not None and declares(changeset, error)

    def _kept(self, name: str, step: StepFunction) -> StepFunction:
        def following(done: Done) -> Any:
            made = step(done)
            if isinstance(made, RepoCall):
                self._plans[name] = made
            return made

        return following


def _mark(failure: StepFailure, instead: RaxolSQLError) -> NoReturn:
    if StepFailure.of(instead) is None:
        failure.mark(instead)
    raise instead


def _is_function(given: Any) -> bool:
    """Whether something is a function of the results so far, and not what a step is given."""
    return callable(given) and not isinstance(given, type | Mapping)

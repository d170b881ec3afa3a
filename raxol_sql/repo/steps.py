"""The write functions of a repo as named steps of an atomic `Multi`."""

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
# Returns an argument of a step: the value itself, or the result of a function of earlier results.
Resolve = Callable[[Any], Any]


class RepoMulti:
    """
    Named creates, updates and deletes in one transaction: ``repo.run(multi)``.

    ``repo.multi()`` makes one. The arguments of a step, attributes, a changeset or the record, may
    be functions of the earlier results by name. All other arguments are validated before the
    transaction begins: an invalid changeset costs no round trip. As with `Multi`, running it
    returns the results by name. The first failure rolls everything back and is raised;
    `StepFailure.of` returns its step and the results of the steps before it. Immutable: each
    function returns a new `RepoMulti`. Safe to use from any thread.
    """

    def __init__(self, planner: RepoPlanner, options: Mapping[str, Any]) -> None:
        self._planner = planner
        self._options = options
        self._steps: dict[str, StepFunction] = {}
        self._known: frozenset[str] = frozenset()

    def create(self, name: str, record: type, given: Any) -> Self:
        """Add a step that creates a ``record``, as `Repo.create`."""
        return self._with(name, lambda one: self._planner.create(record, one(given)), given)

    def upsert(self, name: str, record: type, given: Any) -> Self:
        """Add a step that creates or changes a ``record``, as `Repo.upsert`."""

        def plan(one: Resolve) -> RepoCall:
            return self._planner.create(record, one(given), Action.UPSERT)

        return self._with(name, plan, given)

    def update(self, name: str, of: Any, given: Any = None) -> Self:
        """Add a step that changes a record, as `Repo.update`."""
        return self._with(name, lambda one: self._planner.update(one(of), one(given)), of, given)

    def delete(self, name: str, of: Any, *, allow_stale: bool = False) -> Self:
        """Add a step that deletes a record, as `Repo.delete`."""

        def plan(one: Resolve) -> RepoCall:
            return self._planner.delete(one(of), allow_stale=allow_stale)

        return self._with(name, plan, of)

    def add(self, name: str, step: BoundQuery[Any] | StepFunction) -> Self:
        """Add a step that runs any query, as `Multi.add`."""
        return self._add(name, step if callable(step) else (lambda _: step), not callable(step))

    def put(self, name: str, value: object) -> Self:
        """Add a ``value`` to the results, as `Multi.put`."""
        return self._add(name, lambda _: Step(None, lambda _: value), True)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the steps, in their order."""
        return tuple(self._steps)

    def ready(self) -> ReadyMulti:
        """
        Return the `ReadyMulti` for running it once.

        Raises the errors of the repo's functions for steps whose arguments are known already, and
        marks the error with its step.
        """
        return ReadyMulti(self._steps, self._known, self._options)

    def _with(self, name: str, plan: Callable[[Resolve], RepoCall], *given: Any) -> Self:
        def step(done: Done) -> RepoCall:
            return plan(lambda one: one(done) if _is_function(one) else one)

        return self._add(name, step, not any(map(_is_function, given)))

    def _add(self, name: str, step: StepFunction, is_known: bool) -> Self:
        if name in self._steps:
            raise ValueError(f"there is a step {name!r} already")
        more = type(self)(self._planner, self._options)
        more._steps = {**self._steps, name: step}
        more._known = self._known | {name} if is_known else self._known
        return more

    def __repr__(self) -> str:
        return f"<RepoMulti {', '.join(self.names) or 'without steps'}>"


class ReadyMulti:
    """One run of a `RepoMulti`: the ``multi`` for the database, and the handling of its errors."""

    def __init__(
        self, steps: Mapping[str, StepFunction], known: frozenset[str], options: Mapping[str, Any]
    ) -> None:
        self._plans: dict[str, RepoCall] = {}
        self.multi = Multi(**options)
        for name, step in steps.items():
            record_and_run = self._record_call(name, step)
            if name in known:
                try:
                    self.multi = self.multi.add(name, record_and_run({}))
                except RaxolSQLError as error:
                    StepFailure(name, {}).mark(error)
                    raise
            else:
                self.multi = self.multi.add(name, record_and_run)

    def expect_refusals(self) -> AbstractContextManager[None]:
        """Return a block for running it; see `RepoCall.expect_refusals`."""
        return ExpectedRefusals(self._is_declared)

    def refuse(self, error: Exception) -> None:
        """Raise the error that replaces ``error``, the error of running it, if there is one."""
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

    def _record_call(self, name: str, step: StepFunction) -> StepFunction:
        def record_and_run(done: Done) -> Any:
            made = step(done)
            if isinstance(made, RepoCall):
                self._plans[name] = made
            return made

        return record_and_run


def _mark(failure: StepFailure, instead: RaxolSQLError) -> NoReturn:
    if StepFailure.of(instead) is None:
        failure.mark(instead)
    raise instead


def _is_function(given: Any) -> bool:
    """Return whether an argument of a step is a function of the earlier results."""
    return callable(given) and not isinstance(given, type | Mapping)

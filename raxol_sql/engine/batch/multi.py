"""Named steps in one atomic transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Self

import attrs

from raxol_sql.engine.transaction.options import TransactionOptions
from raxol_sql.errors import can_pickle
from raxol_sql.queries import BoundQuery, Query
from raxol_sql.queries.validation import require_bound


def _as_it_is(result: Any) -> Any:
    return result


@attrs.frozen
class Operation:
    """
    A step that makes something more of what its query gives.

    ``accept`` is called with that, or with None where ``bound`` is None and there is nothing to
    run, before the transaction ends. What it gives is the result of the step, and what it raises
    takes everything back.
    """

    bound: BoundQuery[Any] | None
    accept: Callable[[Any], Any] = attrs.field(repr=False)

    @property
    def is_plain(self) -> bool:
        """Return whether its result is the unchanged result of its query."""
        return self.accept is _as_it_is


Ready = BoundQuery[Any] | Operation
Step = Ready | Callable[[Mapping[str, Any]], Ready]


class Multi:
    """
    Named queries that happen together or not at all: a value, which ``db.run(multi)`` runs.

    A step is a query with its arguments, or a function that makes one of the results so far, by
    name. Steps that need no results travel together: a `Multi` without functions takes one or two
    round trips, however many steps it has. The function may be called again, where everything
    before it was rolled back and is retried; so it only makes its query.

    Running it gives the results by name. The first failure takes everything back, and comes out
    as it is; `StepFailure.of` says of it which step it was, and what the steps before gave.

    After a conflict or a lost connection it is done again, whole, if that is safe; see
    `Database.run_transaction`. ``isolation``, ``read_only``, ``deferrable`` and ``commit_check``
    are those of `Database.transaction`; an ``commit_check`` of None is the configuration's. With
    "xid" the COMMIT may travel with the steps: where the connection is lost before the id of the
    transaction arrives, `OutcomeUnknownError` has no token. "xid-first" waits for the id, for one
    round trip more, and "marker" needs none. Immutable: `add` gives another one. Safe to use from
    any thread.
    """

    def __init__(
        self,
        *,
        isolation: str | None = None,
        read_only: bool | None = None,
        deferrable: bool | None = None,
        commit_check: str | None = None,
    ) -> None:
        self._options = TransactionOptions(isolation, read_only, deferrable, commit_check or "none")
        self._commit_check = commit_check
        self._steps: dict[str, Step] = {}

    def add(self, name: str, step: Step) -> Self:
        """
        Return a copy with one more step.

        Raises ValueError for a duplicate name, TypeError for anything but a step, and
        `QueryKindError` for a :copy query.
        """
        if name in self._steps:
            raise ValueError(f"there is a step {name!r} already")
        if isinstance(step, BoundQuery):
            require_bound(f"step {name!r}", step)
        elif not callable(step) or isinstance(step, Query):
            operation_of(name, step)
        more = type(self).__new__(type(self))
        more._options = self._options
        more._commit_check = self._commit_check
        more._steps = {**self._steps, name: step}
        return more

    def put(self, name: str, value: object) -> Self:
        """Return a copy with a ``value`` that later steps and the results have under ``name``."""
        return self.add(name, Operation(None, lambda _: value))

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the steps, in order."""
        return tuple(self._steps)

    @property
    def steps(self) -> Mapping[str, Step]:
        """Return the steps by name, in order."""
        return MappingProxyType(self._steps)

    @property
    def options(self) -> TransactionOptions:
        """Return the options of its transaction."""
        return self._options

    @property
    def commit_check(self) -> str | None:
        """Return how its outcome is determined; None selects the database's default."""
        return self._commit_check

    def __repr__(self) -> str:
        return f"<Multi {', '.join(self.names) or 'without steps'}>"


def _unchanging(results: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType({**results})


@attrs.frozen
class StepFailure:
    """
    Where a `Multi` failed: at ``step``, after the steps in ``done`` had given these results.

    All of it was rolled back; the results are what was seen before. Pickled, it leaves out the
    results that do not pickle.
    """

    step: str
    done: Mapping[str, Any] = attrs.field(repr=False, converter=_unchanging)

    def __reduce__(self) -> tuple[Any, ...]:
        # Rows of a class that was made for a query have no name that another process knows.
        done = {name: result for name, result in self.done.items() if can_pickle(result)}
        return type(self), (self.step, done)

    def __deepcopy__(self, _: dict[int, Any]) -> Self:
        return self

    @classmethod
    def of(cls, error: BaseException) -> StepFailure | None:
        """Return the failed step of an error, or None if it is not from a `Multi`."""
        found = getattr(error, _FAILURE, None)
        return found if isinstance(found, cls) else None

    def mark(self, error: BaseException) -> None:
        """Attach this to ``error``."""
        setattr(error, _FAILURE, self)
        error.add_note(f"failed in step {self.step!r} of a Multi; the whole Multi was rolled back")


_FAILURE = "__raxol_sql_step__"


def as_operation(bound: BoundQuery[Any]) -> Operation:
    """Return the step of a query whose result is unchanged."""
    return Operation(bound, _as_it_is)


def operation_of(name: str, step: object) -> Operation:
    """What is a step that can be run, as an operation; raises as `Multi.add` for anything else."""
    if not isinstance(step, Operation):
        return as_operation(require_bound(f"step {name!r}", step))
    if step.bound is not None:
        require_bound(f"step {name!r}", step.bound)
    return step

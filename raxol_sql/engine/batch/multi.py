"""Named steps in one atomic transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Self

import attrs

from raxol_sql.engine.transaction.options import DEFAULTS, TransactionOptions
from raxol_sql.errors import can_pickle
from raxol_sql.queries import BoundQuery, Query
from raxol_sql.queries.validation import require_bound


@attrs.frozen
class Step:
    """
    A step of a `Multi` that processes the result of its query.

    ``accept`` is called with that result, or with None if there is no query (``bound`` is None),
    before the transaction ends. It returns the result of the step; an error that it raises rolls
    back the whole transaction.
    """

    bound: BoundQuery[Any] | None
    accept: Callable[[Any], Any] = attrs.field(repr=False)


ReadyStep = BoundQuery[Any] | Step
AnyStep = ReadyStep | Callable[[Mapping[str, Any]], ReadyStep]


class Multi:
    """
    Named queries in one transaction, which ``db.run(multi)`` runs.

    A step is a bound query, or a function that makes one from the results of the earlier steps, by
    name. Steps that do not depend on results are pipelined: a `Multi` without functions takes one
    or two round trips, however many steps it has. A function is called again when the transaction
    is retried, so it must only make its query.

    Running it returns the results by name. The first error rolls back the transaction and is raised
    unchanged; `StepFailure.of` returns its step and the results of the steps before it.

    After a serialization conflict or a lost connection the whole transaction is retried, if that is
    safe; see `Database.run_transaction`. ``isolation``, ``read_only``, ``deferrable`` and
    ``commit_check`` are those of `Database.transaction`; a ``commit_check`` of None selects the
    configured one. With "xid" the COMMIT may be sent with the steps: if the connection is lost
    before the transaction ID arrives, `OutcomeUnknownError` has no token. "xid-first" waits for the
    ID, which takes one more round trip; "marker" does not need it. Immutable: `add` returns a copy.
    Safe to use from any thread.
    """

    def __init__(
        self,
        *,
        isolation: str | None = None,
        read_only: bool | None = None,
        deferrable: bool | None = None,
        commit_check: str | None = None,
    ) -> None:
        given = isolation, read_only, deferrable, commit_check
        self._options = (
            DEFAULTS
            if given == (None, None, None, None)
            else TransactionOptions(isolation, read_only, deferrable, commit_check or "none")
        )
        self._commit_check = commit_check
        self._steps: dict[str, AnyStep] = {}

    def add(self, name: str, step: AnyStep) -> Self:
        """
        Return a copy with one more step.

        Raises ValueError for a duplicate name, TypeError for anything but a step, and
        `QueryKindError` for a :copy query.
        """
        if name in self._steps:
            raise ValueError(f"there is a step {name!r} already")
        is_query = isinstance(step, BoundQuery) and step.query.definition.copy is None
        if not is_query and (not callable(step) or isinstance(step, Query)):
            require_step(name, step)
        more = type(self).__new__(type(self))
        more._options = self._options
        more._commit_check = self._commit_check
        more._steps = {**self._steps, name: step}
        return more

    def put(self, name: str, value: object) -> Self:
        """Return a copy with a ``value`` that later steps and the results have under ``name``."""
        return self.add(name, Step(None, lambda _: value))

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the steps, in order."""
        return tuple(self._steps)

    @property
    def steps(self) -> Mapping[str, AnyStep]:
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


def _read_only(results: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType({**results})


@attrs.frozen
class StepFailure:
    """
    The ``step`` at which a `Multi` failed, and the results of the steps before it (``done``).

    The whole transaction was rolled back, so these results no longer hold. Results that cannot be
    pickled are left out of a pickle.
    """

    step: str
    done: Mapping[str, Any] = attrs.field(repr=False, converter=_read_only)

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


def require_step(name: str, step: object) -> ReadyStep:
    """Return a step that can be run; raises as `Multi.add` for anything else."""
    if not isinstance(step, Step):
        return require_bound(f"step {name!r}", step)
    if step.bound is not None:
        require_bound(f"step {name!r}", step.bound)
    return step

"""What a function of a repo comes to: a query, and what is made of its result and its errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import attrs

from raxol_sql.changesets import Changeset
from raxol_sql.engine.batch.multi import Step
from raxol_sql.errors import InvalidChangesetError, NoRowsError, StaleRecordError
from raxol_sql.queries import BoundQuery, Query
from raxol_sql.telemetry import ExpectedRefusals

_NOTHING = nullcontext()
_STALE = (
    "the row is gone, or was changed by another session since it was read; "
    "reload() the record and decide again"
)


@attrs.frozen
class RepoCall(Step):
    """
    One query to run, or none where ``accept`` needs nothing from the server.

    ``changeset`` knows the constraints by which the database may refuse it.
    ``is_stale_without_row`` says that no row means a record that is gone.
    """

    changeset: Changeset[Any] | None = None
    is_stale_without_row: bool = False

    def refuse(self, error: Exception) -> None:
        """
        Raises what stands in place of ``error``, which running it raised; else adds a note to it.
        """
        if self.is_stale_without_row and isinstance(error, NoRowsError):
            assert self.bound is not None, "an error came from it"
            raise stale(self.bound.query) from error
        if self.changeset is not None:
            refuse(self.changeset, error)

    def expected(self) -> AbstractContextManager[None]:
        """
        A block for running it, in which the violation of a declared constraint is no failure.

        It becomes an error of a field then.
        """
        return expected(self.changeset)


@attrs.frozen
class Rows:
    """The same query for many rows: ``arguments`` are those of each, ``changeset`` of any one."""

    query: Query[Any]
    arguments: Sequence[Mapping[str, Any]]
    changeset: Changeset[Any] | None


def expected(changeset: Changeset[Any] | None) -> AbstractContextManager[None]:
    """See `RepoCall.expected`."""
    if changeset is None:
        return _NOTHING
    return ExpectedRefusals(lambda error: declares(changeset, error))


def declares(changeset: Changeset[Any], error: BaseException) -> bool:
    """Whether ``error`` is the violation of a constraint that the changeset declares."""
    return isinstance(error, Exception) and changeset.refused_by(error) is not None


def refuse(changeset: Changeset[Any], error: Exception) -> None:
    """
    Raises `InvalidChangesetError` for the violation of a constraint that is declared.

    That of another one gets a note which names it; every other error is left as it is.
    """
    refused = changeset.refused_by(error)
    if refused is not None:
        instead = InvalidChangesetError(changeset.record.__name__, refused.errors)
        for note in getattr(error, "__notes__", ()):
            instead.add_note(note)
        raise instead from error
    note = changeset.note_for(error)
    if note is not None:
        error.add_note(note)


def stale(query: Query[Any]) -> StaleRecordError:
    """The error for a row that is not there any more as it was read."""
    return StaleRecordError(query.name, query.location, _STALE)


def read(bound: BoundQuery[Any]) -> RepoCall:
    """A plan that gives what its query gives."""
    return RepoCall(bound, lambda result: result)


def changing(bound: BoundQuery[Any], changeset: Changeset[Any]) -> RepoCall:
    """A plan that stores a new record."""
    return RepoCall(bound, lambda result: result, changeset)


def replacing(bound: BoundQuery[Any], changeset: Changeset[Any]) -> RepoCall:
    """A plan that changes a record which has to be there still."""

    def accept(result: Any) -> Any:
        if result is None:
            raise stale(bound.query)
        return result

    return RepoCall(bound, accept, changeset, is_stale_without_row=True)


def existing(bound: BoundQuery[Any]) -> RepoCall:
    """A plan that gives a record, or raises `NoRowsError`."""

    def accept(result: Any) -> Any:
        if result is None:
            query = bound.query
            raise NoRowsError(query.name, query.location, "expected a record, and there is none")
        return result

    return RepoCall(bound, accept)


def settled(value: Callable[[], Any]) -> RepoCall:
    """A plan that runs nothing."""
    return RepoCall(None, lambda _: value())

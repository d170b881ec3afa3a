"""Calls of a repo: a query, and how to read its result and its errors."""

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

    ``changeset`` declares the constraints whose violation is the error of a field. With
    ``is_stale_without_row``, a result without a row means that the record is gone.
    """

    changeset: Changeset[Any] | None = None
    is_stale_without_row: bool = False

    def refuse(self, error: Exception) -> None:
        """
        Raise the error that replaces ``error``, the error of running it, or add a note to that.
        """
        if self.is_stale_without_row and isinstance(error, NoRowsError):
            assert self.bound is not None, "an error came from it"
            raise stale(self.bound.query) from error
        if self.changeset is not None:
            refuse(self.changeset, error)

    def expect_refusals(self) -> AbstractContextManager[None]:
        """
        Return a block for running it, in which telemetry counts no violation of a declared
        constraint as a failure.

        The violation becomes the error of a field.
        """
        return expect_refusals(self.changeset)


@attrs.frozen
class Rows:
    """A query for many rows, with ``arguments`` for each, and the ``changeset`` of one of them."""

    query: Query[Any]
    arguments: Sequence[Mapping[str, Any]]
    changeset: Changeset[Any] | None


def expect_refusals(changeset: Changeset[Any] | None) -> AbstractContextManager[None]:
    """See `RepoCall.expect_refusals`."""
    if changeset is None:
        return _NOTHING
    return ExpectedRefusals(lambda error: declares(changeset, error))


def declares(changeset: Changeset[Any], error: BaseException) -> bool:
    """Return whether ``error`` is the violation of a constraint that the changeset declares."""
    return isinstance(error, Exception) and changeset.with_violation(error) is not None


def refuse(changeset: Changeset[Any], error: Exception) -> None:
    """
    Raise `InvalidChangesetError` for the violation of a declared constraint.

    The violation of another constraint gets a note that names it; other errors stay as they are.
    """
    refused = changeset.with_violation(error)
    if refused is not None:
        instead = InvalidChangesetError(changeset.record.__name__, refused.errors)
        for note in getattr(error, "__notes__", ()):
            instead.add_note(note)
        raise instead from error
    note = changeset.note_for(error)
    if note is not None:
        error.add_note(note)


def stale(query: Query[Any]) -> StaleRecordError:
    """Return the error for a row that is gone, or has changed since it was read."""
    return StaleRecordError(query.name, query.location, _STALE)


def plan_read(bound: BoundQuery[Any]) -> RepoCall:
    """Return a call whose result is that of its query."""
    return RepoCall(bound, lambda result: result)


def plan_write(bound: BoundQuery[Any], changeset: Changeset[Any]) -> RepoCall:
    """Return a call that writes a record, whether its query returns a row or not."""
    return RepoCall(bound, lambda result: result, changeset)


def plan_rewrite(bound: BoundQuery[Any], changeset: Changeset[Any]) -> RepoCall:
    """Return a call that writes an existing record, and raises `StaleRecordError` if it is gone."""

    def accept(result: Any) -> Any:
        if result is None:
            raise stale(bound.query)
        return result

    return RepoCall(bound, accept, changeset, is_stale_without_row=True)


def plan_existing(bound: BoundQuery[Any]) -> RepoCall:
    """Return a call that reads a record, or raises `NoRowsError`."""

    def accept(result: Any) -> Any:
        if result is None:
            query = bound.query
            raise NoRowsError(query.name, query.location, "expected a record, and there is none")
        return result

    return RepoCall(bound, accept)


def plan_value(value: Callable[[], Any]) -> RepoCall:
    """Return a call that runs nothing and has the result ``value()``."""
    return RepoCall(None, lambda _: value())

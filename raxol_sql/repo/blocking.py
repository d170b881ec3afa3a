"""CRUD functions for synchronous code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self, TypeVar, overload

from raxol_sql.changesets import Changeset
from raxol_sql.engine import Database, Transaction
from raxol_sql.engine.batch.multi import Multi
from raxol_sql.queries import BoundQuery, Queries
from raxol_sql.repo.plan import RepoCall, expect_refusals, refuse
from raxol_sql.repo.planner import Before, RepoPlanner
from raxol_sql.repo.steps import RepoMulti
from raxol_sql.repo.verbs import Action

R = TypeVar("R")
T = TypeVar("T")
Given = Mapping[str, Any] | Changeset[Any]


class Repo:
    """
    CRUD functions for records, over queries that the project has written. No SQL is generated.

    ``repo.create(User, {...})`` runs the query ``create`` of the namespace whose queries return a
    `User`; ``get_by(User, email=...)`` runs ``get_by_email``. A query that does not exist raises
    `MissingQueryError`, which names the file and suggests a query. If the queries of a record are
    in several namespaces, ``namespaces`` selects one: ``{User: "users"}``.

    The repo calls ``before`` with each query and its arguments before it runs the query. It may
    raise to reject the query, but cannot change it. All functions also raise the errors of the
    same functions of a `Database`. As thread-safe as the ``runner``, a database or a transaction.
    """

    def __init__(
        self,
        runner: Database | Transaction,
        queries: Queries,
        *,
        namespaces: Mapping[type, str] | None = None,
        before: Before | None = None,
    ) -> None:
        self._runner = runner
        self._planner = RepoPlanner(queries, namespaces or {}, before)

    def on(self, transaction: Transaction) -> Self:
        """Return a repo that runs its queries in a transaction."""
        other = type(self).__new__(type(self))
        other._runner, other._planner = transaction, self._planner
        return other

    def get(self, record: type[R], /, *key: Any, **keys: Any) -> R | None:
        """
        Return the record with this key, or None.

        ``get(User, 7)``, or ``get(Flight, carrier="UA", number=1)``: the key consists of the
        parameters of the query ``get``. Raises `ParameterError` for None.
        """
        found: R | None = self._do(self._planner.get(record, key, keys))
        return found

    def get_or_raise(self, record: type[R], /, *key: Any, **keys: Any) -> R:
        """Return the record with this key; raise `NoRowsError` if there is none."""
        found: R = self._do(self._planner.get_or_raise(record, key, keys))
        return found

    def get_by(self, record: type[R], /, **conditions: Any) -> R | None:
        """
        Return the only record with these values, or None.

        Runs the query ``get_by_email`` or ``get_by_age_and_name``, for example. Raises
        `TooManyRowsError` for several records, and `ParameterError` for None, which nothing equals.
        """
        found: R | None = self._do(self._planner.get_by(record, conditions))
        return found

    def get_by_or_raise(self, record: type[R], /, **conditions: Any) -> R:
        """Return the only record with these values; raise `NoRowsError` if there is none."""
        found: R = self._do(self._planner.get_by_or_raise(record, conditions))
        return found

    def create(self, record: type[R], given: Given) -> R:
        """
        Store a new record, and return it with the values that the database generated.

        ``given`` are its fields by name, or a `Changeset`. The ``changeset`` method of the record's
        class validates them first, if it has one. The query ``create`` receives these values, and
        the defaults of the class for parameters outside of optional blocks.

        Raises `InvalidChangesetError` with all errors, also for the violation of a constraint that
        the changeset declares, and `ParameterError` for a name that is no field. Nothing is stored
        then.
        """
        stored: R = self._do(self._planner.create(record, given))
        return stored

    def upsert(self, record: type[R], given: Given) -> R | None:
        """
        Store a new record or change the existing one, as the query ``upsert`` says.

        Return None if the query changed nothing. Raises as `create`.
        """
        stored: R | None = self._do(self._planner.create(record, given, Action.UPSERT))
        return stored

    def insert_all(self, record: type[R], rows: Iterable[Given]) -> list[R | None]:
        """
        Store many records in one transaction, and return them in order.

        Runs the query ``insert_all`` for each, or ``create`` if that does not exist, up to 1,000 in
        a round trip. All rows are validated before anything is sent. The fields of the
        `InvalidChangesetError` are then ``"3.email"``, for row 3, counted from 0.
        """
        plan = self._planner.insert_all(record, rows)
        try:
            with expect_refusals(plan.changeset):
                return self._runner.run_many(plan.query, plan.arguments)
        except Exception as error:
            if plan.changeset is not None:
                refuse(plan.changeset, error)
            raise

    @overload
    def update(self, of: Changeset[R]) -> R: ...

    @overload
    def update(self, of: R, given: Given) -> R: ...

    def update(self, of: Any, given: Any = None) -> Any:
        """
        Change a record, and return the new one; ``of`` stays as it is.

        The query ``update`` receives the key and the version as they were read, and the changes;
        without changes nothing is sent. Parameters outside of optional blocks are sent unchanged,
        which overwrites what other sessions have changed since, unless the query also takes a
        ``lock_version``.

        Raises as `create`, and `StaleRecordError` if the query returns no row: the row is gone, or
        has another version.
        """
        return self._do(self._planner.update(of, given))

    def delete(self, of: Any, *, allow_stale: bool = False) -> Any:
        """
        Delete a record, and return it as it was when it was deleted.

        Raises `StaleRecordError` if the row is gone already, or returns None with ``allow_stale``.
        Raises `InvalidChangesetError` if other rows refer to it and the record's ``changeset``
        declares that constraint.
        """
        return self._do(self._planner.delete(of, allow_stale=allow_stale))

    def all(self, record: type[R], /, **conditions: Any) -> list[R]:
        """Return all records, or those of the query ``all_by_active`` for ``active=True``."""
        found: list[R] = self._do(self._planner.find(record, Action.ALL, conditions))
        return found

    def stream(self, record: type[R], /, **conditions: Any) -> Iterator[R]:
        """Yield the records that `all` returns, in bounded memory; see `Database.stream`."""
        return self._runner.stream(self._planner.stream(record, conditions))

    def first(self, record: type[R], /, **conditions: Any) -> R | None:
        """Return the first record in the order of ``first`` or ``first_by_...``, or None."""
        found: R | None = self._do(self._planner.find(record, Action.FIRST, conditions))
        return found

    def last(self, record: type[R], /, **conditions: Any) -> R | None:
        """Return the last record in the order of ``last`` or ``last_by_...``, or None."""
        found: R | None = self._do(self._planner.find(record, Action.LAST, conditions))
        return found

    def exists(self, record: type, /, **conditions: Any) -> bool:
        """Return whether a record exists, by the query ``exists`` or ``exists_by_...``."""
        found: bool = self._do(self._planner.find(record, Action.EXISTS, conditions))
        return found

    def count(self, record: type, /, **conditions: Any) -> int:
        """Return the number of records, by the query ``count`` or ``count_by_...``."""
        found: int = self._do(self._planner.find(record, Action.COUNT, conditions))
        return found

    @overload
    def reload(self, of: list[R]) -> list[R | None]: ...

    @overload
    def reload(self, of: R) -> R | None: ...

    def reload(self, of: Any) -> Any:
        """
        Return a record as it is now, or None if it is gone; for a list, a list in the same order.

        A list is read in one round trip, in one snapshot.
        """
        if isinstance(of, Sequence):
            plans = [self._planner.reload(one) for one in of]
            return self._runner.run_all(plan.bound for plan in plans if plan.bound is not None)
        return self._do(self._planner.reload(of))

    def multi(self, **options: Any) -> RepoMulti:
        """Return an empty `RepoMulti`; the options are those of `Multi`."""
        return RepoMulti(self._planner, options)

    def run(self, what: RepoMulti | Multi | BoundQuery[Any]) -> Any:
        """Run a `RepoMulti` and return its results by step; run anything else as `Database.run`."""
        if not isinstance(what, RepoMulti):
            return self._runner.run(what)
        ready = what.ready()
        try:
            with ready.expect_refusals():
                return self._runner.run(ready.multi)
        except Exception as error:
            ready.refuse(error)
            raise

    @contextmanager
    def transaction(self, **options: Any) -> Iterator[Self]:
        """Open a transaction for a block, which gets a repo on it; see `Database.transaction`."""
        with self._runner.transaction(**options) as transaction:
            yield self.on(transaction)

    def run_transaction(self, work: Callable[[Self], T], **options: Any) -> T:
        """Run ``work(repo)`` in a transaction with retries; see `Database.run_transaction`."""
        return self._runner.run_transaction(
            lambda transaction: work(self.on(transaction)), **options
        )

    def _do(self, plan: RepoCall) -> Any:
        if plan.bound is None:
            return plan.accept(None)
        try:
            with plan.expect_refusals():
                result = self._runner.run(plan.bound)
        except Exception as error:
            plan.refuse(error)
            raise
        return plan.accept(result)

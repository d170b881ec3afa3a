"""The familiar functions for code that blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self, TypeVar, overload

from raxol_sql.changesets import Changeset
from raxol_sql.engine import Database, Transaction
from raxol_sql.engine.batch.multi import Multi
from raxol_sql.queries import BoundQuery, Queries
from raxol_sql.repo.plan import RepoCall, expected, refuse
from raxol_sql.repo.planner import Before, RepoPlanner
from raxol_sql.repo.steps import RepoMulti
from raxol_sql.repo.verbs import Action

R = TypeVar("R")
T = TypeVar("T")
Given = Mapping[str, Any] | Changeset[Any]


class Repo:
    """
    Records by CRUD functions, over queries that the project has written: no SQL is made here.

    ``repo.create(User, {...})`` runs the query ``create`` of the namespace in which queries give a
    `User`; ``get_by(User, email=...)`` runs ``get_by_email``. A query that is not written is a
    `MissingQueryError`, which says in which file, and what to begin with. Where a record's queries
    are in several namespaces, ``namespaces`` says which is meant: ``{User: "users"}``.

    ``before`` is called with each query and its arguments before it is run, and may raise to
    refuse it; it cannot change it. Whatever the functions of a `Database` raise comes out of these
    too. As safe for threads as the ``runner``, a database or a transaction, is.
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
        """The same functions in a transaction."""
        other = type(self).__new__(type(self))
        other._runner, other._planner = transaction, self._planner
        return other

    def get(self, record: type[R], /, *key: Any, **keys: Any) -> R | None:
        """
        The record with this key, or None: ``get(User, 7)``, ``get(Flight, carrier="UA", number=1)``

        The key is what the query ``get`` asks for. Raises `ParameterError` for None.
        """
        found: R | None = self._do(self._planner.get(record, key, keys))
        return found

    def get_or_raise(self, record: type[R], /, *key: Any, **keys: Any) -> R:
        """The record with this key; raises `NoRowsError` where there is none."""
        found: R = self._do(self._planner.get_or_raise(record, key, keys))
        return found

    def get_by(self, record: type[R], /, **conditions: Any) -> R | None:
        """
        The one record with these values, or None; query ``get_by_email``, ``get_by_age_and_name``.

        Raises `TooManyRowsError` for several, and `ParameterError` for None, which nothing equals.
        """
        found: R | None = self._do(self._planner.get_by(record, conditions))
        return found

    def get_by_or_raise(self, record: type[R], /, **conditions: Any) -> R:
        """The one record with these values; raises `NoRowsError` where there is none."""
        found: R = self._do(self._planner.get_by_or_raise(record, conditions))
        return found

    def create(self, record: type[R], given: Given) -> R:
        """
        Stores a new record, and gives it with what the database has filled in.

        ``given`` are its fields by name, or a `Changeset`. They go through the record's own
        ``changeset`` first, if it has one. The query ``create`` is told what was given, and for
        parameters outside of optional blocks also the defaults of the class.

        Raises `InvalidChangesetError` with all that is wrong, also where a declared constraint of
        the database says so, and `ParameterError` for a name that is no field. Nothing is stored
        then.
        """
        stored: R = self._do(self._planner.create(record, given))
        return stored

    def upsert(self, record: type[R], given: Given) -> R | None:
        """
        Stores a new record or changes the one that is there, as the query ``upsert`` says.

        None where that did nothing. Raises as `create`.
        """
        stored: R | None = self._do(self._planner.create(record, given, Action.UPSERT))
        return stored

    def insert_all(self, record: type[R], rows: Iterable[Given]) -> list[R | None]:
        """
        Stores many records together or not at all; gives them in order.

        Runs ``insert_all`` for each, or ``create`` where that is not written, up to 1,000 in a
        round trip. All rows are checked before anything is sent: the fields of an
        `InvalidChangesetError` are then ``"3.email"``, for the row 3, from 0.
        """
        plan = self._planner.insert_all(record, rows)
        try:
            with expected(plan.changeset):
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
        Changes a record, and gives it as it is now; ``of`` is not touched.

        The query ``update`` is told the key and the version as they were read, and what has
        changed; where nothing has, nothing is sent. What it asks for outside of optional blocks is
        sent unchanged, so that changes which another session has made since are overwritten,
        unless it asks for a ``lock_version`` too.

        Raises as `create`, and `StaleRecordError` where the query gives no row: it is gone, or
        has another version.
        """
        return self._do(self._planner.update(of, given))

    def delete(self, of: Any, *, allow_stale: bool = False) -> Any:
        """
        Deletes a record, and gives it as it was in the end.

        Raises `StaleRecordError` where it was not there any more, unless ``allow_stale``, which
        gives None; `InvalidChangesetError` where others need it and the record's ``changeset``
        declares that constraint.
        """
        return self._do(self._planner.delete(of, allow_stale=allow_stale))

    def all(self, record: type[R], /, **conditions: Any) -> list[R]:
        """Every record; or those that the query ``all_by_active`` gives for ``active=True``."""
        found: list[R] = self._do(self._planner.find(record, Action.ALL, conditions))
        return found

    def stream(self, record: type[R], /, **conditions: Any) -> Iterator[R]:
        """The records that `all` would give, one by one in bounded memory: `Database.stream`."""
        return self._runner.stream(self._planner.stream(record, conditions))

    def first(self, record: type[R], /, **conditions: Any) -> R | None:
        """The first record, or None, as the query ``first`` or ``first_by_...`` orders them."""
        found: R | None = self._do(self._planner.find(record, Action.FIRST, conditions))
        return found

    def last(self, record: type[R], /, **conditions: Any) -> R | None:
        """The last record, or None, as the query ``last`` or ``last_by_...`` orders them."""
        found: R | None = self._do(self._planner.find(record, Action.LAST, conditions))
        return found

    def exists(self, record: type, /, **conditions: Any) -> bool:
        """Whether there is one, by the query ``exists`` or ``exists_by_...``."""
        found: bool = self._do(self._planner.find(record, Action.EXISTS, conditions))
        return found

    def count(self, record: type, /, **conditions: Any) -> int:
        """How many there are, by the query ``count`` or ``count_by_...``."""
        found: int = self._do(self._planner.find(record, Action.COUNT, conditions))
        return found

    @overload
    def reload(self, of: list[R]) -> list[R | None]: ...

    @overload
    def reload(self, of: R) -> R | None: ...

    def reload(self, of: Any) -> Any:
        """
        A record as it is now, or None where it is gone; of a list, each in its place.

        A list is read in one round trip, and all of it at one moment.
        """
        if isinstance(of, Sequence):
            plans = [self._planner.reload(one) for one in of]
            return self._runner.run_all(plan.bound for plan in plans if plan.bound is not None)
        return self._do(self._planner.reload(of))

    def multi(self, **options: Any) -> RepoMulti:
        """An empty `RepoMulti`; the options are those of `Multi`."""
        return RepoMulti(self._planner, options)

    def run(self, what: RepoMulti | Multi | BoundQuery[Any]) -> Any:
        """What a `RepoMulti` gives, by step; or what `Database.run` gives for anything else."""
        if not isinstance(what, RepoMulti):
            return self._runner.run(what)
        ready = what.ready()
        try:
            with ready.expected():
                return self._runner.run(ready.multi)
        except Exception as error:
            ready.refuse(error)
            raise

    @contextmanager
    def transaction(self, **options: Any) -> Iterator[Self]:
        """These functions in a block that happens whole or not at all: `Database.transaction`."""
        with self._runner.transaction(**options) as transaction:
            yield self.on(transaction)

    def run_transaction(self, work: Callable[[Self], T], **options: Any) -> T:
        """What ``work(repo)`` gives, done again after a conflict: `Database.run_transaction`."""
        return self._runner.run_transaction(
            lambda transaction: work(self.on(transaction)), **options
        )

    def _do(self, plan: RepoCall) -> Any:
        if plan.bound is None:
            return plan.accept(None)
        try:
            with plan.expected():
                result = self._runner.run(plan.bound)
        except Exception as error:
            plan.refuse(error)
            raise
        return plan.accept(result)

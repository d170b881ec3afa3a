"""Planning of the calls of a repo: which query runs with which arguments, without any I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from raxol_sql.changesets import Changeset
from raxol_sql.errors import InvalidChangesetError, ParameterError
from raxol_sql.queries import BoundQuery, Queries, Query
from raxol_sql.repo.arguments import (
    changeset_for,
    check_conditions,
    for_existing,
    for_new,
    values_of,
)
from raxol_sql.repo.namespaces import Namespaces
from raxol_sql.repo.plan import (
    RepoCall,
    Rows,
    plan_existing,
    plan_read,
    plan_rewrite,
    plan_value,
    plan_write,
)
from raxol_sql.repo.verbs import Action, name_of

Before = Callable[[BoundQuery[Any]], None]


class RepoPlanner:
    """
    The planner of a repo's calls; `Repo` documents each function.

    It calls ``before`` with each query before the query runs, which may raise to reject it.
    Immutable.
    """

    def __init__(
        self, queries: Queries, namespaces: Mapping[type, str], before: Before | None
    ) -> None:
        self._namespaces = Namespaces(queries, namespaces)
        self._before = before

    def get(self, record: type, key: tuple[Any, ...], keys: Mapping[str, Any]) -> RepoCall:
        return plan_read(self._by_key(record, key, keys))

    def get_or_raise(self, record: type, key: tuple[Any, ...], keys: Mapping[str, Any]) -> RepoCall:
        return plan_existing(self._by_key(record, key, keys))

    def get_by(self, record: type, conditions: Mapping[str, Any]) -> RepoCall:
        return plan_read(self._by(record, conditions))

    def get_by_or_raise(self, record: type, conditions: Mapping[str, Any]) -> RepoCall:
        return plan_existing(self._by(record, conditions))

    def find(self, record: type, verb: Action, conditions: Mapping[str, Any]) -> RepoCall:
        """Plan a verb with optional conditions: all, first, last, exists or count."""
        return plan_read(self._where(record, verb, conditions))

    def stream(self, record: type, conditions: Mapping[str, Any]) -> BoundQuery[Any]:
        return self._where(record, Action.ALL, conditions)

    def create(self, record: type, given: Any, verb: Action = Action.CREATE) -> RepoCall:
        query = self._namespaces.find(record, verb)
        changeset = changeset_for(query, record, given)
        changeset.check()
        return plan_write(self._bind(query, for_new(query, changeset)), changeset)

    def insert_all(self, record: type, rows: Iterable[Any]) -> Rows:
        query = self._namespaces.look_up(record, name_of(Action.INSERT_ALL))
        verb = Action.CREATE if query is None else Action.INSERT_ALL
        query = self._namespaces.find(record, verb)
        errors: dict[str, Any] = {}
        arguments = []
        changeset = None
        for number, row in enumerate(rows):
            try:
                changeset = changeset_for(query, record, row)
                changeset.check()
                arguments.append(self._bind(query, for_new(query, changeset)).arguments)
            except InvalidChangesetError as error:
                errors |= {f"{number}.{field}": found for field, found in error.errors.items()}
            except ParameterError as error:
                problems = [f"row {number}: {problem}" for problem in error.problems]
                raise ParameterError(query.name, problems) from None
        if errors:
            raise InvalidChangesetError(record.__name__, errors)
        return Rows(query, arguments, changeset)

    def update(self, of: Any, given: Any) -> RepoCall:
        of, given = _record_and_changes("update", of, given)
        query = self._namespaces.find(type(of), Action.UPDATE)
        changeset = changeset_for(query, of, given)
        if changeset.data is None:
            raise TypeError(f"{query.name}: this changeset is of no record: Changeset(record)")
        changeset.check()
        if not changeset.changes:
            return plan_value(lambda: changeset.data)
        arguments = for_existing(query, changeset, self._key(type(of)))
        return plan_rewrite(self._bind(query, arguments), changeset)

    def delete(self, of: Any, *, allow_stale: bool) -> RepoCall:
        of, changeset = _record_and_changes("delete", of, {})
        query = self._namespaces.find(type(of), Action.DELETE)
        changeset = changeset_for(query, of, changeset)
        values = values_of(of)
        arguments = {name: values[name] for name in query.required if name in values}
        bound = self._bind(query, arguments)
        return plan_write(bound, changeset) if allow_stale else plan_rewrite(bound, changeset)

    def reload(self, of: Any) -> RepoCall:
        return plan_read(self._by_key(type(of), (), self._keys(of)))

    def _keys(self, of: Any) -> dict[str, Any]:
        values = values_of(of)
        return {name: values[name] for name in self._key(type(of)) if name in values}

    def _key(self, record: type) -> tuple[str, ...]:
        """Return the key of a row: the parameters of ``get``."""
        return self._namespaces.find(record, Action.GET).required

    def _by_key(
        self, record: type, key: tuple[Any, ...], keys: Mapping[str, Any]
    ) -> BoundQuery[Any]:
        query = self._namespaces.find(record, Action.GET)
        if len(key) > len(query.required):
            raise ParameterError(query.name, [f"it takes {', '.join(query.required)}"])
        arguments = {**dict(zip(query.required, key, strict=False)), **keys}
        check_conditions(query.name, arguments)
        return self._bind(query, arguments)

    def _by(self, record: type, conditions: Mapping[str, Any]) -> BoundQuery[Any]:
        if not conditions:
            raise TypeError("get_by needs a condition, as in email=...")
        return self._where(record, Action.GET, conditions)

    def _where(self, record: type, verb: Action, conditions: Mapping[str, Any]) -> BoundQuery[Any]:
        query = self._namespaces.find(record, verb, tuple(conditions))
        check_conditions(query.name, conditions)
        return self._bind(query, conditions)

    def _bind(self, query: Query[Any], arguments: Mapping[str, Any]) -> BoundQuery[Any]:
        bound = query.bind(arguments)
        if self._before is not None:
            self._before(bound)
        return bound


def _record_and_changes(function: str, of: Any, given: Any) -> tuple[Any, Any]:
    """Return the record and its changes; a changeset contains both."""
    if isinstance(of, Changeset):
        return of.data, of
    if isinstance(of, type) or not attrs.has(type(of)):
        kind = of.__name__ if isinstance(of, type) else type(of).__name__
        raise TypeError(f"{function} takes a record, or a changeset of one; not {kind}")
    return of, {} if given is None else given

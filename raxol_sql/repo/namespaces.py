"""Lookup of the queries of a record by namespace."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from raxol_sql.errors import DefinitionError, MissingQueryError, did_you_mean
from raxol_sql.queries import Queries, Query
from raxol_sql.repo.starter import starter
from raxol_sql.repo.verbs import Action, kinds_of, name_of

_VERBS = frozenset(verb.query for verb in Action if verb.gives_records)


class Namespaces:
    """
    The queries of records, by namespace.

    A record belongs to the namespace in which a query named after a verb, such as ``create`` or
    ``get_by_email``, returns it. ``given`` names the namespace of records for which there are
    several or none. Raises `UnknownQueryError` for a namespace that does not exist. Immutable.
    """

    def __init__(self, queries: Queries, given: Mapping[type, str]) -> None:
        self._queries = queries
        self._of: dict[type, list[str]] = {}
        for query in _all(queries):
            namespace = ".".join(query.definition.namespace)
            verb = query.definition.name.partition("_by_")[0]
            if query.record is not None and verb in _VERBS:
                known = self._of.setdefault(query.record, [])
                if namespace not in known:
                    known.append(namespace)
        for record, namespace in given.items():
            if not isinstance(queries[namespace], Queries):
                raise TypeError(f"{namespace!r} is a query, and {record.__name__} needs the folder")
            self._of[record] = [namespace]

    def of(self, record: type) -> str:
        """
        Return the namespace of a record; raise LookupError, with a remedy, if it is not known.
        """
        if not isinstance(record, type):
            raise TypeError("give the class of the record first, as in get(User, 7)")
        found = self._of.get(record, [])
        if len(found) == 1:
            return found[0]
        name = record.__name__
        say = f"say which is meant: Repo(db, queries, namespaces={{{name}: '...'}})"
        if found:
            raise LookupError(f"{name} is given by queries of {', '.join(found)}; {say}")
        nearest = difflib.get_close_matches(name, [known.__name__ for known in self._of], n=1)
        raise LookupError(
            f"no query called {', '.join(sorted(_VERBS))} gives {name}{did_you_mean(nearest)}; "
            f"write one, as in -- name: get :maybe -> {name}, load it with records=[{name}], "
            f"or {say}"
        )

    def find(self, record: type, verb: Action, conditions: tuple[str, ...] = ()) -> Query[object]:
        """
        Return the query of a record for a verb with conditions.

        Raises `MissingQueryError` with a starter if it does not exist, and `DefinitionError` if it
        has another kind or returns another record.
        """
        namespace = self.of(record)
        name = name_of(verb, conditions)
        query = self.look_up(record, name)
        if query is None:
            raise self._missing_error(record, namespace, verb, conditions)
        is_right = query.record is record if verb.gives_records else query.is_scalar
        if query.kind not in verb.kinds or not is_right:
            result = record.__name__ if verb.gives_records else "scalar"
            definition = query.definition
            written = f":{query.kind.value}" + (
                f" -> {definition.result}" * bool(definition.result)
            )
            raise DefinitionError(
                f"a repo cannot run {query.name}, which is {written}",
                f"write -- name: {name} {kinds_of(verb.kinds)} -> {result}",
                definition.path,
                definition.line,
                query=query.name,
            )
        return query

    def look_up(self, record: type, name: str) -> Query[object] | None:
        """Return the query ``name`` of a record, or None if it does not exist."""
        full = f"{self.of(record)}.{name}"
        if full not in self._queries:
            return None
        found: Query[object] = self._queries[full]
        return found

    def _missing_error(
        self, record: type, namespace: str, verb: Action, conditions: tuple[str, ...]
    ) -> MissingQueryError:
        name = name_of(verb, conditions)
        siblings = [
            query
            for query in _all(self._queries)
            if ".".join(query.definition.namespace) == namespace
        ]
        key = next((one.required for one in siblings if one.definition.name == "get"), ("id",))
        names = [one.definition.name for one in siblings]
        nearest = difflib.get_close_matches(name, names, n=3)
        called = "get_by" if verb is Action.GET and conditions else verb.name.lower()
        shown = ", ".join([record.__name__, *(f"{condition}=…" for condition in conditions)])
        return MissingQueryError(
            f"{namespace}.{name}",
            f"{called}({shown}) needs a query that is not written",
            siblings[0].definition.path if siblings else f"{namespace.replace('.', '/')}.sql",
            starter(record, namespace.rpartition(".")[2], verb, sorted(conditions), key),
            [f"{namespace}.{near}" for near in nearest],
        )


def _all(queries: Queries) -> Iterator[Query[object]]:
    for name in queries:
        yield queries[name]

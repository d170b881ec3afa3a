"""The registry of named queries: an immutable tree of namespaces."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn

from raxol_sql.errors import UnknownQueryError
from raxol_sql.queries.query import Query


class Queries:
    """
    The queries below one namespace, by attribute and by name.

    ``queries.users.get`` and ``queries["users.get"]`` are the same `Query`. Iterating yields the
    full names in order; ``in`` and ``len`` include the queries of all namespaces below. A name
    that does not exist raises `UnknownQueryError`, with the nearest names. Immutable, and safe to
    use from any thread. It has no methods, so that every name is free for a query.
    """

    __slots__ = ("_members", "_namespace")

    _members: Mapping[str, Query[Any] | Queries]
    _namespace: tuple[str, ...]

    def __init__(self, queries: Iterable[Query[Any]], namespace: tuple[str, ...] = ()) -> None:
        members: dict[str, Query[Any] | Queries] = {}
        inner: dict[str, list[Query[Any]]] = {}
        depth = len(namespace)
        for query in queries:
            path = query.definition.namespace
            if len(path) == depth:
                members[query.definition.name] = query
            else:
                inner.setdefault(path[depth], []).append(query)
        for name, below in inner.items():
            members[name] = Queries(below, (*namespace, name))
        object.__setattr__(self, "_namespace", namespace)
        object.__setattr__(self, "_members", dict(sorted(members.items())))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._members[name]
        except KeyError:
            self._unknown(name)

    def __getitem__(self, name: str) -> Any:
        if not isinstance(name, str):
            raise TypeError(f"a query is looked up by its name; not by {type(name).__name__}")
        found: Any = self
        for part in name.split("."):
            if not isinstance(found, Queries) or part not in found._members:
                self._unknown(name)
            found = found._members[part]
        return found

    def __iter__(self) -> Iterator[str]:
        for name, member in self._members.items():
            if isinstance(member, Queries):
                yield from (f"{name}.{below}" for below in member)
            else:
                yield name

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and any(name == known for known in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._members]

    def __repr__(self) -> str:
        where = ".".join(self._namespace) or "all namespaces"
        return f"<Queries of {where}: {', '.join(self._members) or 'none'}>"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a registry does not change: {name!r} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a registry does not change: {name!r} cannot be deleted")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (tuple(self[name] for name in self), self._namespace)

    def _unknown(self, name: str) -> NoReturn:
        wanted = ".".join((*self._namespace, name))
        last = name.rpartition(".")[2]
        nearest = difflib.get_close_matches(name, [*self, *self._members], n=3)
        if not nearest:
            nearest = [known for known in self if known.rpartition(".")[2] == last][:3]
        prefix = "".join(f"{part}." for part in self._namespace)
        raise UnknownQueryError(wanted, [prefix + known for known in dict.fromkeys(nearest)])

"""How often each query ran in a part of a program, to find those that run again and again."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from contextvars import ContextVar, Token
from types import MappingProxyType, TracebackType
from typing import Any, Self

from raxol_sql.brief_lock import BriefLock
from raxol_sql.queries import Query
from raxol_sql.text import writes


class RepeatedQueryWarning(UserWarning):
    """A query ran again and again in one scope, where one query could have read everything."""


class LoneWritesWarning(UserWarning):
    """Several statements of one scope changed rows, each on its own, outside of a transaction."""


class Scope:
    """
    What ran in a ``with`` block, in its thread and its tasks; made by `Database.scope`.

    For one block, once. Its figures stay after that.
    """

    def __init__(self, limit: int, *, lone_writes: bool) -> None:
        if limit < 1:
            raise ValueError(f"limit is a number of runs, 1 or more; not {limit}")
        self._limit = limit
        self._warns_of_writes = lone_writes
        self._counts: Counter[str] = Counter()
        self._writes: list[str] = []
        self._lock = BriefLock()
        self._token: Token[tuple[Scope, ...]] | None = None

    @property
    def counts(self) -> Mapping[str, int]:
        """How often each query ran, by name. What shares a round trip counts for nothing."""
        return MappingProxyType(self._counts)

    @property
    def repeated(self) -> dict[str, int]:
        """The queries that ran more often than the limit, the most frequent first."""
        return {name: n for name, n in self._counts.most_common() if n > self._limit}

    @property
    def lone_writes(self) -> tuple[str, ...]:
        """The queries that changed rows outside of any transaction, in the order they ran."""
        return tuple(self._writes)

    def saw(self, query: Query[Any], text: str, *, is_alone: bool) -> None:
        """Takes note of a query that is run."""
        with self._lock:
            self._counts[query.name] += 1
            if is_alone and writes(text):
                self._writes.append(query.name)

    def __enter__(self) -> Self:
        if self._token is not None:
            raise RuntimeError("a scope is used once: ask for a new one")
        self._token = current.set((*current.get(), self))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._token is not None, "it was entered"
        current.reset(self._token)
        if error is not None:
            return
        for name, count in self.repeated.items():
            warnings.warn(
                f"{name} ran {count} times in one scope: read it in one query, as attach() does",
                RepeatedQueryWarning,
                stacklevel=2,
            )
        if self._warns_of_writes and len(self._writes) > 1:
            warnings.warn(
                f"{', '.join(self._writes)} wrote rows in separate transactions: group related "
                "writes in a transaction or a Multi",
                LoneWritesWarning,
                stacklevel=2,
            )


# The scopes that this thread or task is in, the outermost first.
current: ContextVar[tuple[Scope, ...]] = ContextVar("current", default=())

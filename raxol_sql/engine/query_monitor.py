"""Counts of the queries in a block, to find repeated ones."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from contextvars import ContextVar, Token
from types import MappingProxyType, TracebackType
from typing import Any, Self

from raxol_sql.brief_lock import BriefLock
from raxol_sql.errors import LoneWritesWarning, RepeatedQueryWarning
from raxol_sql.queries import Query
from raxol_sql.text import writes


class QueryMonitor:
    """
    Counts what runs in a ``with`` block, in its thread and tasks; see `Database.watch_queries`.

    For one block, once. Its figures stay after that.
    """

    def __init__(self, max_repeats: int, *, warn_lone_writes: bool) -> None:
        if max_repeats < 1:
            raise ValueError(f"max_repeats must be 1 or more, not {max_repeats}")
        self._max_repeats = max_repeats
        self._warns_of_writes = warn_lone_writes
        self._counts: Counter[str] = Counter()
        self._writes: list[str] = []
        self._lock = BriefLock()
        self._token: Token[tuple[QueryMonitor, ...]] | None = None

    @property
    def counts(self) -> Mapping[str, int]:
        """
        Return how often each query ran, by name. Queries that share a round trip are not counted.
        """
        return MappingProxyType(self._counts)

    @property
    def repeated(self) -> dict[str, int]:
        """Return the queries that ran more than ``max_repeats`` times, most frequent first."""
        return {name: n for name, n in self._counts.most_common() if n > self._max_repeats}

    @property
    def lone_writes(self) -> tuple[str, ...]:
        """Return the queries that wrote rows outside a transaction, in order of execution."""
        return tuple(self._writes)

    def record(self, query: Query[Any], text: str, *, is_alone: bool) -> None:
        """Count a query."""
        with self._lock:
            self._counts[query.name] += 1
            if is_alone and writes(text):
                self._writes.append(query.name)

    def __enter__(self) -> Self:
        if self._token is not None:
            raise RuntimeError(
                "a QueryMonitor can be entered only once: call watch_queries() again"
            )
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
                f"{name} ran {count} times in one block: read all rows with one query, for "
                f"example with preload()",
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


# The monitors that this thread or task is in, the outermost first.
current: ContextVar[tuple[QueryMonitor, ...]] = ContextVar("current", default=())

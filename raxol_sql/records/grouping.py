"""Rows of a join put together: one record for those that belong together, with a list in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

from raxol_sql.records.builder import Build, Row
from raxol_sql.records.matching import Fail, Match, listed

Keyed = tuple[Any, Any]


class GroupedBuild:
    """
    The function from a row to its key and its record, whose list holds the child of that row.

    `merge` makes the records of them. ``columns`` are those of ``@group``, ``matched`` is what the
    row makes. Raises what ``fail`` makes where there is no one list to collect. Safe to call from
    any thread.
    """

    def __init__(
        self,
        fail: Fail,
        columns: tuple[str, ...],
        known: dict[str, int],
        matched: Match,
        build: Build,
    ) -> None:
        unknown = [name for name in columns if name not in known]
        if unknown:
            raise fail(f"@group names columns that are not there: {listed(unknown)}")
        lists = [name for name, inside in matched.inner.items() if inside.sequence is not None]
        if not lists:
            raise fail(
                '@group collects columns such as "children.id" in a list, and there are none '
                f"for a field of {matched.record.__name__} that is a list of records"
            )
        if len(lists) > 1:
            raise fail(
                f"the lists {listed(lists)} would multiply each other's rows: "
                "load one of them with attach(), or as JSON"
            )
        (self._name,) = lists
        self._is_tuple = matched.inner[self._name].sequence is tuple
        self._key: Callable[[Row], Any] = itemgetter(*(known[name] for name in columns))
        self._build = build
        self._fail = fail
        self._columns = columns

    def __call__(self, row: Row) -> Keyed:
        return self._key(row), self._build(row)

    def merge(self, rows: Iterable[Keyed]) -> list[Any]:
        """The records, in the order in which each came first."""
        records: dict[Any, Any] = {}
        children: dict[Any, list[Any]] = {}
        name = self._name
        try:
            for key, record in rows:
                if key in records:
                    children[key] += getattr(record, name)
                else:
                    records[key] = record
                    children[key] = [*getattr(record, name)]
        except TypeError:
            raise self._fail(
                f"@group tells records apart by values, and those of {listed(self._columns)} are "
                "lists or the like: name a key"
            ) from None
        for key, record in records.items():
            own = children[key]
            # It is made here and nobody has seen it, so that it may be frozen is no matter.
            object.__setattr__(record, name, tuple(own) if self._is_tuple else own)
        return list(records.values())

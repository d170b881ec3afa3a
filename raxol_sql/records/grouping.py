"""Grouping of the rows of a join into records with a list of children (``@group``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Any, Protocol

import attrs

from raxol_sql.records.builder import Build, Row
from raxol_sql.records.matching import Fail, Match, list_names


class MakeBuild(Protocol):
    """A factory of the function from a row of some width to a record; see `record_builder`."""

    def __call__(
        self, not_null: Mapping[int, str], matched: Match, width: int, absent: tuple[int, ...] = ()
    ) -> Build: ...


class GroupedBuild:
    """
    A builder of records from rows that each hold the columns of a record and of one child.

    ``group`` are the columns of ``@group``, ``known`` the indexes of all columns by name, and
    ``matched`` how a row maps to records. Raises the error that ``fail`` makes unless there is
    exactly one list to collect. Safe to call from any thread.
    """

    def __init__(
        self,
        fail: Fail,
        group: tuple[str, ...],
        known: Mapping[str, int],
        matched: Match,
        not_null: Mapping[int, str],
        make: MakeBuild,
    ) -> None:
        name = _list_of(fail, matched)
        child, width = matched.inner[name], len(known)
        _check_key(fail, group, known, child)
        shared = {index: name for name, index in known.items() if index not in child.indexes}
        self._fail = fail
        self._group = group
        self._names = tuple(shared.values())
        self._key = itemgetter(*(known[name] for name in group))
        self._shared = itemgetter(*shared)
        self._sequence = child.sequence or list
        self._child = make(
            {index: name for index, name in not_null.items() if index not in shared},
            attrs.evolve(child, nullable=False),
            width,
            absent=child.indexes,
        )
        # The list is one more column, so that the constructor of the record gets it complete.
        inner = {field: match for field, match in matched.inner.items() if field != name}
        parent = attrs.evolve(matched, columns={**matched.columns, name: width}, inner=inner)
        parents = {index: name for index, name in not_null.items() if index in shared}
        self._parent = make(parents, parent, width + 1)

    def __call__(self, row: Row) -> Row:
        return row

    def merge(self, rows: Iterable[Row]) -> list[Any]:
        """
        Return the records, in the order of their first rows.

        Raises `RecordError` if the rows of one record differ in its own columns: the result would
        depend on which row came first.
        """
        groups: dict[Any, tuple[Row, Any, list[Any]]] = {}
        for row in rows:
            key, shared = self._key(row), self._shared(row)
            try:
                known = groups.get(key)
            except TypeError:
                raise self._fail(
                    "@group tells records apart by values, and those of "
                    f"{list_names(self._group)} are lists or the like: name a key"
                ) from None
            if known is None:
                groups[key] = known = (row, shared, [])
            elif not _is_same(known[1], shared):
                self._compare(known[1], shared)
            child = self._child(row)
            if child is not None:
                known[2].append(child)
        make, sequence = self._parent, self._sequence
        return [make((*row, sequence(children))) for row, _, children in groups.values()]

    def _compare(self, first: Any, other: Any) -> None:
        """Raise for columns that differ; a NaN or a numpy array equals nothing."""
        pairs = [(first, other)] if len(self._names) == 1 else zip(first, other, strict=True)
        different = [
            name
            for name, (one, two) in zip(self._names, pairs, strict=True)
            if not _is_same(one, two) and repr(one) != repr(two)
        ]
        if different:
            raise self._fail(
                f"rows of one record differ in {list_names(different)}: "
                "name in @group what tells the records apart"
            )


def _is_same(one: Any, two: Any) -> bool:
    try:
        return bool(one == two)
    except Exception:  # the program's types may raise anything
        return False


def _list_of(fail: Fail, matched: Match) -> str:
    lists = [name for name, inside in matched.inner.items() if inside.sequence is not None]
    if not lists:
        raise fail(
            '@group collects columns such as "children.id" in a list, and there are none for a '
            f"field of {matched.record.__name__} that is a list of records"
        )
    if len(lists) > 1:
        raise fail(
            f"the lists {list_names(lists)} would multiply each other's rows: "
            "load one of them with preload(), or as JSON"
        )
    return lists[0]


def _check_key(fail: Fail, group: tuple[str, ...], known: Mapping[str, int], child: Match) -> None:
    unknown = [name for name in group if name not in known]
    if unknown:
        raise fail(f"@group names columns that are not there: {list_names(unknown)}")
    inside = [name for name in group if known[name] in child.indexes]
    if inside:
        raise fail(
            f"@group names columns of the list itself: {list_names(inside)}; "
            "name those that the rows of one record share"
        )

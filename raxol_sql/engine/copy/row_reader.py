"""Reading of the rows that a caller gives to a COPY."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter, countOf, itemgetter
from typing import Any

import attrs

from raxol_sql.errors import ParameterError, with_article

Row = Sequence[Any]
Many = Callable[[list[Any]], list[Row]]


class RowReader:
    """
    A reader of rows of any kind: sequences in order, mappings by column, records by field.

    ``names`` are the columns, none if unknown; ``by_name`` says whether they are listed in the
    COPY, so that a change of the table does not change the meaning of a row by name.
    """

    def __init__(self, query: str, names: tuple[str, ...], *, by_name: bool) -> None:
        self._query = query
        self._names = names
        self._by_name = by_name
        self._ways: dict[type, Many] = {}

    def read(self, rows: list[Any], first: int) -> list[Row]:
        """
        Return ``rows`` in the order of the columns; the first of them has the number ``first``.

        Raises `ParameterError` for a row that does not fit.
        """
        kind = type(rows[0])
        if countOf(map(type, rows), kind) == len(rows):
            way = self._ways.get(kind)
            if way is None:
                way = self._ways[kind] = self._way(kind)
            try:
                return way(rows)
            except (_UnlikeRowsError, AttributeError, KeyError):
                pass  # The wrong row is found by reading one at a time.
        return [self._row(row, number) for number, row in enumerate(rows, first)]

    def _way(self, kind: type) -> Many:
        """
        Return the fastest reader for rows that are all of one kind and have exactly these columns.
        """
        count = len(self._names)
        if kind is tuple or kind is list:
            return _of_length(count) if count else list
        if not self._by_name:
            return _one_by_one
        if kind is dict:
            return _each(itemgetter(*self._names), count, _of_length(count))
        if attrs.has(kind):
            return _each(attrgetter(*self._names), count, list)
        return _one_by_one

    def _row(self, row: Any, number: int) -> Row:
        names = self._names
        if isinstance(row, Mapping):
            given: Any = row.keys()
            read: Any = row.__getitem__
        elif attrs.has(type(row)):
            given = [name for name in names if hasattr(row, name)]
            read = row.__getattribute__
        elif isinstance(row, Sequence) and not isinstance(row, (str, bytes)):
            if names and len(row) != len(names):
                problem = f"has {len(row)} values for {len(names)} columns: {', '.join(names)}"
                raise ParameterError(self._query, [f"row {number} {problem}"])
            return tuple(row)
        else:
            raise ParameterError(
                self._query,
                [f"row {number} is {with_article(type(row).__name__)}, which is not a row"],
            )
        if not self._by_name:
            problem = "to give rows by name, list the columns in the COPY statement"
            raise ParameterError(self._query, [problem])
        problems = [f"row {number} has no {name}" for name in names if name not in given]
        problems += [
            f"row {number} has {name}, which is not a column" for name in given if name not in names
        ]
        if problems:
            raise ParameterError(self._query, problems)
        return tuple([read(name) for name in names])


class _UnlikeRowsError(Exception):
    """The rows cannot all be read in the same way."""


def _one_by_one(rows: list[Any]) -> list[Row]:
    raise _UnlikeRowsError


def _of_length(count: int) -> Many:
    def check(rows: list[Any]) -> list[Row]:
        if countOf(map(len, rows), count) != len(rows):
            raise _UnlikeRowsError
        return rows

    return check


def _each(read: Callable[[Any], Any], count: int, check: Many) -> Many:
    if count == 1:
        return lambda rows: [(value,) for value in map(read, check(rows))]
    return lambda rows: list(map(read, check(rows)))

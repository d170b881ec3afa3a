"""Matching of preloaded children with their parents, without any I/O."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs

from raxol_sql.errors import ParameterError, RecordError, TooManyRowsError, did_you_mean
from raxol_sql.queries import Query
from raxol_sql.records.fields import fields_of


@attrs.frozen(eq=False, repr=False)
class ChildMatcher:
    """
    A matcher of children with their parents.

    ``parent_key`` is the field of a parent that equals the field ``child_key`` of its children.
    ``into`` is the field of the parent that receives them, or None. ``single`` allows each parent
    at most one child.
    """

    query: Query[Any]
    parent_key: str
    child_key: str
    into: str | None
    single: bool

    def keys_of(self, parents: Sequence[Any]) -> list[Any]:
        """Return the distinct keys of the parents, in order, without None."""
        keys = dict.fromkeys(
            self._value(parent, self.parent_key, "parent_key") for parent in parents
        )
        keys.pop(None, None)
        return list(keys)

    def match(self, parents: Sequence[Any], children: Iterable[Any]) -> list[Any]:
        """
        Return the parents in their order, each with its children in their order.

        Each item is a pair of the parent and its children, or the parent with the field ``into``
        set. Raises `ParameterError` for a field that does not exist, `RecordError` for a child
        that matches no parent, and `TooManyRowsError` for several children with ``single``.
        """
        of: dict[Any, list[Any]] = {key: [] for key in self.keys_of(parents)}
        for child in children:
            own = of.get(self._value(child, self.child_key, "child_key"))
            if own is None:
                raise self._stray()
            own.append(child)
        of[None] = []
        found = [(parent, of[getattr(parent, self.parent_key)]) for parent in parents]
        put = self._putter(parents)
        if not self.single:
            return [put(parent, own) for parent, own in found]
        most = max(map(len, of.values()))
        if most > 1:
            problem = f"one child was expected for each {self.parent_key}, and one has {most}"
            raise TooManyRowsError(self.query.name, self.query.location, problem)
        return [put(parent, own[0] if own else None) for parent, own in found]

    def _putter(self, parents: Sequence[Any]) -> Callable[[Any, Any], Any]:
        """Return the function that combines a parent with its children."""
        into = self.into
        if into is None:
            return lambda parent, own: (parent, own if self.single else [*own])
        kinds = {}
        for record in {type(parent) for parent in parents}:
            field = fields_of(record).get(into) if attrs.has(record) else None
            if field is None:
                raise self._unknown(record, into, "into")
            kinds[record] = field.sequence or list

        def put(parent: Any, own: Any) -> Any:
            value = own if self.single else kinds[type(parent)](own)
            return attrs.evolve(parent, **{into: value})

        return put

    def _stray(self) -> RecordError:
        return RecordError(
            self.query.name,
            self.query.location,
            f"a row has a {self.child_key} that is no {self.parent_key} of the parents, so "
            f"it would be "
            "lost: say which fields are equal with parent_key= and child_key=, or give both "
            "one type",
        )

    def _value(self, record: Any, field: str, argument: str) -> Any:
        try:
            return getattr(record, field)
        except AttributeError:
            raise self._unknown(type(record), field, argument) from None

    def _unknown(self, record: type, field: str, argument: str) -> ParameterError:
        names = [one.name for one in attrs.fields(record)] if attrs.has(record) else []
        near = did_you_mean(difflib.get_close_matches(field, names, n=2))
        there = near or f": it has {', '.join(names) or 'no fields'}"
        return ParameterError(
            self.query.name, [f"{argument}={field!r} is no field of {record.__name__}{there}"]
        )

"""Children put with their parents: which belongs to which, without any I/O."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from raxol_sql.errors import ParameterError, TooManyRowsError, did_you_mean
from raxol_sql.queries import Query
from raxol_sql.records.fields import fields_of

Pair = tuple[Any, Any]


@attrs.frozen
class Attachment:
    """
    How children are put with their parents.

    ``key`` is the field of a parent that the ``foreign`` field of its children equals, ``into``
    the field of the parent that takes them, if one does, and ``one`` says that there is only one.
    """

    query: Query[Any]
    key: str
    foreign: str
    into: str | None
    one: bool

    def keys_of(self, parents: Sequence[Any]) -> list[Any]:
        """The keys that children are looked for by: each once, in order, and never None."""
        keys = dict.fromkeys(self._value(parent, self.key, "key") for parent in parents)
        keys.pop(None, None)
        return list(keys)

    def attach(self, parents: Sequence[Any], children: Iterable[Any]) -> list[Any]:
        """
        The parents in their order, with their children in theirs.

        A pair of each parent and its children, or the parent with the field ``into`` set. Raises
        `ParameterError` for a field that is not there, and `TooManyRowsError` where there is to be
        one child and there are more.
        """
        of: dict[Any, list[Any]] = {}
        for child in children:
            of.setdefault(self._value(child, self.foreign, "foreign"), []).append(child)
        found = [(parent, of.get(getattr(parent, self.key), [])) for parent in parents]
        if not self.one:
            return [self._put(parent, list(own)) for parent, own in found]
        most = max((len(own) for _, own in found), default=0)
        if most > 1:
            problem = f"one child was expected for each {self.key}, and one has {most}"
            raise TooManyRowsError(self.query.name, self.query.location, problem)
        return [self._put(parent, own[0] if own else None) for parent, own in found]

    def _put(self, parent: Any, own: Any) -> Any:
        if self.into is None:
            return parent, own
        field = fields_of(type(parent)).get(self.into)
        if field is None:
            raise self._unknown(type(parent), self.into, "into")
        if not self.one and field.sequence is tuple:
            own = tuple(own)
        return attrs.evolve(parent, **{self.into: own})

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

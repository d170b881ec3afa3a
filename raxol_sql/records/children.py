"""Children put with their parents: which belongs to which, without any I/O."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs

from raxol_sql.errors import ParameterError, RecordError, TooManyRowsError, did_you_mean
from raxol_sql.queries import Query
from raxol_sql.records.fields import fields_of


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
        `ParameterError` for a field that is not there, `RecordError` for a child of none of the
        parents, and `TooManyRowsError` where there is to be one child and there are more.
        """
        of: dict[Any, list[Any]] = {key: [] for key in self.keys_of(parents)}
        for child in children:
            own = of.get(self._value(child, self.foreign, "foreign"))
            if own is None:
                raise self._stray()
            own.append(child)
        of[None] = []
        found = [(parent, of[getattr(parent, self.key)]) for parent in parents]
        put = self._putter(parents)
        if not self.one:
            return [put(parent, own) for parent, own in found]
        most = max(map(len, of.values()))
        if most > 1:
            problem = f"one child was expected for each {self.key}, and one has {most}"
            raise TooManyRowsError(self.query.name, self.query.location, problem)
        return [put(parent, own[0] if own else None) for parent, own in found]

    def _putter(self, parents: Sequence[Any]) -> Callable[[Any, Any], Any]:
        """The function that puts a parent and what is its own together."""
        into = self.into
        if into is None:
            return lambda parent, own: (parent, own if self.one else [*own])
        kinds = {}
        for record in {type(parent) for parent in parents}:
            field = fields_of(record).get(into) if attrs.has(record) else None
            if field is None:
                raise self._unknown(record, into, "into")
            kinds[record] = field.sequence or list

        def put(parent: Any, own: Any) -> Any:
            value = own if self.one else kinds[type(parent)](own)
            return attrs.evolve(parent, **{into: value})

        return put

    def _stray(self) -> RecordError:
        return RecordError(
            self.query.name,
            self.query.location,
            f"a row has a {self.foreign} that is no {self.key} of the parents, so it would be "
            "lost: say which fields are equal with key= and foreign=, or give both one type",
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

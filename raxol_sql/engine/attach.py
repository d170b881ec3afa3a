"""Loading the children of many parents in one query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from raxol_sql.errors import KindError, ParameterError
from raxol_sql.queries import Query
from raxol_sql.queries.validation import require_query
from raxol_sql.records import Attachment
from raxol_sql.text import Kind


@attrs.frozen
class AttachCall:
    """What `Database.attach` is asked for, as its arguments say it."""

    query: Query[Any]
    into: str | None
    key: str
    foreign: str | None
    parameter: str | None
    one: bool
    arguments: Mapping[str, Any]

    def settled(self) -> tuple[str, Attachment]:
        """
        The parameter that takes the keys, and how children are put with their parents.

        Raises `KindError` for a query that is no :many, and `ParameterError` where it cannot be
        said which parameter is meant.
        """
        query = require_query("attach()", self.query)
        if query.kind is not Kind.MANY:
            problem = f"attach() takes :many, and this is :{query.kind.value}"
            raise KindError(query.name, problem)
        parameter = self.parameter or self._only(query)
        foreign = self.foreign or parameter.removesuffix("s")
        return parameter, Attachment(query, self.key, foreign, self.into, self.one)

    def _only(self, query: Query[Any]) -> str:
        left = [name for name in query.required if name not in self.arguments]
        if len(left) == 1:
            return left[0]
        raise ParameterError(
            query.name,
            [f"say which parameter takes the keys: parameter={' or '.join(map(repr, left))}"]
            if left
            else ["it has no parameter for the keys, such as user_ids in `= any(:user_ids)`"],
        )


def parents_of(given: Iterable[Any]) -> list[Any]:
    """The parents, as a list; raises TypeError for a single record."""
    if attrs.has(type(given)):
        raise TypeError(f"attach() takes a list of records; not one {type(given).__name__}")
    return list(given)

"""Loading the children of many parents in one query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from raxol_sql.errors import ParameterError, QueryKindError
from raxol_sql.queries import Query
from raxol_sql.queries.validation import require_query
from raxol_sql.records import ChildMatcher
from raxol_sql.text import Kind


@attrs.frozen(eq=False, repr=False)
class PreloadCall:
    """The arguments of one call of `Database.preload`."""

    query: Query[Any]
    into: str | None
    parent_key: str
    child_key: str | None
    keys_parameter: str | None
    single: bool
    arguments: Mapping[str, Any]

    def validate(self) -> tuple[str, ChildMatcher]:
        """
        Return the parameter for the keys, and the matcher of children to parents.

        Raises `QueryKindError` for a query that is not :many, and `ParameterError` if it is unclear
        which parameter takes the keys.
        """
        query = require_query("preload()", self.query)
        if query.kind is not Kind.MANY:
            problem = f"preload() takes a :many query, not a :{query.kind.value} query"
            raise QueryKindError(query.name, problem)
        parameter = self.keys_parameter or self._only_parameter(query)
        child_key = self.child_key or parameter.removesuffix("s")
        return parameter, ChildMatcher(query, self.parent_key, child_key, self.into, self.single)

    def _only_parameter(self, query: Query[Any]) -> str:
        left = [name for name in query.required if name not in self.arguments]
        if len(left) == 1:
            return left[0]
        raise ParameterError(
            query.name,
            [f"say which parameter takes the keys: keys_parameter={' or '.join(map(repr, left))}"]
            if left
            else [
                "the query has no parameter for the keys, such as user_ids in `= any(:user_ids)`"
            ],
        )


def parents_of(given: Iterable[Any]) -> list[Any]:
    """Return the parents as a list; raise TypeError for a single record."""
    if attrs.has(type(given)):
        raise TypeError(f"preload() takes a list of records, not a single {type(given).__name__}")
    return list(given)

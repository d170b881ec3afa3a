"""Queries made from a text, without a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from raxol_sql.queries import Query
from raxol_sql.text import Source, parse


@pytest.fixture(scope="session")
def make() -> Callable[..., Query[Any]]:
    """Gives a query ``t.get_all`` with a header's kind and record, and directives."""

    def make(
        kind: str = ":many",
        record: type | None = None,
        *,
        scalar: bool = False,
        more: str = "",
        validate: bool = False,
    ) -> Query[Any]:
        result = " -> scalar" if scalar else f" -> {record.__name__}" if record else ""
        source = Source("sql/t.sql", f"\n-- name: get_all {kind}{result}\n{more}\nselect 1")
        (definition,), errors = parse(source, ("t",))
        assert not errors
        return Query(definition, record, validate)

    return make

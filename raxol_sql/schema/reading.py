"""Checks of the text of a query, without a server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from raxol_sql.queries import Query
from raxol_sql.schema.finding import Finding, Level
from raxol_sql.text import literals
from raxol_sql.text.variants import all_statements

# '%:name%' looks like a pattern that should contain the value of a parameter.
_ALONE = re.compile(r"%?:[A-Za-z_]\w*%?|%\(\w+\)s")
_DRIVER_S = "%s"
_FORMAT = re.compile(r"\bformat\s*\(", re.IGNORECASE)


def read(query: Query[Any]) -> Iterator[Finding]:
    """Yield findings for parameters inside quotes, and for a query without a description."""
    for text in _values_in_quotes(query):
        yield Finding(
            Level.WARN,
            "literal",
            query.name,
            f"'{text}' in quotes is a text, and no parameter",
            "leave the quotes out, and write a parameter as :name, in a pattern '%' || :name",
            query.location,
        )
    if not query.definition.doc:
        yield Finding(
            Level.NOTE,
            "undocumented",
            query.name,
            "nothing says what it is for",
            "write a comment between the header and the statement",
            query.location,
        )


def _values_in_quotes(query: Query[Any]) -> list[str]:
    template = query.definition.template
    names = sorted(template.parameters | template.conditions)
    known = "|".join(map(re.escape, names)) or r"(?!)"
    # Elsewhere in a text, only a known parameter's name counts: 'HH24:MI' contains none.
    named = re.compile(rf"(?<![\w:]):(?:{known})\b|%\((?:{known})\)s|\{{(?:{known})\}}")
    found: dict[str, None] = {}
    for statement in all_statements(template):
        may_be_format = _FORMAT.search(statement.text) is not None
        for text in literals(statement.text):
            if (
                _ALONE.fullmatch(text)
                or named.search(text)
                or (text == _DRIVER_S and not may_be_format)
            ):
                found[text] = None
    return list(found)

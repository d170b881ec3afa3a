"""The text of one statement, with its parameters written as each library wants them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Self

import attrs

import raxol_sql as rx

_NUMBERED = re.compile(r"\$(\d+)")


@attrs.frozen
class Text:
    """
    A statement: ``numbered`` with ``$1``, and the ``names`` that the numbers stand for.

    All forms but the first are for texts without a ``%`` or a colon of their own.
    """

    numbered: str
    names: tuple[str, ...]

    @classmethod
    def of(cls, query: rx.Query[Any]) -> Self:
        """What raxol_sql itself sends for a query that is the same whatever it is given."""
        statement = query(**dict.fromkeys(query.definition.template.parameters)).statement
        return cls(statement.text, statement.parameters)

    @property
    def named(self) -> str:
        """With ``:name``, for aiosql, SQLAlchemy and pgbench."""
        return self._written(lambda name: f":{name}")

    @property
    def pyformat(self) -> str:
        """With ``%(name)s``, for psycopg and psycopg2."""
        return self._written(lambda name: f"%({name})s")

    @property
    def positional(self) -> str:
        """With ``%s``, for values in the order of ``names``."""
        return self._written(lambda name: "%s")

    def _written(self, write: Callable[[str], str]) -> str:
        return _NUMBERED.sub(lambda found: write(self.names[int(found[1]) - 1]), self.numbered)

"""The functions of a repo, and the names and kinds of their queries."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable

from raxol_sql.text import Kind

_ROW = (Kind.MAYBE, Kind.ONE)


class Action(enum.Enum):
    """A function of a repo, with the name of its query and the kinds that the query may have."""

    GET = ("get", _ROW)
    CREATE = ("create", (Kind.ONE,))
    UPSERT = ("upsert", _ROW)
    UPDATE = ("update", _ROW)
    DELETE = ("delete", _ROW)
    ALL = ("all", (Kind.MANY,))
    FIRST = ("first", _ROW)
    LAST = ("last", _ROW)
    EXISTS = ("exists", (Kind.ONE,))
    COUNT = ("count", (Kind.ONE,))
    INSERT_ALL = ("insert_all", _ROW)

    def __init__(self, query: str, kinds: tuple[Kind, ...]) -> None:
        self.query = query
        self.kinds = kinds

    @property
    def gives_records(self) -> bool:
        """Return whether its query returns the record, and not a scalar."""
        return self not in (Action.EXISTS, Action.COUNT)


def name_of(verb: Action, conditions: Iterable[str] = ()) -> str:
    """
    Return the name of a verb's query with conditions: ``get_by_email``, ``all_by_active_and_age``.

    The conditions are in alphabetical order, so that each set of them has one name.
    """
    names = "_and_".join(sorted(conditions))
    return f"{verb.query}_by_{names}" if names else verb.query


def kinds_of(kinds: Collection[Kind]) -> str:
    """Return kinds for messages: ``:maybe or :one``."""
    return " or ".join(f":{kind.value}" for kind in kinds)

"""The names in a starter, made of those in the database."""

from __future__ import annotations

import keyword
import re

from raxol_sql.records import can_be_written
from raxol_sql.schema import Column, Constraint, Table
from raxol_sql.text import name_problem

SET_BY_THE_SERVER = ("inserted_at", "updated_at")
LOCK = "lock_version"
_MOMENTS = frozenset(["timestamp", "timestamptz", "date"])
_INTEGERS = frozenset(["int2", "int4", "int8"])
# What the methods of an attrs class call the record itself, or a class its own method.
_METHODS = frozenset(["self", "changeset"])
# What the module of a record has already.
_TAKEN = frozenset(["Any", "Changeset", "Decimal", "Mapping", "UUID"])


def class_name(table: str) -> str:
    """
    The name of a record: ``users`` makes User, ``user_preferences`` UserPreference.

    Words are put together with capitals; of the last a final s goes, or ies becomes y. Code that
    wants another one says so.
    """
    words = [word for word in re.split(r"[^A-Za-z0-9]+", table) if word]
    if words and re.search(r"[^s]s$", words[-1]):
        last = words[-1]
        words[-1] = f"{last[:-3]}y" if last.endswith("ies") else last[:-1]
    name = "".join(word[0].upper() + word[1:] for word in words)
    return name if name.isidentifier() and name not in _TAKEN else f"Row{name}"


def record_name(table: Table, name: str | None) -> str:
    """
    The name of a table's record, ``name`` if that is given.

    Raises ValueError for one that no class can have, and for columns that no field can be of.
    """
    check_names(table)
    if name is not None and (not name.isidentifier() or keyword.iskeyword(name)):
        raise ValueError(f"{name!r} is no name of a class: give one like {class_name(table.name)}")
    if name in _TAKEN:
        raise ValueError(f"{name} is imported by the record's own module: choose another name")
    return name or class_name(table.name)


def check_names(table: Table) -> None:
    """Raises ValueError for a table or columns whose names no query and no record can have."""
    if not table.name.isprintable() or {*table.name} & {*'"\\'}:
        raise ValueError(f"{table.name!r} cannot be written in a comment: begin by hand")
    odd = [
        one.name
        for one in table.columns
        if name_problem(one.name) or not can_be_written(one.name) or one.name in _METHODS
    ]
    if odd:
        raise ValueError(
            f"{table.name}: no field can be called {', '.join(map(repr, odd))}; "
            "name the column otherwise in a view or a query, with `as`"
        )


def keys_of(table: Table) -> list[Constraint]:
    """The keys by which a second row like the first is refused, at once and as not unique."""
    return [
        one
        for one in (*table.of_kind("primary"), *table.of_kind("unique"))
        if "DEFERRABLE" not in one.definition and not is_exclusion(one)
    ]


def is_exclusion(constraint: Constraint) -> bool:
    """Whether what it refuses is in conflict with another row without being equal to it."""
    return constraint.kind == "exclusion" or "WITHOUT OVERLAPS" in constraint.definition


def stamped(table: Table) -> list[str]:
    """The columns that queries set to the server's time: inserted_at and updated_at."""
    return [one.name for one in table.columns if _is_stamp(one)]


def has_lock(table: Table) -> bool:
    """Whether queries count the changes of a row in lock_version."""
    return any(map(_is_lock, table.columns))


def set_on_insert(table: Table) -> dict[str, str]:
    """What an insert sets by itself, as SQL: stamps and the lock that have no default."""
    return {
        one.name: "1" if _is_lock(one) else "now()"
        for one in table.columns
        if (_is_stamp(one) or _is_lock(one)) and not one.has_default
    }


def _is_stamp(column: Column) -> bool:
    is_moment = column.base in _MOMENTS and not column.is_array
    return column.name in SET_BY_THE_SERVER and is_moment and column.is_given


def _is_lock(column: Column) -> bool:
    is_count = column.base in _INTEGERS and not column.is_array
    return column.name == LOCK and is_count and column.is_given


def asked(table: Table) -> list[str]:
    """The columns that an insert has to be told."""
    return [
        one.name
        for one in table.columns
        if one.is_given and not (one.has_default or one.nullable or _is_stamp(one) or _is_lock(one))
    ]


def offered(table: Table) -> list[str]:
    """The columns that an insert may be told, or leave to the table."""
    return [
        one.name
        for one in table.columns
        if one.is_given
        and (one.has_default or one.nullable)
        and not (_is_stamp(one) or _is_lock(one))
        and not (one.has_default and one.name in table.key)
    ]


def changed(table: Table) -> list[str]:
    """The columns that an update may change."""
    return [name for name in (*asked(table), *offered(table)) if name not in table.key]

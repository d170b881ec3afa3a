"""Constraints of the database that a changeset declares, and their fields."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

import attrs
import psycopg

from raxol_sql.changesets.field_error import FieldError


class ConstraintKind(enum.Enum):
    """A kind of constraint, with the SQLSTATE of its violation and the default message."""

    UNIQUE = ("23505", "has already been taken", ("_index", "_key", "_idx"))
    FOREIGN_KEY = ("23503", "does not exist", ("_fkey",))
    NO_ASSOC = ("23503", "is still associated with this entry", ("_fkey",))
    CHECK = ("23514", "is invalid", ())
    EXCLUSION = ("23P01", "violates an exclusion constraint", ())

    def __init__(self, sqlstate: str, message: str, endings: tuple[str, ...]) -> None:
        self.sqlstate = sqlstate
        self.message = message
        self.endings = endings


_NOT_NULL = "23502"


@attrs.frozen
class Constraint:
    """
    A declared constraint, whose violation becomes the error of a ``field``.

    ``name`` is its name in the database. None means the default names of Ecto and PostgreSQL, with
    the table that the error names: for a unique ``email`` of ``users``, ``users_email_index``,
    ``users_email_key`` or ``users_email_idx``. ``match`` is "exact", or "suffix" or "prefix", for
    the partitions of a table.
    """

    kind: ConstraintKind
    field: str
    name: str | None
    message: str
    match: str = attrs.field(
        default="exact", validator=attrs.validators.in_(("exact", "suffix", "prefix"))
    )

    def is_meant(self, sqlstate: str | None, name: str, table: str) -> bool:
        """Return whether a violation of the constraint ``name`` of ``table`` matches this."""
        if sqlstate != self.kind.sqlstate:
            return False
        if self.name is None:
            if self.kind is ConstraintKind.NO_ASSOC:
                return name.endswith(f"_{self.field}_fkey")
            return name in [f"{table}_{self.field}{ending}" for ending in self.kind.endings]
        if self.match == "suffix":
            return name.endswith(self.name)
        return name.startswith(self.name) if self.match == "prefix" else name == self.name

    @property
    def error(self) -> FieldError:
        """Return the error of the field."""
        return FieldError.of(self.message, "constraint", constraint=self.kind.name.lower())

    def __str__(self) -> str:
        named = self.name or f"…_{self.field}{' or …'.join(self.kind.endings)}"
        return f"{named} ({self.field})"


def violation(
    error: BaseException, declared: Sequence[Constraint], fields: Sequence[str]
) -> tuple[str, FieldError] | None:
    """
    Return the field of a violation and its error; None if the constraint is not declared.

    NOT NULL on a column of ``fields`` needs no declaration: the server reports the column.
    """
    name, table = _violated_constraint(error)
    sqlstate = getattr(error, "sqlstate", None)
    if sqlstate == _NOT_NULL and isinstance(error, psycopg.Error):
        column = error.diag.column_name
        if column in fields and column is not None:
            return column, FieldError("can't be blank", "required")
    for constraint in declared:
        if name and constraint.is_meant(sqlstate, name, table):
            return constraint.field, constraint.error
    return None


def note_on(error: BaseException, declared: Sequence[Constraint]) -> str | None:
    """Return what to do about the violation of an undeclared constraint; None for other errors."""
    name, table = _violated_constraint(error)
    if not name:
        return None
    known = ", ".join(map(str, declared)) or "none"
    return (
        f"the constraint {name} of {table} is not declared in the changeset, so it is no error of "
        f"a field; declared are: {known}"
    )


def _violated_constraint(error: BaseException) -> tuple[str, str]:
    """Return the violated constraint and its table; empty for any other error."""
    if not isinstance(error, psycopg.IntegrityError):
        return "", ""
    diag: Any = error.diag
    return diag.constraint_name or "", diag.table_name or ""

"""Tables of the live database, with their columns and constraints."""

from __future__ import annotations

import attrs


@attrs.frozen
class Column:
    """
    A column of a table.

    ``type`` is its type as PostgreSQL writes it, ``base`` the name of the type behind a domain, or
    of the items of an array, with ``is_array``. ``length`` is the maximum number of characters, or
    None, and ``labels`` are those of an enum. ``is_given`` says whether an insert may set it, and
    ``quoted`` is its name as SQL writes it.
    """

    name: str
    quoted: str
    type: str
    base: str
    is_array: bool
    length: int | None
    labels: tuple[str, ...]
    nullable: bool
    has_default: bool
    is_given: bool


@attrs.frozen
class Constraint:
    """
    A primary key, a unique key or index, a foreign key or a check, with its columns.

    The check of a domain counts for each column of that domain, and refers to it as VALUE. A
    unique index on some rows only is ``partial``, and a key WITHOUT OVERLAPS an ``exclusion``.

    ``definition`` is as the server writes it. For a foreign key, ``target`` is the referenced
    table, and ``target_columns`` are the referenced columns.
    """

    name: str
    kind: str
    columns: tuple[str, ...]
    definition: str = ""
    target: str = ""
    target_columns: tuple[str, ...] = ()


@attrs.frozen
class Table:
    """A table: its ``name``, ``quoted`` as SQL writes it, its columns and constraints."""

    name: str
    quoted: str
    columns: tuple[Column, ...]
    constraints: tuple[Constraint, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the primary key; empty without one."""
        return next((one.columns for one in self.constraints if one.kind == "primary"), ())

    def of_kind(self, kind: str) -> tuple[Constraint, ...]:
        """Return the constraints of a kind: primary, unique, partial, foreign, check, exclusion."""
        return tuple(one for one in self.constraints if one.kind == kind)

    def column(self, name: str) -> Column:
        """Return the column with a name."""
        return next(one for one in self.columns if one.name == name)

    def quoted_columns(self, names: tuple[str, ...] | None = None) -> list[str]:
        """Return the names of columns as SQL writes them; of all columns without ``names``."""
        if names is None:
            return [one.quoted for one in self.columns]
        return [self.column(name).quoted for name in names]

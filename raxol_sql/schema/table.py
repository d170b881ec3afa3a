"""What a table of the live database is."""

from __future__ import annotations

import attrs


@attrs.frozen
class Column:
    """
    A column, in the order of the table.

    ``type`` is as PostgreSQL writes it, ``base`` the name of the type behind it: of a domain the
    one that it is of, of an array that of its items, with ``is_array``. ``length`` is how many
    characters it holds, if that is bounded, and ``labels`` are those of an enum. ``is_given`` says
    that an insert may say its value, and ``quoted`` is its name as SQL writes it.
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
    A primary key, a unique key or index, a foreign key or a check, with the columns that it is on.

    The check of a domain is one of each of its columns, which it calls VALUE. A unique index of
    only some rows is ``partial``, and a unique key without overlaps an ``exclusion``.

    ``definition`` is as the server writes it; of a foreign key ``target`` is the table that it
    refers to, and ``target_columns`` the columns there.
    """

    name: str
    kind: str
    columns: tuple[str, ...]
    definition: str = ""
    target: str = ""
    target_columns: tuple[str, ...] = ()


@attrs.frozen
class Table:
    """A table: its ``name``, ``quoted`` as SQL writes it, and what is in it."""

    name: str
    quoted: str
    columns: tuple[Column, ...]
    constraints: tuple[Constraint, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the primary key; none where there is none."""
        return next((one.columns for one in self.constraints if one.kind == "primary"), ())

    def of_kind(self, kind: str) -> tuple[Constraint, ...]:
        """Those of a kind: primary, unique, partial, foreign, check or exclusion."""
        return tuple(one for one in self.constraints if one.kind == kind)

    def column(self, name: str) -> Column:
        """The column of a name."""
        return next(one for one in self.columns if one.name == name)

    def quoted_columns(self, names: tuple[str, ...] | None = None) -> list[str]:
        """Columns as SQL writes them, all of them where no names are given."""
        if names is None:
            return [one.quoted for one in self.columns]
        return [self.column(name).quoted for name in names]

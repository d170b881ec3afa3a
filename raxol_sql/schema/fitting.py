"""Whether what a column gives can be in a field of a record."""

from __future__ import annotations

from typing import Any

import attrs

from raxol_sql.records import ColumnType, Field, UnfitError, fields_of, reader_of
from raxol_sql.records.names import argument_name


@attrs.frozen
class Target:
    """The field of a record that a column goes to, however deep inside the query's record."""

    record: type
    attribute: attrs.Attribute[Any]
    field: Field

    def __str__(self) -> str:
        return f"{self.record.__name__}.{self.field.name}"


def target_of(record: type, column: str) -> Target | None:
    """The field that a column of a row goes to: ``name``, or ``a.b`` in the record in ``a``."""
    outer, _, rest = column.partition(".")
    field = fields_of(record).get(outer)
    if field is None:
        return None
    if rest:
        inside = field.item or field.record
        return None if inside is None else target_of(inside, rest)
    attribute = next(one for one in attrs.fields(record) if argument_name(one) == outer)
    return Target(record, attribute, field)


def misfit_of(target: Target, type: ColumnType) -> str | None:
    """
    Why no value of a column can be in a field, and what would do; None if one can.

    A field with a converter takes everything.
    """
    field = target.field
    if field.converts or target.attribute.converter is not None:
        return None
    try:
        reader_of(field.hint, type)
    except UnfitError as error:
        return str(error)
    return None

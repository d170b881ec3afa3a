"""Comparison of the types of columns with the fields of records."""

from __future__ import annotations

from typing import Any

import attrs

from raxol_sql.records import ColumnType, Field, UnfitError, fields_of, reader_of
from raxol_sql.records.names import argument_name


@attrs.frozen
class Target:
    """The field that a column fills, in the query's record or in a nested one."""

    record: type
    attribute: attrs.Attribute[Any]
    field: Field

    def __str__(self) -> str:
        return f"{self.record.__name__}.{self.field.name}"


def target_of(record: type, column: str) -> Target | None:
    """Return the field that a column fills: ``name``, or ``a.b`` in the record in ``a``."""
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
    Return why no value of a column fits a field, with a remedy; None if values can fit.

    A field with a converter accepts everything.
    """
    field = target.field
    if field.converts or target.attribute.converter is not None:
        return None
    try:
        reader_of(field.hint, type)
    except UnfitError as error:
        return str(error)
    return None

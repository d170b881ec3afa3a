"""Records out of the JSON that a query puts together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from raxol_sql.errors import RecordError
from raxol_sql.records.casting import caster_of
from raxol_sql.records.fields import Field


def json_reader(fail: Callable[[str], RecordError], field: Field) -> Callable[[Any], Any]:
    """
    The function from the value of a column to that of a ``field`` which holds records.

    An object, or a list of them, is made into the records that the field's type says, with values
    of their fields' types. Whatever else comes stays as it is: a composite type that the driver
    makes a record of, or NULL. Raises what ``fail`` makes for JSON that makes no such record.
    """
    cast = caster_of(field.hint)

    def read(value: Any) -> Any:
        if not isinstance(value, dict | list):
            return value
        try:
            return cast(value)
        except Exception:  # its own error may show a value, as may one of the program's validators
            raise fail(
                f"the JSON in the column {field.name!r} makes no {field.annotation}: its names "
                "have to be those of the fields, and its values of their types; a number with "
                "more than 15 digits is exact only as text"
            ) from None

    return read

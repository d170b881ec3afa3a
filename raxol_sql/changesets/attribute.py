"""The attrs attributes behind the fields of a changeset."""

from __future__ import annotations

import difflib
from typing import Any

import attrs

from raxol_sql.errors import did_you_mean
from raxol_sql.records.names import argument_name

# The annotation satisfies type checkers, and not every supported attrs has both names.
_FACTORY: Any = attrs.Factory
_CONVERTER: Any = getattr(attrs, "Converter", ())


def attribute_of(record: type, field: str) -> attrs.Attribute[Any]:
    """Return the attribute of the constructor's argument ``field``, or raise AttributeError."""
    attributes: dict[str, attrs.Attribute[Any]] = {
        argument_name(one): one for one in attrs.fields(record) if one.init
    }
    if field not in attributes:
        nearest = difflib.get_close_matches(str(field), attributes, n=1)
        raise AttributeError(f"{field!r} is no field of {record.__name__}{did_you_mean(nearest)}")
    return attributes[field]


def default_of(attribute: attrs.Attribute[Any], otherwise: Any = None) -> Any:
    """Return the default of a field if it is a plain value, and no factory."""
    default: Any = attribute.default
    return otherwise if default is attrs.NOTHING or isinstance(default, _FACTORY) else default


def convert(attribute: attrs.Attribute[Any], value: Any) -> Any:
    """
    Return the value that the field's converter returns, as in the constructor; None stays None.

    There is no record yet, so a converter with ``takes_self`` gets None. Raises the errors of the
    converter.
    """
    converter: Any = attribute.converter
    if converter is None or value is None:
        return value
    if isinstance(converter, _CONVERTER):
        return converter(value, None, attribute)
    return converter(value)


def is_same(old: Any, new: Any) -> bool:
    """Return whether a value is no change; 1 and True are equal, but a change."""
    return type(old) is type(new) and bool(old == new)

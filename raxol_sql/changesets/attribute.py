"""The attribute of a record's class behind a field of a changeset."""

from __future__ import annotations

import difflib
from typing import Any

import attrs

from raxol_sql.errors import did_you_mean
from raxol_sql.records.names import argument_name

# What a type checker takes for a function; and what not every attrs that will do has.
_FACTORY: Any = attrs.Factory
_CONVERTER: Any = getattr(attrs, "Converter", ())


def attribute_of(record: type, field: str) -> attrs.Attribute[Any]:
    """The attribute that the constructor of ``record`` takes as ``field``, or AttributeError."""
    attributes: dict[str, attrs.Attribute[Any]] = {
        argument_name(one): one for one in attrs.fields(record) if one.init
    }
    if field not in attributes:
        nearest = difflib.get_close_matches(str(field), attributes, n=1)
        raise AttributeError(f"{field!r} is no field of {record.__name__}{did_you_mean(nearest)}")
    return attributes[field]


def default_of(attribute: attrs.Attribute[Any], otherwise: Any = None) -> Any:
    """The default of a field, if it is a value that any record may have."""
    default: Any = attribute.default
    return otherwise if default is attrs.NOTHING or isinstance(default, _FACTORY) else default


def converted(attribute: attrs.Attribute[Any], value: Any) -> Any:
    """
    What the field's converter makes of a value, as the constructor would; None stays None.

    There is no record yet, so a converter that asks for it gets None. Raises what that raises.
    """
    converter: Any = attribute.converter
    if converter is None or value is None:
        return value
    if isinstance(converter, _CONVERTER):
        return converter(value, None, attribute)
    return converter(value)


def is_same(old: Any, new: Any) -> bool:
    """Whether a value is no change; 1 is none of True, though they are equal."""
    return type(old) is type(new) and bool(old == new)

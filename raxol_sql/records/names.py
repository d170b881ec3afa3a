"""The names of fields in Python code."""

from __future__ import annotations

import keyword
import unicodedata

import attrs


def can_be_written(name: str) -> bool:
    """
    Return whether ``record.name`` in code reads the attribute that is stored as ``name``.

    Python normalises identifiers (NFKC), and mangles those that begin with two underscores.
    """
    return (
        name.isidentifier()
        and not keyword.iskeyword(name)
        and not name.startswith("__")
        and unicodedata.is_normalized("NFKC", name)
    )


def argument_name(field: attrs.Attribute[object]) -> str:
    """Return the name of a field's argument in the constructor: its alias, or its own name."""
    return field.alias or field.name

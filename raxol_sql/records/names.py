"""Names that Python code can write."""

from __future__ import annotations

import keyword
import unicodedata

import attrs


def can_be_written(name: str) -> bool:
    """
    Whether code can write ``record.name``, and then finds what was stored as ``name``.

    Python reads names in their normal form, and mangles those with two underscores in front.
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

"""What comes with the driver, as opposed to what a program registered itself."""

from __future__ import annotations

_PACKAGES = ("psycopg", "psycopg_binary", "psycopg_c")


def is_builtin_adapter(adapter: type) -> bool:
    """
    Whether a dumper or loader is one of psycopg's own.

    So are those that it makes on demand: of an enum, a composite or a range that a program
    registers, and of the functions that it sets for JSON.
    """
    # Python says of an abstract class that was made by calling `type` that it stands in abc.
    made = next((one for one in adapter.__mro__ if one.__module__ != "abc"), adapter)
    package, _, module = made.__module__.partition(".")
    # Where the bases are that everybody's adapters are made of.
    return package in _PACKAGES and module != "adapt"

"""The distinction between psycopg's adapters and those of a program."""

from __future__ import annotations

_PACKAGES = ("psycopg", "psycopg_binary", "psycopg_c")


def is_builtin_adapter(adapter: type) -> bool:
    """
    Return whether a dumper or loader is one of psycopg.

    This includes those that psycopg makes on demand, for an enum, composite or range that a program
    registers, and for the JSON functions that it sets.
    """
    # Python says of an abstract class that was made by calling `type` that it stands in abc.
    made = next((one for one in adapter.__mro__ if one.__module__ != "abc"), adapter)
    package, _, module = made.__module__.partition(".")
    # Where the bases are that everybody's adapters are made of.
    return package in _PACKAGES and module != "adapt"

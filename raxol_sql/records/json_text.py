"""The str of a JSON column that holds a single JSON string."""

from __future__ import annotations


class JsonText(str):
    """
    A str that was read from JSON, and is written as a JSON string again.

    The server parses any other str for a json column as JSON.
    """

    __slots__ = ()

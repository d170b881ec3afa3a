"""A text that stood alone in a JSON column."""

from __future__ import annotations


class JsonText(str):
    """
    A str that was read from JSON, and is written as that text again.

    Of any other str that a json column is given, the server takes what it says as JSON.
    """

    __slots__ = ()

"""What a check has found."""

from __future__ import annotations

import enum

import attrs


class Level(enum.Enum):
    """How bad it is: what does not work, what will hurt some day, what could be better."""

    FAIL = "FAIL"
    WARN = "WARN"
    NOTE = "NOTE"


@attrs.frozen
class Finding:
    """
    One thing that is not as it should be.

    ``code`` names the check, as ``-- @allow code: reason`` silences it; ``subject`` is a query, or
    a table with its column, and ``place`` the ``path:line`` of a query.
    """

    level: Level
    code: str
    subject: str
    message: str
    remedy: str
    place: str = ""

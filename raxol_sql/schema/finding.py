"""Findings of the checks of queries, records and tables."""

from __future__ import annotations

import enum

import attrs


class Level(enum.Enum):
    """The severity of a finding: broken, a potential problem, or a possible improvement."""

    FAIL = "FAIL"
    WARN = "WARN"
    NOTE = "NOTE"


@attrs.frozen
class Finding:
    """
    A problem that a check found.

    ``code`` names the check in ``-- @allow code: reason``, which silences it; ``subject`` is a
    query, or a table with its column, and ``place`` the ``path:line`` of a query.
    """

    level: Level
    code: str
    subject: str
    message: str
    remedy: str
    place: str = ""

"""The part of the work that a transaction scope begins and ends."""

from __future__ import annotations

import enum


class Extent(enum.Enum):
    """
    The extent of a scope: a transaction, a savepoint, or nothing, if it joins a transaction.

    Each has the names of its beginning, its end and its rollback, for telemetry.
    """

    TRANSACTION = ("begin", "commit", "rollback")
    SAVEPOINT = ("savepoint", "release savepoint", "rollback to savepoint")
    JOINED = ("", "", "")

    def __init__(self, beginning: str, end: str, rollback: str) -> None:
        self.beginning = beginning
        self.end = end
        self.rollback = rollback

"""How many deadlocks the server has counted, and how many of them are new."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import attrs

from raxol_sql.engine import Database
from raxol_sql.ops.own_queries import own_queries


@attrs.frozen
class DeadlockCount:
    """
    The deadlocks of one database since ``since``, or for ever, if that is None.

    ``name``, ``oid`` and ``system_identifier`` tell which database it is, on which server.
    """

    system_identifier: int
    oid: int
    name: str
    deadlocks: int
    since: datetime | None

    def is_of(self, other: DeadlockCount) -> bool:
        """Whether both are of the same database."""
        return (self.system_identifier, self.oid) == (other.system_identifier, other.oid)


@attrs.frozen
class Growth:
    """
    How many deadlocks are new, None where that cannot be told, and in ``note`` what is to be said.
    """

    new: int | None
    note: str = ""


def deadlocks(db: Database) -> DeadlockCount:
    """The deadlocks that the server has counted in this database; it may be a second behind."""
    found: DeadlockCount = db.run(_queries().counted())
    return found


def growth(before: DeadlockCount | None, now: DeadlockCount) -> Growth:
    """
    What came between two counts.

    A counter that was reset since then has at least what it holds now; of two databases, and of
    nothing before, nothing can be told. Pure.
    """
    if before is None:
        return Growth(None, "counting begins here")
    if not before.is_of(now):
        return Growth(
            None, f"what was kept is of another database, {before.name}: counting starts again"
        )
    if before.since != now.since or now.deadlocks < before.deadlocks:
        return Growth(now.deadlocks, "the counter was reset: what came before is unknown")
    return Growth(now.deadlocks - before.deadlocks)


def _queries() -> Any:
    return own_queries(__file__, "deadlocks", DeadlockCount)

"""Blocked sessions and deadlocks from a program, as `raxol-sql deadlocks` shows them."""

from raxol_sql.ops.locks.blocked import Blocked, Branch, blocked, tree
from raxol_sql.ops.locks.deadlocks import DeadlockCount, Growth, deadlocks, growth

__all__ = [
    "Blocked",
    "Branch",
    "DeadlockCount",
    "Growth",
    "blocked",
    "deadlocks",
    "growth",
    "tree",
]

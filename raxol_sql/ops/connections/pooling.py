"""The places of a server, who has them, and whether pools of the configured size fit in."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import Any

import attrs

from raxol_sql.config import Conninfo
from raxol_sql.config.conninfo import Given
from raxol_sql.engine import Database
from raxol_sql.ops.finding import Finding, Status
from raxol_sql.ops.network.target import parameters_of
from raxol_sql.ops.own_queries import own_queries
from raxol_sql.queries import Query

# By this name its own sessions are known, and not counted.
APPLICATION = "raxol_sql pool-status"
# The rest is for others, and for a time in which there is more to do.
_FULL_ENOUGH = 0.8
_GROUP = "connections"


@attrs.frozen
class Slots:
    """
    The places of a server: ``most`` is max_connections, ``reserved`` of them are for superusers.

    ``used`` is how many sessions of clients there are. ``most_of_database`` and ``most_of_role``
    are limits of their own, None where there is none.
    """

    most: int
    reserved: int
    used: int
    most_of_database: int | None = None
    most_of_role: int | None = None

    @property
    def usable(self) -> int:
        """How many sessions there can be of roles that are no superusers."""
        return self.most - self.reserved

    @property
    def free(self) -> int:
        """How many more there can be now."""
        return max(0, self.usable - self.used)

    @property
    def share(self) -> float:
        """The part of the usable places that is taken, from 0; above 1 where superusers are in."""
        return self.used / self.usable if self.usable > 0 else 1.0

    @property
    def room(self) -> int:
        """How many the configured role can have in the database, if no other session is in."""
        limits = (self.usable, self.most_of_database, self.most_of_role)
        return min(limit for limit in limits if limit is not None)


@attrs.frozen
class Sessions:
    """
    Sessions of one name in one database that are in one state: "active", "idle" ...

    ``oldest`` is in seconds. Both are None where the server hides them from the role.
    """

    application: str
    database: str
    state: str | None
    count: int
    oldest: float | None


@attrs.frozen
class View:
    """
    What the server sees of the pools that connect to it.

    ``processes`` is of how many of this project, which call themselves ``application``, there have
    to be, as seen from their addresses and from how many sessions come from each.
    """

    slots: Slots
    sessions: tuple[Sessions, ...]
    application: str
    processes: int

    @property
    def hidden(self) -> int:
        """How many sessions the server does not show the activity of to this role."""
        return sum(one.count for one in self.sessions if one.state is None)


_pool = own_queries(__file__, "pool")
QUERIES: tuple[Query[Any], ...] = (_pool.slots, _pool.sessions, _pool.instances)
"""What `look` sends."""


def look(conninfo: Given, *, pool_size: int, timeout: int) -> View:
    """
    What the server that ``conninfo`` leads to has to say, but for this session itself.

    ``timeout`` is in milliseconds. Raises the driver's errors.
    """
    conninfo = Conninfo.of(conninfo)
    parameters = parameters_of(conninfo)
    named = parameters.get("application_name") or parameters.get("fallback_application_name")
    application = named or "raxol_sql"
    own = conninfo.changed(application_name=APPLICATION)
    with (
        Database.open(own, pool_size=1, pool_min_size=1, timeout=timeout) as database,
        database.transaction(read_only=True) as tx,
    ):
        slots = tx.run(_pool.slots())
        sessions = tx.run(_pool.sessions())
        instances = tx.run(_pool.instances(application=application))
    return View(
        Slots(
            *(slots.most, slots.reserved, slots.used, slots.most_of_database, slots.most_of_role)
        ),
        tuple(
            Sessions(one.application_name, one.database_name, one.state, one.sessions, one.oldest)
            for one in sessions
        ),
        application,
        processes_of((one.sessions for one in instances), pool_size),
    )


def processes_of(sessions: Iterable[int], pool_size: int) -> int:
    """How many processes there are at least, where so many sessions come from each address."""
    return sum(ceil(count / pool_size) for count in sessions)


def judge(view: View, pool_size: int) -> list[Finding]:
    """Whether there are places left, and whether there are enough for pools of that size."""
    return [_of_slots(view.slots), _of_size(view, pool_size)]


def full() -> Finding:
    """What is seen of a server that accepts no more connections."""
    return Finding(
        _GROUP,
        "slots",
        Status.FAIL,
        "every place that max_connections, or a limit of the role or the database, leaves is taken",
        "end sessions that are not needed, lower pool_size, or raise max_connections",
    )


def _of_slots(slots: Slots) -> Finding:
    message = (
        f"{slots.used} of {slots.usable} places are taken ({slots.share:.0%}): max_connections is "
        f"{slots.most}, of which {slots.reserved} are reserved"
    )
    if slots.used >= slots.usable:
        return attrs.evolve(full(), message=message)
    if slots.share > _FULL_ENOUGH:
        remedy = "end sessions that are not needed, lower pool_size, or raise max_connections"
        return Finding(_GROUP, "slots", Status.WARN, message, remedy)
    return Finding(_GROUP, "slots", Status.OK, message)


def _of_size(view: View, pool_size: int) -> Finding:
    slots, processes = view.slots, max(1, view.processes)
    room, needed = slots.room, processes * pool_size
    seen = f"{view.processes} seen" if view.processes else "none seen now"
    message = (
        f"pool_size {pool_size} for each process, {seen} as {view.application}: up to {needed} "
        f"sessions of the {room} that there can be"
    )
    if needed <= room:
        return Finding(_GROUP, "pool_size", Status.OK, message)
    fitting = max(1, int(room * _FULL_ENOUGH) // processes)
    raising = (
        "raise the connection limit of the role or the database"
        if room < slots.usable
        else f"raise max_connections to {needed + slots.reserved} or more"
    )
    remedy = (
        f"set pool_size = {fitting} (RAXOL_DB_POOL_SIZE), {raising}, or put a pooler in between"
    )
    return Finding(_GROUP, "pool_size", Status.WARN, message, remedy)

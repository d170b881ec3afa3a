"""What becomes of connections in a process that is forked: they stay the parent's alone."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable
from typing import Protocol

from psycopg.pq.abc import PGconn


class Forkable(Protocol):
    """Something that holds connections, and is told when it finds itself in a child."""

    def forked(self) -> None: ...


_alive: weakref.WeakSet[Forkable] = weakref.WeakSet()
generation = 0
"""How many forks lie between the first process and this one; asking the system takes a call."""


def watch(holder: Forkable) -> None:
    """From now on ``holder`` is told of forks, before anything else runs in the child."""
    _alive.add(holder)


def sever(connections: Iterable[PGconn]) -> None:
    """
    Cuts this process off from the sockets of connections that it has from its parent.

    Closing them is not enough: libpq says goodbye first, on a line that is the parent's, and would
    say it later on whatever has the number of the file by then.
    """
    nowhere = os.open(os.devnull, os.O_RDWR)
    try:
        for pgconn in connections:
            socket = pgconn.socket if pgconn.status == 0 else -1
            if socket >= 0:
                os.dup2(nowhere, socket, inheritable=False)
    finally:
        os.close(nowhere)


def _forked() -> None:
    global generation
    generation += 1
    for holder in list(_alive):
        holder.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)

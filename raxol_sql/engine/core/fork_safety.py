"""Connections in forked processes: they remain the parent's."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable
from typing import Protocol

from psycopg.pq.abc import PGconn


class Forkable(Protocol):
    """An object with connections, which is notified of forks in the child."""

    def after_fork(self) -> None: ...


_alive: weakref.WeakSet[Forkable] = weakref.WeakSet()
generation = 0
"""Number of forks between the first process and this one; asking the kernel costs a system call."""


def watch(holder: Forkable) -> None:
    """Notify ``holder`` of forks, before any other code runs in the child."""
    _alive.add(holder)


def sever(connections: Iterable[PGconn]) -> None:
    """
    Detach this process from the sockets of connections that it inherited from its parent.

    Closing them is not enough: libpq would send its termination message, on the parent's connection
    or later on whichever file has the same descriptor.
    """
    nowhere = os.open(os.devnull, os.O_RDWR)
    try:
        for pgconn in connections:
            socket = pgconn.socket if pgconn.status == 0 else -1
            if socket >= 0:
                os.dup2(nowhere, socket, inheritable=False)
    finally:
        os.close(nowhere)


def _notify() -> None:
    global generation
    generation += 1
    for holder in list(_alive):
        holder.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_notify)

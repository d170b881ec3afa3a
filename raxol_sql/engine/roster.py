"""The sessions that a pool has, whoever holds them."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator

from raxol_sql.engine.holding import Holding
from raxol_sql.engine.session import Session


class Roster:
    """Knows every session of a pool for as long as it lives. Safe for threads."""

    def __init__(self) -> None:
        self._sessions: weakref.WeakSet[Session] = weakref.WeakSet()
        self._lock = threading.Lock()

    def add(self, session: Session) -> None:
        """Enters a new one."""
        with self._lock:
            self._sessions.add(session)

    def holdings(self) -> list[Holding]:
        """Who holds which of them now."""
        with self._lock:
            taken = [(one.holding, one.place) for one in self._sessions]
        return [Holding(*holding, place) for holding, place in taken if holding is not None]

    def age(self) -> None:
        """Has every one of them go back to the pool with its next release."""
        with self._lock:
            for session in self._sessions:
                session.since = 0.0

    def __iter__(self) -> Iterator[Session]:
        # Not locked: a child process asks, and who held the lock may live in the parent.
        return iter(list(self._sessions))

"""Blockers: the sessions that a statement of a migration waits for, seen from a second session."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from raxol_sql.migrations.session import Session

__all__ = ["LockWatch"]

BLOCKERS = """
select blocker.pid, usename, application_name, state, extract(epoch from now() - xact_start)::float8
from unnest(pg_blocking_pids(%s)) as blocker (pid)
left join pg_stat_activity as activity on activity.pid = blocker.pid
order by xact_start nulls last, blocker.pid
"""

# Seconds between two looks; the first has to come before a short lock_timeout.
FIRST_LOOK, LONGEST_PAUSE = 0.03, 0.5
# Seconds between two notices, and for which what was seen last explains an error.
NOTICE_SECONDS, RECENT_SECONDS = 3.0, 3.0
SHOWN = 3


class LockWatch:
    """
    Sees in the background for which sessions ``pid`` waits, and reports it every few seconds.

    It asks through ``session``, which runs nothing else while the watch is on. ``on_notice`` is
    called from the watching thread. What it may not ask stays unknown.
    """

    def __init__(self, session: Session, pid: int, on_notice: Callable[[str], object]) -> None:
        self._session = session
        self._pid = pid
        self._on_notice = on_notice
        self._is_over = threading.Event()
        self._seen = ""
        self._seen_at = 0.0

    @contextmanager
    def on(self, name: str) -> Iterator[None]:
        """Watch while the block runs; ``name`` is that of the migration, for the notices."""
        thread = threading.Thread(target=self._look, args=[name], daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            thread.join(timeout=5)

    @property
    def recent(self) -> str:
        """Which sessions were in the way a moment ago; empty if none was."""
        return self._seen if time.monotonic() - self._seen_at < RECENT_SECONDS else ""

    def _look(self, name: str) -> None:
        pause, notice_at = FIRST_LOOK, time.monotonic() + NOTICE_SECONDS
        if self._session.lock_timeout:
            longest = min(LONGEST_PAUSE, max(FIRST_LOOK, self._session.lock_timeout / 4))
        else:
            longest = LONGEST_PAUSE
        while not self._is_over.wait(pause):
            pause = min(pause * 1.5, longest)
            try:
                rows = self._session.execute(BLOCKERS, [self._pid]).fetchall()
            except psycopg.Error:
                return
            if not rows:
                continue
            self._seen, self._seen_at = described(rows), time.monotonic()
            if self._seen_at >= notice_at:
                notice_at = self._seen_at + NOTICE_SECONDS
                self._on_notice(f"{name} waits for a lock that another session holds: {self._seen}")


def described(rows: list[tuple[object, ...]]) -> str:
    said = "; ".join(one(*row) for row in rows[:SHOWN])
    return said + (f"; and {len(rows) - SHOWN} more" if len(rows) > SHOWN else "")


def one(pid: object, user: object, application: object, state: object, seconds: object) -> str:
    if not pid:
        return "a prepared transaction"
    parts = [f"pid {pid}"]
    if user:
        parts.append(f"user {user}")
    if application:
        parts.append(f"application {application!r}")
    if state:
        parts.append(str(state))
    if isinstance(seconds, float):
        parts.append(f"its transaction is {seconds:.0f} s old")
    return ", ".join(parts)

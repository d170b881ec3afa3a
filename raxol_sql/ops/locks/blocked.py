"""Sessions that wait for a lock, and those that are in their way."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import attrs

from raxol_sql.engine import Database
from raxol_sql.ops.own_queries import own_queries
from raxol_sql.text.fingerprint import masked

_PREPARED = "prepared transaction"
_HIDDEN = "another role's session"


@attrs.frozen
class Session:
    """
    A session of the server.

    ``statement`` is the one that it runs or ran last, in one line and without its literals.
    ``transaction_seconds`` is the age of its transaction. What this role may not see is None, and
    the statement then empty. A prepared transaction has no session: its pid is 0.
    """

    pid: int
    application: str
    user: str | None
    database: str | None
    kind: str
    started: datetime | None
    state: str | None
    statement: str
    transaction_seconds: float | None

    @property
    def is_hidden(self) -> bool:
        """Whether the server hides from this role what the session does."""
        return self.kind == _HIDDEN

    def __str__(self) -> str:
        if self.pid == 0:
            return f"a {_PREPARED}, see pg_prepared_xacts"
        who = [self.application or self.kind, f"user {self.user}" if self.user else "", self.state]
        return f"pid {self.pid} ({', '.join(word for word in who if word)})"


@attrs.frozen
class Blocked:
    """
    A session that waits for a lock.

    ``mode`` is the lock that it asked for, of the ``kind`` that pg_locks names, on the
    ``relation`` if it is one's. ``seconds`` is how long it has waited, None in the moment in which
    it begins; up to PostgreSQL 13 how long its statement has run. ``by`` are those in its way,
    those that wait for the same lock before it included.
    """

    session: Session
    by: tuple[Session, ...]
    kind: str
    mode: str
    relation: str | None
    seconds: float | None


@attrs.frozen
class Branch:
    """A session in the tree of those that wait: how deep it is, and what it waits for, if it is."""

    depth: int
    session: Session
    blocked: Blocked | None


def blocked(db: Database, pid: int | None = None) -> tuple[Blocked, ...]:
    """
    The sessions of this database that wait for a lock, those that wait longest first.

    With ``pid`` only that one. What a deadlock was is over when it is found: the server ends one
    of its sessions. Safe from any thread. It takes the lock manager's own locks for a moment, so
    not many times a second.
    """
    rows = db.run(_queries().waits() if pid is None else _queries().waits(pid=pid))
    pids = {pid for row in rows for pid in (row.pid, *row.blockers)}
    sessions = {one.pid: _session(one) for one in db.run(_queries().sessions(pids=[*pids]))}
    sessions[0] = Session(0, "", None, None, _PREPARED, None, None, "", None)
    return tuple(
        Blocked(
            sessions[row.pid],
            tuple(sessions[pid] for pid in row.blockers if pid in sessions),
            row.kind,
            row.mode,
            row.relation,
            row.seconds,
        )
        # A session that has ended since, or waits no more, blocks no other.
        for row in rows
        if row.pid in sessions and row.blockers
    )


def tree(waiting: Iterable[Blocked]) -> tuple[Branch, ...]:
    """
    The tree of blockers: those that wait for no other at the top, below each what it blocks.

    Each is there once: who waits for several is below one that holds what it wants, if that one
    waits for no other itself. Where sessions wait for each other, as in a deadlock that the server
    has not found yet, the one with the lowest pid is at the top. Pure.
    """
    by_pid = {one.session.pid: one for one in waiting}
    sessions = {by.pid: by for one in by_pid.values() for by in one.by}
    sessions |= {pid: one.session for pid, one in by_pid.items()}
    below: dict[int, list[int]] = {}
    for pid, one in by_pid.items():
        above = min((by.pid for by in one.by), key=lambda pid: (pid in by_pid, pid))
        below.setdefault(above, []).append(pid)
    found: dict[int, Branch] = {}
    # Those that wait come last, so that only what is in a circle is left for them.
    for top in sorted(sessions, key=lambda pid: (pid in by_pid, pid)):
        left = [(top, 0)]
        while left:
            pid, depth = left.pop()
            if pid not in found:
                found[pid] = Branch(depth, sessions[pid], by_pid.get(pid))
                left += [(waiter, depth + 1) for waiter in reversed(below.get(pid, []))]
    return tuple(found.values())


def _session(row: Any) -> Session:
    return Session(
        row.pid,
        row.application_name or "",
        row.user_name,
        row.database_name,
        row.backend_type or _HIDDEN,
        row.started_at,
        row.state,
        masked(row.query or ""),
        row.transaction_seconds,
    )


def _queries() -> Any:
    return own_queries(__file__, "locks")

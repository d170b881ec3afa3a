"""
The lock: one migrator of a database at a time, and none left behind by a dead one.

Three things are held, all of them by sessions and so gone with them, kill -9 included:

- an advisory lock, by a session that does nothing else: who holds it is the migrator;
- yoyo's lock row, inserted in a transaction of that session which is never committed, so that
  bare yoyo waits at its own insert;
- a second advisory lock, shared, by each session that runs statements: the server may go on with
  the statement of a killed migrator, and the next one waits until it has ended.

Advisory locks need a direct connection, or a pooler in session mode.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import attrs

from raxol_sql.errors import MigrationLockedError
from raxol_sql.migrations.ledger import Ledger
from raxol_sql.migrations.session import APPLICATION_NAME, Session

__all__ = ["hold_lock", "share_lock"]

# The first eight bytes of sha256("raxol_sql migrator") and of sha256("raxol_sql statement").
MIGRATOR = 0x1DD9949404B2F311
STATEMENT = 0x559628DDE2736B6A

POLL_SECONDS = 0.1

HOLDER = """
select activity.pid, activity.application_name, activity.backend_start
from pg_locks
join pg_stat_activity as activity using (pid)
where locktype = 'advisory'
    and granted
    and pg_locks.database = (select oid from pg_database where datname = current_database())
    and ((classid::bigint << 32) | objid::bigint) = %s
    and objsubid = 1
    and pid <> pg_backend_pid()
"""

TAKE_ROW = """
insert into yoyo_lock (locked, ctime, pid)
values (1, now() at time zone 'utc', pg_backend_pid())
on conflict do nothing
"""

SEE_ROW = "select pid, ctime from yoyo_lock"

REMOVE_ROW = "delete from yoyo_lock where pid = %s and ctime = %s"

# Bare yoyo keeps its connection while it holds its row, so without another session there is none.
OTHER_SESSIONS = """
select count(*)
from pg_stat_activity
where datname = current_database()
    and backend_type = 'client backend'
    and pid <> pg_backend_pid()
    and application_name <> %s
"""


@attrs.frozen
class Deadline:
    """A moment on the monotonic clock, in seconds."""

    wait: float
    at: float

    @classmethod
    def after(cls, wait: float) -> Deadline:
        return cls(wait, time.monotonic() + wait)

    def pause(self) -> bool:
        """Waits a moment; False, without waiting, when the time is over."""
        left = self.at - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(POLL_SECONDS, left))
        return True


@contextmanager
def hold_lock(session: Session, wait: float) -> Iterator[None]:
    """
    Holds the lock while the block runs; ``session`` is for nothing else meanwhile.

    Waits ``wait`` seconds at most, then raises MigrationLockedError, which says who holds it.
    """
    deadline = Deadline.after(wait)
    take(session, MIGRATOR, deadline)
    take(session, STATEMENT, deadline)
    session.execute("select pg_advisory_unlock(%s)", [STATEMENT])
    Ledger(session).create_lock_table()
    with yoyo_row(session, deadline):
        yield


def share_lock(session: Session) -> None:
    """Makes the next migrator wait for the end of ``session``."""
    session.execute("select pg_advisory_lock_shared(%s)", [STATEMENT])


def take(session: Session, key: int, deadline: Deadline) -> None:
    while session.execute("select pg_try_advisory_lock(%s)", [key]).fetchone() != (True,):
        if not deadline.pause():
            raise MigrationLockedError(
                f"another migrator is at work: {holder(session, key)}; waited "
                f"{deadline.wait:g} s. Wait for it and try again, or end that session with "
                "pg_terminate_backend(pid)"
            )


def holder(session: Session, key: int) -> str:
    row = session.execute(HOLDER, [key]).fetchone()
    if row is None:
        return "a session that has just ended"
    pid, name, since = row
    known = f"since {since:%Y-%m-%d %H:%M:%S%z}" if since else "since a time not shown to this role"
    return f"pid {pid}, application {name!r}, {known}"


@contextmanager
def yoyo_row(session: Session, deadline: Deadline) -> Iterator[None]:
    while True:
        with session.transaction(force_rollback=True):
            if session.execute(TAKE_ROW).rowcount == 1:
                yield
                return
        clear_row(session, deadline)


def clear_row(session: Session, deadline: Deadline) -> None:
    """
    Waits a moment for the owner of yoyo's row, or removes the row if there can be no owner.

    The row names a process, perhaps of another host, so the process cannot be asked. What the
    server can tell is whether any other session is there. If there is one, it may be the owner,
    and the row stays: removing it from under a running yoyo would let two migrate at once.
    """
    row = session.execute(SEE_ROW).fetchone()
    if row is None:
        return
    pid, since = row
    others = session.execute(OTHER_SESSIONS, [APPLICATION_NAME]).fetchone()
    if others == (0,):
        session.execute(REMOVE_ROW, [pid, since])
    elif not deadline.pause():
        raise MigrationLockedError(
            f"bare yoyo holds its lock: process {pid}, since {since:%Y-%m-%d %H:%M:%S} UTC; "
            f"waited {deadline.wait:g} s. If no such process runs on any host, it was killed: "
            "remove its lock with `yoyo break-lock` and try again"
        )

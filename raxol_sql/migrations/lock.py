"""
The lock: one migrator of a database at a time, and none left behind by a dead one.

It is yoyo's lock row, inserted in a transaction which is never committed: bare yoyo and every
other migrator wait at their own insert, and the row is gone with the session, kill -9 included. It
needs no advisory lock, whose functions a role may be refused, and is held by one transaction, to
which a pooler gives one connection.

The table ``_raxol_lock`` says who holds it. It also names the session that runs the statements of a
migration: the server may go on with those of a killed migrator, and the next one waits until they
have ended.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import attrs
import psycopg

from raxol_sql.errors import MigrationLockedError
from raxol_sql.migrations.ledger import Ledger
from raxol_sql.migrations.session import APPLICATION_NAME, Session

__all__ = ["Holder", "hold_lock"]

OnNotice = Callable[[str], object]

POLL_SECONDS = 0.1
# Seconds until the first notice of a migrator that waits, and between two of them.
FIRST_NOTICE, NOTICE_SECONDS = 1.0, 3.0
LIMIT_INSERT = "select set_config('lock_timeout', '1s', true)"

CREATE = """
create table if not exists _raxol_lock (
    is_held boolean primary key default true check (is_held),
    host text not null,
    pid integer not null,
    backend integer not null,
    backend_start timestamptz,
    since timestamptz not null default now(),
    running integer,
    running_start timestamptz
)
"""

EXISTS = "select to_regclass('_raxol_lock') is not null"

# A role that the session has taken on may not see when the backend of its login role began: it is
# null then. Moments go from one statement to the next inside the server: in which form a client
# gets them depends on the DateStyle of the database.
SET_HOLDER = """
insert into _raxol_lock (host, pid, backend, backend_start)
select %s, %s, pid, backend_start from pg_stat_activity where pid = %s
on conflict (is_held) do update set
    host = excluded.host,
    pid = excluded.pid,
    backend = excluded.backend,
    backend_start = excluded.backend_start,
    since = excluded.since,
    running = null,
    running_start = null
"""

SET_RUNNING = """
update _raxol_lock set running = activity.pid, running_start = activity.backend_start
from pg_stat_activity as activity
where activity.pid = %s
"""

# Only while the lock is held, so it is the entry of this process.
CLEAR_HOLDER = "delete from _raxol_lock"

SELF = "select pg_backend_pid()"

# A session that has inserted into yoyo's table, and does not wait for another one that has.
HOLDER = """
select distinct
    activity.pid,
    activity.application_name,
    to_char(activity.backend_start, 'YYYY-MM-DD HH24:MI:SSOF')
from pg_locks
join pg_stat_activity as activity using (pid)
where pg_locks.relation = to_regclass('yoyo_lock')
    and pg_locks.database = (select oid from pg_database where datname = current_database())
    and mode = 'RowExclusiveLock'
    and granted
    and pid <> pg_backend_pid()
    and not exists (
        select from pg_locks as wanted where wanted.pid = activity.pid and not wanted.granted
    )
"""

# The entry may be that of an earlier migrator, which was killed.
DESCRIBED = """
select host, _raxol_lock.pid, to_char(since, 'YYYY-MM-DD HH24:MI:SSOF')
from _raxol_lock
join pg_stat_activity as activity on activity.pid = backend
where backend = %s and coalesce(activity.backend_start = _raxol_lock.backend_start, true)
"""

# Of another role the start of a backend is not shown: then its number has to do.
RUNNING = """
select running, host, _raxol_lock.pid
from _raxol_lock
join pg_stat_activity as activity on activity.pid = running
where coalesce(activity.backend_start = running_start, true) and running <> pg_backend_pid()
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
    and application_name is distinct from %s
"""


@attrs.define
class Patience:
    """How long to wait for a lock, in seconds, and when to name its holder."""

    wait: float
    until: float
    notice_at: float
    on_notice: OnNotice

    @classmethod
    def of(cls, wait: float, on_notice: OnNotice) -> Patience:
        now = time.monotonic()
        return cls(wait, now + wait, now + FIRST_NOTICE, on_notice)

    def pause(self, said: str) -> bool:
        """Wait a moment; False, without waiting, when the time is over."""
        now = time.monotonic()
        if now >= self.until:
            return False
        if now >= self.notice_at:
            self.notice_at = now + NOTICE_SECONDS
            self.on_notice(f"waiting, for {self.until - now:.0f} s more: {said}")
        time.sleep(min(POLL_SECONDS, self.until - now))
        return True


def ignore(text: str) -> None:
    """Notices for callers that want none."""


@contextmanager
def hold_lock(session: Session, wait: float, on_notice: OnNotice = ignore) -> Iterator[None]:
    """
    Hold the lock while the block runs; ``session`` must run nothing else in that time.

    Waits ``wait`` seconds at most, then raises MigrationLockedError, which says who holds it.
    ``on_notice`` gets a text every few seconds that says the same.
    """
    patience = Patience.of(wait, on_notice)
    Ledger(session).create_lock_table()
    while True:
        wait_for_holder(session, patience)
        wait_for_statement(session, patience)
        with session.limited_transaction(force_rollback=True):
            # A migrator that came and died in between may have left another one.
            if has_taken_row(session) and running_statement(session) is None:
                yield
                return
        clear_row(session, patience)


def has_taken_row(session: Session) -> bool:
    """Whether the row is ours now, until the end of the transaction."""
    try:
        # Another migrator that came at the same moment is waited for outside of a transaction.
        with session.transaction():
            session.execute(LIMIT_INSERT)
            return session.execute(TAKE_ROW).rowcount == 1
    except psycopg.errors.LockNotAvailable:
        return False


def wait_for_holder(session: Session, patience: Patience) -> None:
    """Wait until no other migrator holds the lock, or tries to take it."""
    while (row := session.execute(HOLDER).fetchone()) is not None:
        said = described(session, *row)
        if not patience.pause(said):
            raise MigrationLockedError(
                f"{said}; waited {patience.wait:g} s. Wait for it and try again, or end that "
                f"session: select pg_terminate_backend({row[0]});"
            )


def described(session: Session, pid: int, name: str | None, since: str | None) -> str:
    """Which session holds the lock, as far as this role may know."""
    row = None
    # An entry that this role may not read says nothing to it.
    with suppress(psycopg.errors.InsufficientPrivilege):
        if session.execute(EXISTS).fetchone() == (True,):
            row = session.execute(DESCRIBED, [pid]).fetchone()
    if row is None:
        application = repr(name) if name else "not shown to this role"
        return f"another migration run holds the lock: pid {pid}, application {application}" + (
            f", since {since}" if since else ""
        )
    host, process, held_since = row
    return (
        f"another migration run holds the lock: pid {pid}, "
        f"application {name or APPLICATION_NAME!r}, since {since or held_since}, "
        f"process {process} on host {host}"
    )


def wait_for_statement(session: Session, patience: Patience) -> None:
    """Wait until the server has ended the statement of a migrator that is gone."""
    while (row := running_statement(session)) is not None:
        pid, host, process = row
        said = (
            f"the server still runs a statement of a migrator that is gone: pid {pid}, started by "
            f"process {process} on host {host}"
        )
        if not patience.pause(said):
            raise MigrationLockedError(
                f"{said}; waited {patience.wait:g} s. Wait for it and try again, or end it: "
                f"select pg_terminate_backend({pid});"
            )


def running_statement(session: Session) -> tuple[object, ...] | None:
    """
    The session that runs statements of an earlier migrator, and whose it was.

    In a transaction the server shows what it showed first: ask again outside of one.
    """
    if session.execute(EXISTS).fetchone() != (True,):
        return None
    return session.execute(RUNNING).fetchone()


class Holder:
    """
    The entry that says who holds the lock, written over another session than the one that does.

    An entry that a killed migrator left is harmless: it counts only while its sessions are there.
    """

    def __init__(self, session: Session, guard: Session) -> None:
        self.session = session
        self.guard = guard

    @contextmanager
    def entry(self) -> Iterator[None]:
        """Name this process as the holder while the block runs."""
        if self.session.execute(EXISTS).fetchone() != (True,):
            self.session.execute(CREATE)
        self.session.execute(SET_HOLDER, [platform.node(), os.getpid(), backend_pid(self.guard)])
        try:
            yield
        finally:
            with suppress(psycopg.Error):
                # Without the lock it may be the entry of the next migrator.
                self.guard.execute(SELF)
                self.session.execute(CLEAR_HOLDER)

    def set_running(self, session: Session) -> None:
        """Make the next migrator wait for the end of ``session``."""
        self.session.execute(SET_RUNNING, [backend_pid(session)])


def backend_pid(session: Session) -> object:
    """The server's own number, which is not the one that a pooler gives the client."""
    row = session.execute(SELF).fetchone()
    return row and row[0]


def clear_row(session: Session, patience: Patience) -> None:
    """
    Wait a moment for the owner of yoyo's row, or remove the row if there can be no owner.

    The row names a process, perhaps of another host, so the process cannot be asked. What the
    server can tell is whether any other session is there. If there is one, it may be the owner,
    and the row stays: removing it from under a running yoyo would let two migrate at once.
    """
    row = session.execute(SEE_ROW).fetchone()
    if row is None:
        return
    pid, since = row
    others = session.execute(OTHER_SESSIONS, [APPLICATION_NAME]).fetchone()
    said = f"bare yoyo holds its lock: process {pid}, since {since:%Y-%m-%d %H:%M:%S} UTC"
    if others == (0,):
        session.execute(REMOVE_ROW, [pid, since])
    elif not patience.pause(said):
        raise MigrationLockedError(
            f"{said}; waited {patience.wait:g} s. If no such process runs on any host, it was "
            "killed: remove its lock with `yoyo break-lock` and try again"
        )

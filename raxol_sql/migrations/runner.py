"""
Migrations: applying, rolling back and showing them, over yoyo's files and yoyo's tables.

yoyo orders the files and keeps the marks; `applying` runs the statements.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path

import attrs
import psycopg

from raxol_sql.config import Conninfo, Secret
from raxol_sql.config.conninfo import hide_conninfo
from raxol_sql.errors import MigrationFailedError
from raxol_sql.migrations.applying import OnNotice, apply_one, rollback_one
from raxol_sql.migrations.blockers import LockWatch
from raxol_sql.migrations.folder import MigrationFile, new_migration, read_folder
from raxol_sql.migrations.history import History, MigrationState, MigrationStatus, statuses
from raxol_sql.migrations.indexes import InvalidIndex, invalid_indexes
from raxol_sql.migrations.ledger import Ledger, note_of, read_history
from raxol_sql.migrations.lock import Holder, hold_lock
from raxol_sql.migrations.plan import ApplyPlan, plan_apply, plan_rollback
from raxol_sql.migrations.pooler import check_direct, check_session_mode, find_pooler
from raxol_sql.migrations.refusal import explained_refusals
from raxol_sql.migrations.session import Session, check_conninfo, open_session, opened_session

__all__ = ["MigrationRun", "Migrations", "MigrationsStatus"]

OnRun = Callable[[str, float], object]
RunOne = Callable[[Session, MigrationFile, OnNotice], None]

LOCK_NOT_AVAILABLE = "55P03"
NOT_APPLIED = {MigrationState.PENDING, MigrationState.INTERRUPTED}

logger = logging.getLogger("raxol_sql.migrations")


@attrs.frozen
class MigrationRun:
    """One migration that was applied or rolled back, and how long that took, in seconds."""

    id: str
    seconds: float


@attrs.frozen
class MigrationsStatus:
    """Every migration, and every invalid index of the database, each in a fixed order."""

    migrations: tuple[MigrationStatus, ...]
    invalid_indexes: tuple[InvalidIndex, ...]


@hide_conninfo
@attrs.frozen
class Migrations:
    """
    The migrations of ``folder`` on the database that ``conninfo`` names.

    ``conninfo`` is a libpq connection string or URL; it is in no repr and in no message. It must
    lead to the server directly, or through a pooler in session mode where
    ``pooler_is_session_mode`` says so. ``lock_wait`` is how many seconds to wait for another
    migrator, ``lock_timeout`` how many seconds a statement waits for a lock before it fails (0: for
    ever), so that traffic does not queue up behind it. ``on_notice`` gets each text about what is
    worth knowing and stops nothing, such as for which session it waits, also from another thread;
    by default the logger ``raxol_sql.migrations`` gets them: edited comments at WARNING, else INFO.

    Holds no connection between calls; may be shared by threads and processes, of which one at a
    time migrates. All calls block. Each raises psycopg.OperationalError if there is no server,
    ConfigError if the folder is absent or empty or ``conninfo`` cannot be read, and
    MigrationError if a file cannot be trusted. All but `status` and `new` raise ConfigError as well
    where a pooler answers in place of the server.
    """

    conninfo: str | Secret | Conninfo = attrs.field(repr=False)
    folder: Path
    lock_wait: float = attrs.field(default=60.0, validator=attrs.validators.ge(0))
    lock_timeout: float = attrs.field(default=5.0, validator=attrs.validators.ge(0))
    pooler_is_session_mode: bool = attrs.field(default=False, kw_only=True)
    on_notice: OnNotice = attrs.field(default=logger.info, repr=False, eq=False, kw_only=True)

    def __attrs_post_init__(self) -> None:
        check_conninfo(self.conninfo)

    def apply(
        self,
        *,
        to: str | None = None,
        steps: int | None = None,
        accept_changed: bool = False,
        accept: Iterable[str] = (),
        ignore_missing: bool = False,
        on_applied: OnRun | None = None,
    ) -> tuple[MigrationRun, ...]:
        """
        Applies everything pending, in order; ``to`` (an id or its four digits) is the last one.

        With ``steps`` it is no more than so many of these.

        Each migration is one transaction together with its record, unless its file says
        ``-- transactional: false``; one of those that was cut off is run again from its start.
        ``on_applied(id, seconds)`` is called after each. What bare yoyo applied gets its present
        text recorded.

        An applied migration that was edited, was renamed or has no file any more stops it.
        ``accept`` names those, by id or four digits, which are recorded as they are now, with a
        note; ``accept_changed`` does that for all that were edited. With ``ignore_missing`` an
        older release runs on a newer database.

        Raises MigrationFailedError (those before it stay), MigrationLockedError,
        MigrationChangedError, MigrationMissingError, MigrationError for an unknown ``to`` or
        ``accept``, and ValueError for less than one step.
        """
        check_steps(steps)
        files = read_folder(self.folder)
        planned = partial(
            plan_apply,
            files,
            to=to,
            steps=steps,
            accept_changed=accept_changed,
            accept=names_of(accept),
            ignore_missing=ignore_missing,
        )
        plan = planned(self._history())
        self._warn(plan.warnings)
        if not plan:
            return ()

        with self._locked() as (guard, session, holder):
            plan = planned(read_history(session))
            self._record(session, files, plan)
            return self._each(guard, session, holder, plan.pending, apply_one, on_applied)

    def would_apply(
        self,
        *,
        to: str | None = None,
        steps: int | None = None,
        accept_changed: bool = False,
        accept: Iterable[str] = (),
        ignore_missing: bool = False,
    ) -> tuple[str, ...]:
        """
        The ids of what `apply` would apply, in order, if no other migrator works in between.

        Takes no lock, writes nothing, works on a standby. Raises what `apply` raises before it
        begins.
        """
        check_steps(steps)
        plan = plan_apply(
            read_folder(self.folder),
            self._history(),
            to=to,
            steps=steps,
            accept_changed=accept_changed,
            accept=names_of(accept),
            ignore_missing=ignore_missing,
        )
        self._warn(plan.warnings)
        return tuple(file.id for file in plan.pending)

    def rollback(
        self,
        steps: int | None = 1,
        *,
        to: str | None = None,
        on_rolled_back: OnRun | None = None,
    ) -> tuple[MigrationRun, ...]:
        """
        Undoes the last ``steps`` applied migrations, the latest first; all of them if None.

        With ``to`` (an id or its four digits) it is that one and all applied ones after it,
        whatever ``steps`` is.

        Whether all of them can be undone is settled before the first is touched.
        ``on_rolled_back(id, seconds)`` is called after each.

        Raises IrreversibleError, MigrationMissingError, MigrationFailedError (those already
        undone stay undone), MigrationLockedError, MigrationError for an unknown ``to``, and
        ValueError for less than one step.
        """
        check_steps(steps)
        files = read_folder(self.folder)
        if not plan_rollback(files, self._history(), steps, to=to):
            return ()

        with self._locked() as (guard, session, holder):
            chosen = plan_rollback(files, read_history(session), steps, to=to)
            return self._each(guard, session, holder, chosen, rollback_one, on_rolled_back)

    def would_roll_back(self, steps: int | None = 1, *, to: str | None = None) -> tuple[str, ...]:
        """The ids of what `rollback` would undo, the latest first; as `would_apply`."""
        check_steps(steps)
        chosen = plan_rollback(read_folder(self.folder), self._history(), steps, to=to)
        return tuple(file.id for file in chosen)

    def status(self) -> MigrationsStatus:
        """
        How every migration stands. Takes no lock, writes nothing, works on a standby.

        Works through any pooler as well.
        """
        files = read_folder(self.folder)
        with self._reading() as session:
            shown = statuses(files, read_history(session))
            applied = {one.id for one in shown if one.state not in NOT_APPLIED}
            return MigrationsStatus(shown, invalid_indexes(session, files, applied))

    def new(self, name: str) -> tuple[Path, Path]:
        """
        The paths of a new migration and its rollback in the folder; as ``new_migration``.
        """
        return new_migration(self.folder, name)

    def _warn(self, warnings: Iterable[str]) -> None:
        say = logger.warning if self.on_notice == logger.info else self.on_notice
        for warning in warnings:
            say(warning)

    def _history(self) -> History:
        with self._reading(is_direct=True) as session:
            return read_history(session)

    @contextmanager
    def _reading(self, *, is_direct: bool = False) -> Iterator[Session]:
        """
        A session that leaves nothing behind on a pooler's connection.

        It is in a transaction with our limits; behind a pooler it has neither, as a pooler in
        statement mode allows no transaction. With ``is_direct`` raises ConfigError there.
        """
        with (
            explained_refusals(),
            closing(open_session(self.conninfo, self.lock_timeout)) as session,
        ):
            if is_direct:
                check_direct(session, is_session_mode=self.pooler_is_session_mode)
            has_limits = not find_pooler(session)
            with session.limited_transaction() if has_limits else nullcontext():
                yield session

    @contextmanager
    def _locked(self) -> Iterator[tuple[Session, Session, Holder]]:
        """The session that holds the lock, and one for bookkeeping, with all tables in place."""
        with ExitStack() as stack:
            guard = stack.enter_context(self._session())
            with explained_refusals():
                if check_direct(guard, is_session_mode=self.pooler_is_session_mode):
                    with self._session() as other:
                        check_session_mode(guard, other)
                stack.enter_context(hold_lock(guard, self.lock_wait, self.on_notice))
                session = stack.enter_context(self._session())
                holder = Holder(session, guard)
                with session.limited():
                    Ledger(session).create_tables()
                    stack.enter_context(holder.entry())
            yield guard, session, holder

    def _session(self) -> AbstractContextManager[Session]:
        return opened_session(self.conninfo, self.lock_timeout)

    def _record(self, session: Session, files: Sequence[MigrationFile], plan: ApplyPlan) -> None:
        """Write what is known of applied migrations, before anything runs."""
        ledger = Ledger(session)
        with explained_refusals(), session.limited_transaction():
            for file in files:
                ledger.add_code_hash(file)
            for file, old in plan.renamed:
                ledger.rename(file, old, note_of(f"renamed from {old}"))
            for file in plan.adopt:
                accepted = file.id in plan.accepted
                ledger.adopt(file, note_of("edited, and accepted as applied") if accepted else "")
            for gone in plan.removed:
                ledger.remove(gone, note_of("its file is gone, and that was accepted"))
        for file, old in plan.renamed:
            self.on_notice(f"{file.id}: recorded as the new name of {old}")
        for file in plan.adopt:
            if file.id in plan.accepted:
                self.on_notice(f"{file.id}: its present text is recorded as the applied one")
        for gone in plan.removed:
            self.on_notice(f"{gone}: recorded as applied without a file")

    def _each(
        self,
        guard: Session,
        bookkeeper: Session,
        holder: Holder,
        files: tuple[MigrationFile, ...],
        run_one: RunOne,
        on_run: OnRun | None,
    ) -> tuple[MigrationRun, ...]:
        done: list[MigrationRun] = []
        for file in files:
            started = time.perf_counter()
            # A session for each, so that what one sets for its session does not reach the next.
            with self._session() as session:
                holder.set_running(session)
                # Only a living guard proves that the lock is still ours.
                guard.execute("select 1")
                watch = LockWatch(bookkeeper, session.info.backend_pid, self.on_notice)
                try:
                    with watch.on(file.id):
                        run_one(session, file, self.on_notice)
                except MigrationFailedError as error:
                    self._add_leftovers(file, error)
                    if getattr(error.__cause__, "sqlstate", "") == LOCK_NOT_AVAILABLE:
                        seen = watch.recent or "a session that this role may not see, or is gone"
                        error.add_note(f"in the way when lock_timeout ended it: {seen}")
                    raise
            done.append(MigrationRun(file.id, time.perf_counter() - started))
            if on_run is not None:
                on_run(file.id, done[-1].seconds)
        return tuple(done)

    def _add_leftovers(self, file: MigrationFile, error: MigrationFailedError) -> None:
        """Names what only a migration without a transaction can leave behind."""
        if file.transactional:
            return
        try:
            with self._reading() as session:
                leftovers = invalid_indexes(session)
        except psycopg.Error:
            # The server is gone; the error to raise says so already.
            return
        for index in leftovers:
            error.add_note(f"invalid index on {index.table}: {index.remedy}")


def names_of(accept: Iterable[str]) -> tuple[str, ...]:
    return (accept,) if isinstance(accept, str) else tuple(accept)


def check_steps(steps: int | None) -> None:
    if steps is not None and steps < 1:
        raise ValueError(f"steps is 1 or more, not {steps}")

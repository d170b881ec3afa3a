"""
Migrations: applying, rolling back and showing them, over yoyo's files and yoyo's tables.

yoyo reads and orders the files and keeps the marks. The statements are run here, because yoyo
commits a migration on one connection and marks it on another, prints the rows of a query, and does
not tell which statement failed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path

import attrs
import psycopg
from psycopg.pq import TransactionStatus

from raxol_sql.config import Conninfo, Secret
from raxol_sql.config.conninfo import hide_conninfo
from raxol_sql.errors import MigrationFailedError
from raxol_sql.migrations.failure import Attempt, failure_of, message_of
from raxol_sql.migrations.folder import MigrationFile, new_migration, read_folder
from raxol_sql.migrations.indexes import InvalidIndex, invalid_indexes
from raxol_sql.migrations.ledger import Ledger, read_history
from raxol_sql.migrations.lock import hold_lock, share_lock
from raxol_sql.migrations.plan import (
    History,
    MigrationStatus,
    plan_apply,
    plan_rollback,
    statuses,
)
from raxol_sql.migrations.session import Session, check_conninfo, open_session

__all__ = ["MigrationRun", "Migrations", "MigrationsStatus"]

OnRun = Callable[[str, float], object]


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
    lead to the server directly or through a pooler in session mode. ``lock_wait`` is how many
    seconds to wait for another migrator, ``lock_timeout`` how many seconds a statement waits for
    a lock before it fails (0: for ever), so that traffic does not queue up behind it.

    Holds no connection between calls; may be shared by threads and processes, of which one at a
    time migrates. All calls block. Each raises psycopg.OperationalError if there is no server,
    ConfigError if the folder is absent or empty or ``conninfo`` cannot be read, and
    MigrationError if a file cannot be trusted.
    """

    conninfo: str | Secret | Conninfo = attrs.field(repr=False)
    folder: Path
    lock_wait: float = attrs.field(default=60.0, validator=attrs.validators.ge(0))
    lock_timeout: float = attrs.field(default=5.0, validator=attrs.validators.ge(0))

    def __attrs_post_init__(self) -> None:
        check_conninfo(self.conninfo)

    def apply(
        self,
        *,
        to: str | None = None,
        steps: int | None = None,
        accept_changed: bool = False,
        on_applied: OnRun | None = None,
    ) -> tuple[MigrationRun, ...]:
        """
        Applies everything pending, in order; ``to`` (an id or its four digits) is the last one.

        With ``steps`` it is no more than so many of these.

        Each migration is one transaction together with its record, unless its file says
        ``-- transactional: false``; one of those that was cut off is run again from its start.
        ``on_applied(id, seconds)`` is called after each. What bare yoyo applied gets its present
        text recorded; with ``accept_changed`` so does what was edited.

        Raises MigrationFailedError (those before it stay), MigrationLockedError,
        MigrationChangedError, MigrationMissingError, MigrationError for an unknown ``to``, and
        ValueError for less than one step.
        """
        check_steps(steps)
        files = read_folder(self.folder)
        planned = partial(plan_apply, files, to=to, steps=steps, accept_changed=accept_changed)
        if not planned(self._history()):
            return ()

        with self._locked() as (guard, session):
            plan = planned(read_history(session))
            ledger = Ledger(session)
            for file in plan.adopt:
                ledger.adopt(file)
            return self._each(guard, plan.pending, apply_one, on_applied)

    def would_apply(
        self, *, to: str | None = None, steps: int | None = None, accept_changed: bool = False
    ) -> tuple[str, ...]:
        """
        The ids of what `apply` would apply, in order, if nobody else migrates meanwhile.

        Takes no lock, writes nothing, works on a standby. Raises what `apply` raises before it
        begins.
        """
        check_steps(steps)
        files, history = read_folder(self.folder), self._history()
        plan = plan_apply(files, history, to=to, steps=steps, accept_changed=accept_changed)
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

        with self._locked() as (guard, session):
            chosen = plan_rollback(files, read_history(session), steps, to=to)
            return self._each(guard, chosen, rollback_one, on_rolled_back)

    def would_roll_back(self, steps: int | None = 1, *, to: str | None = None) -> tuple[str, ...]:
        """The ids of what `rollback` would undo, the latest first; as `would_apply`."""
        check_steps(steps)
        chosen = plan_rollback(read_folder(self.folder), self._history(), steps, to=to)
        return tuple(file.id for file in chosen)

    def status(self) -> MigrationsStatus:
        """How every migration stands. Takes no lock, writes nothing, works on a standby."""
        files = read_folder(self.folder)
        with closing(self._session()) as session:
            return MigrationsStatus(
                statuses(files, read_history(session)), invalid_indexes(session)
            )

    def new(self, name: str) -> tuple[Path, Path]:
        """
        The paths of a new migration and its rollback in the folder; as ``new_migration``.
        """
        return new_migration(self.folder, name)

    def _history(self) -> History:
        with closing(self._session()) as session:
            return read_history(session)

    def _session(self) -> Session:
        return open_session(self.conninfo, self.lock_timeout)

    @contextmanager
    def _locked(self) -> Iterator[tuple[Session, Session]]:
        """The session that holds the lock, and one for bookkeeping, with all tables in place."""
        with (
            closing(self._session()) as guard,
            hold_lock(guard, self.lock_wait),
            closing(self._session()) as session,
        ):
            Ledger(session).create_tables()
            yield guard, session

    def _each(
        self,
        guard: Session,
        files: tuple[MigrationFile, ...],
        run_one: Callable[[Session, MigrationFile], None],
        on_run: OnRun | None,
    ) -> tuple[MigrationRun, ...]:
        done: list[MigrationRun] = []
        for file in files:
            started = time.perf_counter()
            # A session for each, so that what one sets for its session does not reach the next.
            with closing(self._session()) as session:
                share_lock(session)
                # Only a living guard proves that the lock is still ours.
                guard.execute("select 1")
                try:
                    run_one(session, file)
                except MigrationFailedError as error:
                    self._add_leftovers(file, error)
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
            with closing(self._session()) as session:
                leftovers = invalid_indexes(session)
        except psycopg.Error:
            # The server is gone; the error to raise says so already.
            return
        for index in leftovers:
            error.add_note(f"invalid index on {index.table}: {index.remedy}")


def check_steps(steps: int | None) -> None:
    if steps is not None and steps < 1:
        raise ValueError(f"steps is 1 or more, not {steps}")


def apply_one(session: Session, file: MigrationFile) -> None:
    ledger = Ledger(session)
    if not file.transactional:
        ledger.started(file)
    run(session, Attempt(file, file.path, file.statements, ran=0), lambda: ledger.applied(file))


def rollback_one(session: Session, file: MigrationFile) -> None:
    ledger = Ledger(session)
    attempt = Attempt(file, file.rollback_path, file.rollback, ran=0)
    run(session, attempt, lambda: ledger.rolled_back(file))


def run(session: Session, attempt: Attempt, record: Callable[[], None]) -> None:
    """Runs the statements, then ``record``; raises MigrationFailedError from the driver's error."""
    ran = 0
    try:
        with session.transaction() if attempt.file.transactional else nullcontext():
            for statement in attempt.statements:
                session.execute(statement.text.encode())
                ran += 1
            check_transaction(session, attempt)
            with session.transaction():
                record()
    except psycopg.Error as error:
        stopped = attrs.evolve(attempt, ran=ran)
        raise failure_of(take_back(session, stopped), error) from error


def check_transaction(session: Session, attempt: Attempt) -> None:
    """Raises MigrationFailedError if the file began or ended a transaction that it should not."""
    within = session.info.transaction_status == TransactionStatus.INTRANS
    if attempt.file.transactional and not within:
        raise MigrationFailedError(
            f"{attempt.path}: it ended the transaction it runs in, so its statements took effect, "
            "and it is not recorded; take them back, delete its commit or rollback, and try again"
        )
    if within and not attempt.file.transactional:
        raise MigrationFailedError(
            f"{attempt.path}: it leaves a transaction open, which is rolled back; "
            "end it with commit, and try again"
        )


def take_back(session: Session, attempt: Attempt) -> Attempt:
    """
    Undoes what a migration without a transaction did before it failed, as yoyo does.

    yoyo pairs the first statement with the last of the rollback file, and so on; in other words,
    as many statements from the end of the rollback file as had run.
    """
    applying = attempt.path == attempt.file.path
    if attempt.file.transactional or not applying or attempt.failed is None or attempt.ran == 0:
        return attempt
    undone = 0
    try:
        # Where the file had begun a transaction of its own, that one comes first.
        session.rollback()
        for statement in attempt.file.rollback[-attempt.ran :]:
            session.execute(statement.text.encode())
            undone += 1
    except psycopg.Error as error:
        return attrs.evolve(attempt, undone=undone, undo_failure=message_of(error))
    return attrs.evolve(attempt, undone=undone)

"""Transactions and savepoints."""

from __future__ import annotations

import itertools
import math
from typing import NoReturn

import attrs
import psycopg

from raxol_sql.engine.core.deadline import deadline_of, earliest
from raxol_sql.engine.session import unknown_outcome as messages
from raxol_sql.engine.session.outcome_marker import OutcomeMarker
from raxol_sql.engine.session.session import Session, tag_of
from raxol_sql.engine.transaction.commit import (
    CommitState,
    Verify,
    note_outcome,
    outcome_unknown,
    resolve_outcome,
    rolled_back,
)
from raxol_sql.engine.transaction.extent import Extent
from raxol_sql.engine.transaction.options import DEFAULTS, TransactionOptions
from raxol_sql.engine.transaction.retrier import classify_error
from raxol_sql.engine.transaction.session_source import SessionSource, TransactionSession
from raxol_sql.engine.wire.pipeline import check
from raxol_sql.errors import CommittedResultLostError, TransactionError
from raxol_sql.failures import Category, Effect, Failure, Phase, Verdict, classify, mark_lost
from raxol_sql.telemetry import OperationTimer, Watching

_savepoint_numbers = itertools.count(1)
# Member access on an Enum is slow in Python 3.11.
_ACQUIRE, _IN_TRANSACTION = Phase.ACQUIRE, Phase.IN_TRANSACTION
_COMMIT_SENT, _DONE = Phase.COMMIT_SENT, Phase.DONE
_JOINED, _TRANSACTION = Extent.JOINED, Extent.TRANSACTION


class TransactionScope:
    """
    A transaction, or a savepoint in one.

    A block of code calls `enter`, uses the sessions of ``session_source``, and calls `exit`, which
    commits, or rolls back after an error; each is called once. A batch, which sends ``begin_sql``
    and ``end_sql`` itself with its statements, calls `check_out` instead of `enter`, then `finish`
    with the command tag of ``end_sql``, or `commit`, then `release`, and at last `resolve_outcome`
    if the COMMIT was not answered.

    With ``join_existing`` it makes no savepoint in a transaction that is open. ``until`` is the
    deadline (monotonic) for everything in it. ``verify`` is called where the outcome cannot be
    resolved by the server. If it ``is_retried`` by its owner after a serialization conflict, it
    does not continue after one that was caught inside, and its BEGIN travels with the first
    statement.

    ``phase`` is its state: ACQUIRE before BEGIN, IN_TRANSACTION, COMMIT_SENT, DONE. ``failure`` is
    the classified error that ended it, and ``is_standby`` says whether its server was in recovery.
    ``is_outdated`` says that it failed only because a prepared statement was outdated, so it may be
    run once more. For one thread or task at a time.
    """

    def __init__(
        self,
        outer: SessionSource,
        options: TransactionOptions | None = None,
        *,
        join_existing: bool = False,
        until: float | None = None,
        verify: Verify | None = None,
        is_retried: bool = False,
        telemetry: Watching | None = None,
    ) -> None:
        self._until = until = earliest(until, outer.until)
        self.session_source = TransactionSession(outer, until, telemetry)
        self.extent = _JOINED
        self.begin_sql: str | None = None
        self.end_sql: str | None = None
        self.phase = _ACQUIRE
        self.failure: Failure | None = None
        self.marker: OutcomeMarker | None = None
        self.is_standby = self.is_outdated = False
        self._outer = outer
        self._options = options or DEFAULTS
        self._join_existing = join_existing
        self._verify = verify
        self._is_retried = is_retried
        self._session: Session | None = None
        self._savepoint: str | None = None

    @property
    def is_outermost(self) -> bool:
        """Return whether this is a transaction, not a part of one."""
        return self.extent is _TRANSACTION

    async def check_out(self, purpose: str = "a transaction") -> Session:
        """
        Check out a session for the transaction, before anything is sent.

        Raises `TransactionError` when used twice, or for options on a savepoint.
        """
        if self._session is not None:
            raise TransactionError("a transaction is entered only once: call transaction() again")
        session = await self._outer.reserve(purpose, self._end())
        try:
            self._plan(session)
        except BaseException:
            await self._outer.free(session)
            raise
        self._session = session
        return session

    async def enter(self, purpose: str = "a transaction", *, keeps: bool = False) -> Session:
        """
        Begin, and return the session for the statements inside; raises as `check_out`.

        With ``keeps`` the session stays checked out after this call, until `exit`.
        """
        watch = self.session_source.telemetry.watch("begin", "transaction")
        try:
            session = await self._enter(purpose, watch)
        except BaseException as error:
            watch.end(error)
            raise
        try:
            if self.begin_sql is not None:
                watch.end()
            if keeps and self.is_outermost:
                session.keep()
        except BaseException as error:
            await self._exit(error)
            raise
        return session

    async def _enter(self, purpose: str, watch: OperationTimer) -> Session:
        session = await self.check_out(purpose)
        watch.took(session.idle_since)
        try:
            if self.begin_sql is not None:
                watch.name, watch.text = self.extent.beginning, self.begin_sql
                session.wire.until = end = self._end()
                await session.turn.acquire(end)
                try:
                    await session.path.follow()  # in it, the question would take a snapshot
                    if self._is_retried and self._savepoint is None:
                        session.wire.deferred_begin = self.begin_sql.encode()
                    else:
                        await session.command(self.begin_sql)
                finally:
                    session.turn.release()
        except BaseException as error:
            self.record_failure(error)
            await self.release()
            raise
        self.phase = _IN_TRANSACTION
        self.session_source.begin(session)
        return session

    async def exit(self, error: BaseException | None) -> None:
        """
        End the block and return the session.

        Raises `TransactionError` if the server rolled back although the block ended without an
        error: a statement failed, and its error was caught inside. If no reply to COMMIT arrives,
        resolves the outcome, or raises `OutcomeUnknownError`.
        """
        if self.end_sql is None:
            await self._exit(error)
            return
        name = self.extent.end if error is None else self.extent.rollback
        with self.session_source.telemetry.watch(name, "transaction") as watch:
            watch.took(math.inf)  # the connection was there all the time
            await self._exit(error)

    async def _exit(self, error: BaseException | None) -> None:
        session = self._checked_out()
        if self.is_outermost:
            session.take_up()
        self.session_source.end()
        commit: CommitState | None = None
        if error is not None and session.turn.is_mine:
            # A signal came between the end of a call and what was to be done after it.
            self.record_failure(error)
            session.give_up()
            session.turn.release()
            await self.release()
            return
        end = self._end()
        # After an interruption nothing waits for the statement of another thread or task.
        is_hurried = error is not None and not isinstance(error, Exception)
        try:
            await session.turn.acquire(0.0 if is_hurried and self.is_outermost else end)
            try:
                session.wire.until = end
                if error is None:
                    commit = await self.commit()
                else:
                    self._record_conflict(session, error)
                    self.record_failure(error)
                    await self.roll_back()
                    if self._is_retried and session.suspect is not None and session.is_idle:
                        self.is_outdated = await session.suspect.has_changed(session)
            finally:
                session.turn.release()
        except Exception as failed:
            if error is None:
                self.record_failure(failed)
            if error is None and not session.is_busy:
                raise
            # The server rolls back what is open on a connection that is closed.
            session.give_up()
            if error is None:
                raise
        except BaseException as failed:
            self.record_failure(failed)
            # This did not wait until another task was done with it, or was interrupted in the end.
            session.give_up()
            raise
        finally:
            await self.release()
        if commit is not None:
            await self.resolve_outcome(commit)

    def abandon(self) -> None:
        """Abandon a block that was entered, but whose caller never got it and will not exit it."""
        if self._session is not None and self.is_outermost:
            self._session.take_up()

    async def release(self) -> None:
        """Return the session."""
        session = self._checked_out()
        session.path.end_transaction(whole=self.is_outermost)
        if self.is_outermost:
            session.marker = session.conflict = session.last_error = session.suspect = None
            session.wire.end_transaction()
            if self.marker is not None and self.marker.is_refused:
                session.close()  # a new connection learns what is allowed by now
        await self._outer.free(session)

    async def commit(self) -> CommitState | None:
        """
        Send ``end_sql``; raises as `exit`.

        Returns what is left to do on another session, after this one is released; see
        `resolve_outcome`.
        """
        session = self._checked_out()
        if self.end_sql is None:
            return None
        if not self.is_outermost:
            if session.in_failed_transaction:
                await self.roll_back()
                raise TransactionError(messages.ERROR_CAUGHT_INSIDE) from session.last_error
            await session.command(self.end_sql)
            return None
        if session.conflict is not None and self._is_retried:
            # What it went on with was seen in a snapshot, or under locks, that are gone.
            await self.roll_back()
            raise session.conflict
        if session.is_lost:
            raise mark_lost(
                psycopg.OperationalError(messages.LOST_BEFORE_COMMIT)
            ) from session.last_error
        if session.wire.deferred_begin is not None:
            self.phase = _DONE  # nothing was sent
            return None
        self.phase = session.wire.phase = _COMMIT_SENT
        session.wire.is_committing = True
        completion = await session.complete(self.end_sql)
        interruption = completion.interruption
        if completion.error is not None:
            return CommitState(completion.error, interruption)
        assert completion.result is not None, "there is an answer, or an error"
        try:
            check(completion.result)
            self.finish(tag_of(completion.result))
        except Exception as error:
            if classify_error(error, _COMMIT_SENT).verdict is Verdict.RESOLVE:
                # The server, or a pooler in front of it, reports that it does not know.
                return CommitState(error, interruption)
            if interruption is not None:
                raise interruption from error
            raise
        return None if interruption is None else CommitState(None, interruption)

    def finish(self, tag: str) -> None:
        """
        Record the command tag of ``end_sql``; raises as `exit`.

        The server answers a COMMIT after a failed statement with ROLLBACK, and no error.
        """
        if self.is_outermost:
            self.phase = _DONE if tag == "COMMIT" else _IN_TRANSACTION
            if tag != "COMMIT":
                cause = self._checked_out().last_error
                raise TransactionError(messages.ERROR_CAUGHT_INSIDE) from cause

    async def roll_back(self) -> None:
        """Roll back to the beginning, which may not have been sent at all."""
        session = self._checked_out()
        try:
            if self._savepoint is not None:
                await session.command(f"rollback to savepoint {self._savepoint}")
                # Going back does not end it, and the server keeps every savepoint that is open.
                await session.command(f"release savepoint {self._savepoint}")
            elif session.wire.deferred_begin is not None:
                session.wire.deferred_begin = None
            elif self.begin_sql is not None and session.in_transaction:
                await session.command("rollback")
        except psycopg.OperationalError:
            # The connection is lost, so the server has rolled back; the block's own error says why.
            pass

    async def resolve_outcome(self, commit: CommitState) -> None:
        """
        Resolve the outcome; return if the transaction committed.

        Raises the original error if it rolled back, `OutcomeUnknownError` if the outcome is
        unknown, and an interruption before either.
        """
        error, interruption = commit.error, commit.interruption
        effect = Effect.COMMITTED if error is None else await self._resolve(error)
        if interruption is not None:
            note_outcome(interruption, effect, self.marker)
            raise interruption
        if error is not None and effect is not Effect.COMMITTED:
            self._raise_unless_committed(error, effect)
        self.phase = _DONE

    async def raise_outcome(self, error: Exception) -> NoReturn:
        """
        Raise the ``error`` that ended the scope, or the error for its outcome if that was unknown.

        To be called after `release`, because resolving an outcome takes another session.
        """
        if self.failure is not None and self.failure.effect is Effect.UNKNOWN:
            effect = await self._resolve(error)
            if effect is Effect.COMMITTED:
                raise CommittedResultLostError(messages.RESULT_LOST) from error
            self._raise_unless_committed(error, effect)
        raise error

    async def _resolve(self, error: BaseException) -> Effect:
        if self._options.read_only:
            return Effect.ROLLED_BACK
        retrier = self._outer.retrier
        assert retrier is not None, "only the outermost transaction sends a COMMIT"
        return await resolve_outcome(retrier, error, self.marker, self._verify, self._end())

    def _raise_unless_committed(self, error: BaseException, effect: Effect) -> NoReturn:
        if effect is Effect.UNKNOWN:
            raise outcome_unknown(error, self.marker)
        self.failure = rolled_back(classify_error(error, self.phase))
        error.add_note(messages.ROLLED_BACK)
        raise error

    def _record_conflict(self, session: Session, error: BaseException) -> None:
        """Record a conflict in a savepoint, for which the whole transaction is retried."""
        if self._savepoint is None or not isinstance(error, psycopg.Error):
            return
        if classify(error, _IN_TRANSACTION).category is Category.CONFLICT:
            session.conflict = error

    def record_failure(self, error: BaseException) -> None:
        """Classify the error that ends the scope."""
        session = self._checked_out()
        if self.phase is _IN_TRANSACTION and error is session.wire.overdue:
            # The server may have finished the statement, which is rolled back with the block.
            session.wire.overdue.effect = Effect.ROLLED_BACK.value
        cause = error.__cause__ if isinstance(error, TransactionError) else None
        self.failure = classify_error(cause or error, self.phase)
        self.is_standby = self.is_standby or session.is_standby

    def _end(self) -> float | None:
        """Return the deadline of the call that is being made now."""
        return earliest(deadline_of(self._outer.timeout), self._until)

    def _plan(self, session: Session) -> None:
        if not session.in_transaction:
            if session.is_at_standby and self._options.read_only is None:
                # If it is promoted now, nothing is written without a marker all the same.
                self._options, self.is_standby = attrs.evolve(self._options, read_only=True), True
            self.extent = _TRANSACTION
            self.begin_sql, self.end_sql = self._options.statement, "commit"
            if not self._options.read_only:
                check_by = self._options.commit_check
                self.marker = OutcomeMarker.of(session.facts, check_by, session.backend)
            session.begin_turns()
            session.marker, session.conflict, session.last_error = self.marker, None, None
            session.wire.phase = _IN_TRANSACTION
        elif not self._join_existing:
            if attrs.evolve(self._options, commit_check="none") != DEFAULTS:
                raise TransactionError("the options of a transaction belong to the outermost block")
            self.extent = Extent.SAVEPOINT
            self._savepoint = f"raxol_sql_{next(_savepoint_numbers)}"
            self.begin_sql = f"savepoint {self._savepoint}"
            self.end_sql = f"release savepoint {self._savepoint}"

    def _checked_out(self) -> Session:
        assert self._session is not None, "check_out or enter was called before"
        return self._session

"""Transactions and savepoints."""

from __future__ import annotations

import itertools
import math
from collections.abc import Awaitable, Callable
from typing import NoReturn

import attrs
import psycopg

from raxol_sql.engine.core.deadline import deadline_of, earliest
from raxol_sql.engine.session.outcome_marker import OutcomeMarker
from raxol_sql.engine.session.session import Session, tag_of
from raxol_sql.engine.session.unknown_outcome import (
    ERROR_CAUGHT_INSIDE,
    LOST_BEFORE_COMMIT,
    RESULT_LOST,
    ROLLED_BACK,
    problem_of,
)
from raxol_sql.engine.transaction.options import TransactionOptions
from raxol_sql.engine.transaction.retrier import (
    CommitState,
    UncertainOutcome,
    classify_error,
    settled,
)
from raxol_sql.engine.transaction.session_source import SessionSource, TransactionSession
from raxol_sql.engine.wire.pipeline import check
from raxol_sql.errors import CommittedResultLostError, TransactionError
from raxol_sql.failures import Category, Effect, Failure, Phase, Verdict, classify, mark_lost
from raxol_sql.telemetry import OperationTimer, Watching

_savepoint_numbers = itertools.count(1)
_GOOD_END, _BAD_END = ("commit", "release savepoint"), ("rollback", "rollback to savepoint")
Verify = Callable[[], Awaitable[bool | None]]


class TransactionScope:
    """
    One transaction, or one savepoint of a session that is in a transaction already.

    `inside` is the source of sessions for what runs between `enter` and `exit`, which commits, or
    rolls back if there was an error. Each is called once. A block that ``joins`` makes no
    savepoint: in a transaction it leaves everything to that one. ``until`` is when it has to end
    with all that is in it, ``verify`` what is asked where nothing else tells whether it has
    happened. One that ``repeats`` is done again by its owner after a conflict, so it does not go
    on after one that was caught inside, and its BEGIN travels with the first statement.

    Who sends the ``opening`` and the ``closing`` itself, with other statements, calls `reserve`
    instead of `enter`, `conclude` with the tag of the closing, or `commit`, then `free`, and
    `settle` if there is something in doubt.

    ``failure`` is what is known of an error after which the block ended, ``phase`` how far it had
    come, and ``is_standby`` whether its server was one. ``is_outdated`` says that it failed
    for no other reason than what was known of a statement, so that it may be done once more.
    """

    def __init__(
        self,
        outer: SessionSource,
        options: TransactionOptions | None = None,
        *,
        joins: bool = False,
        until: float | None = None,
        verify: Verify | None = None,
        repeats: bool = False,
        telemetry: Watching | None = None,
    ) -> None:
        self._until = until = earliest(until, outer.until)
        self.inside = TransactionSession(outer, until, telemetry)
        self.opening: str | None = None
        self.closing: str | None = None
        self.phase = Phase.ACQUIRE
        self.failure: Failure | None = None
        self.marker: OutcomeMarker | None = None
        self.is_standby = self.is_outdated = False
        self._outer = outer
        self._options = options or TransactionOptions()
        self._joins = joins
        self._verify = verify
        self._repeats = repeats
        self._session: Session | None = None
        self._savepoint: str | None = None

    async def reserve(self, purpose: str = "a transaction") -> Session:
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
        Begins, and gives the session for what runs inside; raises as `reserve`.

        One that ``keeps`` its session does so after the call that enters it, until `exit`.
        """
        watch = self.inside.telemetry.watch("begin", "transaction")
        try:
            session = await self._enter(purpose, watch)
        except BaseException as error:
            watch.end(error)
            raise
        try:
            if self.opening is not None:
                watch.end()
            if keeps and self.closing == "commit":
                session.keep()
        except BaseException as error:
            await self._exit(error)
            raise
        return session

    async def _enter(self, purpose: str, watch: OperationTimer) -> Session:
        session = await self.reserve(purpose)
        watch.took(session.idle_since)
        try:
            if self.opening is not None:
                watch.name, watch.text = self._name_of("begin", "savepoint"), self.opening
                session.wire.until = end = self._end()
                await session.turn.acquire(end)
                try:
                    await session.path.follow()  # in it, the question would take a snapshot
                    if self._repeats and self._savepoint is None:
                        session.wire.deferred_begin = self.opening.encode()
                    else:
                        await session.command(self.opening)
                finally:
                    session.turn.release()
        except BaseException as error:
            self.judge(error)
            await self.free()
            raise
        self.phase = Phase.IN_TRANSACTION
        self.inside.begin(session)
        return session

    async def exit(self, error: BaseException | None) -> None:
        """
        End the block and return the session.

        Raises `TransactionError` if the server rolled back although the block ended without an
        error: a statement failed, and its error was caught inside. If no reply to COMMIT arrives,
        resolves the outcome, or raises `OutcomeUnknownError`.
        """
        if self.closing is None:
            await self._exit(error)
            return
        name = self._name_of(*(_GOOD_END if error is None else _BAD_END))
        with self.inside.telemetry.watch(name, "transaction") as watch:
            watch.took(math.inf)  # the connection was there all the time
            await self._exit(error)

    async def _exit(self, error: BaseException | None) -> None:
        session = self._held()
        if self.closing == "commit":
            session.take_up()
        self.inside.end()
        pending: CommitState | None = None
        if error is not None and session.turn.is_mine:
            # A signal came between the end of a call and what was to be done after it.
            self.judge(error)
            session.give_up()
            session.turn.release()
            await self.free()
            return
        end = self._end()
        # After an interruption nothing waits for the statement of another thread or task.
        is_hurried = error is not None and not isinstance(error, Exception)
        try:
            await session.turn.acquire(0.0 if is_hurried and self.closing == "commit" else end)
            try:
                session.wire.until = end
                if error is None:
                    pending = await self.commit()
                else:
                    self._remember(session, error)
                    self.judge(error)
                    await self.roll_back()
                    if self._repeats and session.suspect is not None and session.is_idle:
                        self.is_outdated = await session.suspect.has_changed(session)
            finally:
                session.turn.release()
        except Exception as failed:
            if error is None:
                self.judge(failed)
            if error is None and not session.is_busy:
                raise
            # The server rolls back what is open on a connection that is closed.
            session.give_up()
            if error is None:
                raise
        except BaseException as failed:
            self.judge(failed)
            # This did not wait until another task was done with it, or was interrupted in the end.
            session.give_up()
            raise
        finally:
            await self.free()
        if pending is not None:
            await self.settle(pending)

    def disown(self) -> None:
        """Abandon a block that was entered, but whose caller never got it and will not exit it."""
        if self._session is not None and self.closing == "commit":
            self._session.take_up()

    async def free(self) -> None:
        """Return the session."""
        session = self._held()
        session.path.end_transaction(whole=self.closing == "commit")
        if self.closing == "commit":
            session.marker = session.conflict = session.last_error = session.suspect = None
            session.wire.overdue = session.wire.deferred_begin = None
            session.wire.is_committing = False
            if self.marker is not None and self.marker.is_refused:
                session.close()  # a new connection learns what is allowed by now
            session.wire.phase = Phase.SENT
        await self._outer.free(session)

    async def commit(self) -> CommitState | None:
        """Sends the closing, raises as `exit`; gives what is to be settled on another session."""
        session = self._held()
        if self.closing is None:
            return None
        if self.closing != "commit":
            if session.in_failed_transaction:
                await self.roll_back()
                raise TransactionError(ERROR_CAUGHT_INSIDE) from session.last_error
            await session.command(self.closing)
            return None
        if session.conflict is not None and self._repeats:
            # What it went on with was seen in a snapshot, or under locks, that are gone.
            await self.roll_back()
            raise session.conflict
        if session.is_lost:
            raise mark_lost(psycopg.OperationalError(LOST_BEFORE_COMMIT)) from session.last_error
        if session.wire.deferred_begin is not None:
            self.phase = Phase.DONE  # nothing was sent
            return None
        self.phase = session.wire.phase = Phase.COMMIT_SENT
        session.wire.is_committing = True
        completion = await session.complete(self.closing)
        interruption = completion.interruption
        if completion.error is not None:
            return CommitState(self.doubt(completion.error), interruption)
        assert completion.result is not None, "there is an answer, or an error"
        try:
            check(completion.result)
            self.conclude(tag_of(completion.result))
        except Exception as error:
            if classify_error(error, Phase.COMMIT_SENT).verdict is Verdict.RESOLVE:
                # The server, or who stands before it, says itself that it does not know.
                return CommitState(self.doubt(error), interruption)
            if interruption is not None:
                raise interruption from error
            raise
        return None if interruption is None else CommitState(None, interruption)

    def conclude(self, tag: str) -> None:
        """Raises as `exit`; a COMMIT after a failed statement is answered by ROLLBACK, no error."""
        if self.closing == "commit":
            self.phase = Phase.DONE if tag == "COMMIT" else Phase.IN_TRANSACTION
            if tag != "COMMIT":
                raise TransactionError(ERROR_CAUGHT_INSIDE) from self._held().last_error

    async def roll_back(self) -> None:
        """Roll back to the beginning, which may not have been sent at all."""
        session = self._held()
        try:
            if self._savepoint is not None:
                await session.command(f"rollback to savepoint {self._savepoint}")
                # Going back does not end it, and the server keeps every savepoint that is open.
                await session.command(f"release savepoint {self._savepoint}")
            elif session.wire.deferred_begin is not None:
                session.wire.deferred_begin = None
            elif self.opening is not None and session.in_transaction:
                await session.command("rollback")
        except psycopg.OperationalError:
            # The connection is lost, so the server has rolled back; the block's own error says why.
            pass

    def doubt(self, error: BaseException) -> UncertainOutcome:
        """What can be asked about a transaction whose COMMIT was not answered."""
        return UncertainOutcome(error, self.marker.token if self.marker else None, self._verify)

    async def settle(self, pending: CommitState) -> None:
        """
        Resolve the outcome; return if the transaction committed.

        Raises the original error if it rolled back, `OutcomeUnknownError` if the outcome is
        unknown, and a pending interruption before either.
        """
        doubt, interruption = pending.doubt, pending.interruption
        effect = Effect.COMMITTED if doubt is None else await self._found_out(doubt)
        if interruption is not None:
            self.mark(interruption, effect)
            raise interruption
        if doubt is not None and effect is Effect.ROLLED_BACK:
            self.failure = settled(classify_error(doubt.error, self.phase), effect)
            doubt.error.add_note(ROLLED_BACK)
            raise doubt.error
        if doubt is not None and effect is Effect.UNKNOWN:
            raise doubt.unknown(problem_of(self.marker))
        self.phase = Phase.DONE

    async def answer_for(self, error: Exception) -> NoReturn:
        """
        Raises ``error``, after which the block ended, or what is found out about it instead.

        That is to be done after the session is given back, as another one is needed.
        """
        failure = self.failure
        if failure is not None and failure.effect is Effect.UNKNOWN:
            doubt = self.doubt(error)
            effect = await self._found_out(doubt)
            if effect is Effect.COMMITTED:
                raise CommittedResultLostError(RESULT_LOST) from error
            if effect is Effect.UNKNOWN:
                raise doubt.unknown(problem_of(self.marker))
            self.failure = settled(failure, effect)
            error.add_note(ROLLED_BACK)
        raise error

    async def _found_out(self, doubt: UncertainOutcome) -> Effect:
        if self._options.read_only or (self.marker is not None and self.marker.is_unneeded):
            # It has written nothing, so to have happened is nothing.
            return Effect.ROLLED_BACK
        repeating = self._outer.repeating
        assert repeating is not None, "a transaction is in no other one"
        return await doubt.settle(repeating, self._end())

    def mark(self, interruption: BaseException, effect: Effect) -> None:
        """Note the transaction's outcome on an interruption after COMMIT was sent."""
        interruption.add_note(f"the COMMIT had been sent; the transaction: {effect.value}")
        token = None if self.marker is None else self.marker.token
        if effect is Effect.UNKNOWN and token is not None:
            token.mark(interruption)

    def _remember(self, session: Session, error: BaseException) -> None:
        """Has the whole transaction know of a conflict in a part of it."""
        if self._savepoint is None or not isinstance(error, psycopg.Error):
            return
        if classify(error, Phase.IN_TRANSACTION).category is Category.CONFLICT:
            session.conflict = error

    def judge(self, error: BaseException) -> None:
        """Takes in an error after which the block ends."""
        session = self._held()
        if self.phase is Phase.IN_TRANSACTION and error is session.wire.overdue:
            # The server may have been done with the statement, which is rolled back with the block.
            session.wire.overdue.effect = Effect.ROLLED_BACK.value
        cause = error.__cause__ if isinstance(error, TransactionError) else None
        self.failure = classify_error(cause or error, self.phase)
        self.is_standby = self.is_standby or session.is_standby

    def _name_of(self, whole: str, part: str) -> str:
        """What an end of a whole transaction is called, or else that of a savepoint."""
        return whole if self._savepoint is None else part

    def _end(self) -> float | None:
        """When the call has to end that is being made now."""
        return earliest(deadline_of(self._outer.timeout), self._until)

    def _plan(self, session: Session) -> None:
        if not session.in_transaction:
            if session.is_at_standby and self._options.read_only is None:
                # If it is promoted now, nothing is written without a marker all the same.
                self._options, self.is_standby = attrs.evolve(self._options, read_only=True), True
            self.opening, self.closing = self._options.statement, "commit"
            if not self._options.read_only:
                self.marker = OutcomeMarker.of(
                    session.facts, self._options.commit_check, session.backend
                )
            session.begin_turns()
            session.marker, session.conflict, session.last_error = self.marker, None, None
            session.wire.phase = Phase.IN_TRANSACTION
        elif not self._joins:
            if attrs.evolve(self._options, commit_check="none") != TransactionOptions():
                raise TransactionError("the options of a transaction belong to the outermost block")
            self._savepoint = f"raxol_sql_{next(_savepoint_numbers)}"
            self.opening = f"savepoint {self._savepoint}"
            self.closing = f"release savepoint {self._savepoint}"

    def _held(self) -> Session:
        assert self._session is not None, "it was reserved, or entered, before"
        return self._session

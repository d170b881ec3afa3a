"""One libpq connection, and how what goes on there is brought to an end."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from time import monotonic

import psycopg
from psycopg import capabilities
from psycopg.errors import error_from_result
from psycopg.pq import (
    ConnStatus,
    DiagnosticField,
    ExecStatus,
    PipelineStatus,
    TransactionStatus,
)
from psycopg.pq.abc import PGresult

from raxol_sql.engine.core.concurrency import Connection, IOBackend
from raxol_sql.engine.core.socket_wait import WaitTimeout
from raxol_sql.errors import DeadlineExceededError
from raxol_sql.failures import Effect, Phase, is_lost, mark_ending, mark_lost

FAILED = ExecStatus.FATAL_ERROR
SYNC = ExecStatus.PIPELINE_SYNC
COPYING = (ExecStatus.COPY_IN, ExecStatus.COPY_OUT)
# What is still asked of a server when the connection to it is closed.
STANDBY, READ_ONLY = _REMEMBERED = (b"in_hot_standby", b"default_transaction_read_only")
# How long, in seconds, a server may take to stop what it was told to stop: when somebody else
# interrupted, and when a deadline is over already.
_STOPPING = 1.5
_STOPPING_LATE = 0.25
# After how long it is told again: a request to cancel may overtake the statement it is meant for.
_AGAIN = 0.2
# After how many looks without a result in a row nothing is left: in a pipeline there is one such
# look after each statement.
NOTHING_LEFT = 3
# With which severities a server ends a connection.
_LAST_WORDS = (b"FATAL", b"PANIC")
_MOST_HEARD = 10_000


class PGConnection:
    """
    A connection of libpq, in non-blocking mode, and the waits on it.

    Whoever is interrupted in the middle, by a signal, a cancelled task, a lost connection or the
    moment ``until`` of the monotonic clock, leaves a connection behind that is either ready for the
    next request or closed. At that moment `DeadlineExceededError` is raised. ``aftermath`` is what
    became of what was posted last, if that ended with a COMMIT; ``received`` are the results of it
    that came before the collecting failed, and ``heard`` those that were there when the connection
    was found lost. ``phase`` says whether a transaction is open here: before its COMMIT is sent, a
    lost connection means a rollback; ``is_committing`` whether a COMMIT is on its way. ``overdue``
    is the error for a deadline in that transaction. An interruption is marked with the effect of
    what it ended. For one thread or task at a time.

    What has to be done after an interruption is read off libpq, as an exception of a signal
    handler may have left our own notes behind. An interruption in the middle of that gives the
    connection up: it is refused to everybody, and `stop` is left to the pool.
    """

    def __init__(self, colour: IOBackend, connection: Connection) -> None:
        self.connection = connection
        self.pgconn = connection.pgconn
        self.aftermath = Effect.NONE
        self.phase = Phase.SENT
        self.overdue: DeadlineExceededError | None = None
        self.heard: list[PGresult] = []
        self.received: list[PGresult] = []
        self._wait = colour.wait
        self._waiting = colour.waiting(self.pgconn)
        self.is_committing = self.is_given_up = False
        # How many pieces of work are half done, of which a call that is interrupted would leave
        # something behind: a limit that is set, or a statement that only the server knows.
        self.unfinished = 0
        # A BEGIN that is sent with the next request, so that it takes no round trip.
        self.deferred_begin: bytes | None = None
        self._is_reading = False
        self._syncs = 0
        self._last_words: dict[bytes, bool] = {}

    @property
    def status(self) -> TransactionStatus:
        """Whether a transaction is open, and whether it has failed."""
        if self.is_given_up:
            return TransactionStatus.UNKNOWN
        if self.deferred_begin is not None:
            return TransactionStatus.INTRANS
        return TransactionStatus(self.pgconn.transaction_status)

    @property
    def is_working(self) -> bool:
        """Whether something is under way, or left to be read, by what libpq knows."""
        pgconn = self.pgconn
        if pgconn.status == ConnStatus.BAD:
            return False
        if pgconn.transaction_status == TransactionStatus.ACTIVE:
            return True
        return pgconn.pipeline_status != PipelineStatus.OFF

    @property
    def until(self) -> float | None:
        """When waiting ends, on the monotonic clock; None if it does not."""
        return self._waiting.until

    @until.setter
    def until(self, moment: float | None) -> None:
        self._waiting.until = moment

    def is_on(self, setting: bytes) -> bool:
        """Whether the server said last that a setting is on, of those that it tells unasked."""
        if self._last_words:
            return self._last_words[setting]
        try:
            return self.pgconn.parameter_status(setting) == b"on"
        except psycopg.OperationalError:  # somebody else has closed it
            return False

    async def interrupt(self, error: BaseException) -> None:
        """Ends whatever is under way on the connection, because of ``error``."""
        await self._recover(error)

    def give_up(self) -> None:
        """Has every later request fail; the pool will `stop` what goes on, and close it."""
        self.is_given_up = True

    async def cancel(self, seconds: float) -> None:
        """
        Ask the server to cancel its statement, on another connection, unless it is a COMMIT.

        The call that sent the statement reads its result. Does nothing if the server cannot be
        reached.
        """
        if not self.is_committing and self.pgconn.status == ConnStatus.OK:
            with suppress(psycopg.Error, OSError):
                await self._wait(self.connection.cancel_safe(timeout=max(0.05, seconds)))

    async def stop(self, seconds: float) -> None:
        """Ends what goes on, which takes so many seconds at most; a COMMIT is left to itself."""
        if not self.is_committing:
            await self._stop(seconds, is_late=False)

    def detach(self) -> None:
        """Lets somebody else use or close the connection; the next request takes it again."""
        self._waiting.detach()

    def close(self) -> None:
        """Closes the connection at once, whatever goes on."""
        self._waiting.detach()
        if not self._last_words:
            self._last_words = {name: self.is_on(name) for name in _REMEMBERED}
        self.pgconn.finish()
        self._syncs = 0

    def _check_given_up(self) -> None:
        if self.is_given_up:
            raise mark_lost(psycopg.OperationalError(_GIVEN_UP))

    def _check_alive(self, result: PGresult) -> None:
        """Raises for a connection that is gone, and for a COPY, which nobody would move."""
        if self.pgconn.status == ConnStatus.BAD:
            raise self._lost(result)
        if result.status in COPYING:
            raise psycopg.NotSupportedError("use copy() for COPY statements")

    def _sync(self) -> None:
        self.pgconn.pipeline_sync()
        self._syncs += 1

    def _leave(self) -> None:
        self._syncs -= 1
        if not self._syncs:
            self.pgconn.exit_pipeline_mode()

    def _lost(self, result: PGresult | None) -> psycopg.Error:
        """The error for a connection that is gone; a server that ends it may have said why."""
        if result is not None and result.error_field(DiagnosticField.SQLSTATE):
            return mark_lost(error_from_result(result))
        message = self.pgconn.get_error_message() or "the connection is lost"
        return mark_lost(psycopg.OperationalError(message))

    def _hear_out(self) -> list[PGresult]:
        """
        What came before a connection was lost, and is not read yet.

        libpq has it, and says that it is busy because it failed to write.
        """
        heard: list[PGresult] = []
        for _ in range(_MOST_HEARD):
            result = self.pgconn.get_result()
            if result is None and not self._syncs:
                break
            if result is not None:
                heard.append(result)
                if result.status == FAILED and not result.error_field(DiagnosticField.SQLSTATE):
                    break
        return heard

    def _check_last_words(self, error: BaseException, results: Iterable[PGresult]) -> None:
        """
        Raises what the server said before the end of a connection, if it said why.

        The end of the line itself has no SQLSTATE.
        """
        if not is_lost(error):
            return
        for result in results:
            if result.error_field(DiagnosticField.SEVERITY_NONLOCALIZED) in _LAST_WORDS:
                raise self._lost(result) from None

    async def _recover(self, error: BaseException) -> None:
        """Brings the connection to an end of what is under way, or closes it."""
        pgconn = self.pgconn
        if pgconn.status == ConnStatus.BAD:
            self.aftermath = Effect.UNKNOWN
            self.heard = self._hear_out()
            self.close()
            if isinstance(error, psycopg.OperationalError):
                mark_lost(error)
            elif not isinstance(error, psycopg.Error):
                mark_ending(error, Effect.UNKNOWN)
            return
        is_late = isinstance(error, WaitTimeout)
        effect = Effect.NONE
        if self.is_working and not self.is_given_up:
            effect = await self._stop(_STOPPING_LATE if is_late else _STOPPING, is_late=is_late)
            if not isinstance(error, psycopg.Error | WaitTimeout):
                mark_ending(error, effect)
        self._is_reading = False
        if is_late:
            if self.phase is not Phase.IN_TRANSACTION:
                raise DeadlineExceededError(effect.value) from None
            # Without a COMMIT nothing stays, even if the server is not finished yet.
            effect = Effect.ROLLED_BACK if effect is Effect.UNKNOWN else effect
            self.overdue = DeadlineExceededError(effect.value)
            raise self.overdue from None

    def _conclude(self, effect: Effect, last: PGresult | None) -> None:
        """Notes what became of a COMMIT that was to be posted, by the last result that came."""
        if last is not None and last.command_status == b"COMMIT":
            self.aftermath = Effect.COMMITTED
        else:
            # What ended well without it is a transaction whose COMMIT was not posted.
            self.aftermath = effect if effect is Effect.UNKNOWN else Effect.ROLLED_BACK

    async def _stop(self, seconds: float, *, is_late: bool) -> Effect:
        """Stops what the server does, if that takes no longer; says what became of it."""
        pgconn, before = self.pgconn, self.until
        self.until = end = monotonic() + seconds
        # Before libpq 17 a request to cancel may itself wait for ever.
        may_cancel = capabilities.has_cancel_safe() or not is_late
        received = self.received if pgconn.pipeline_status != PipelineStatus.OFF else []
        results = [*received]
        try:
            if pgconn.pipeline_status != PipelineStatus.OFF:
                # One more does no harm, and whether the last one was sent need not be known.
                self._sync()
            pgconn.flush()
            while True:
                if may_cancel and pgconn.transaction_status == TransactionStatus.ACTIVE:
                    left = max(0.05, end - monotonic())
                    await self._wait(self.connection.cancel_safe(timeout=left))
                    self.until = min(end, monotonic() + _AGAIN)
                try:
                    await self._drain(results)
                    break
                except WaitTimeout:
                    if monotonic() >= end:
                        raise
                self.until = end
            is_failed = any(one.status == FAILED for one in results)
            effect = Effect.ROLLED_BACK if is_failed else Effect.COMMITTED
            if self._is_reading and not is_failed:
                # A result may have been lost between libpq and our list of them.
                effect = Effect.UNKNOWN
        except (psycopg.Error, OSError):
            # It cannot be said what the server does now; what interrupted goes on to the caller.
            self.close()
            effect = Effect.UNKNOWN
        except BaseException:
            self.give_up()
            raise
        finally:
            self.until = before
        self._conclude(effect, results[-1] if results else None)
        return effect

    async def _drain(self, results: list[PGresult]) -> None:
        """Reads all that the server still sends for what was requested, until nothing is left."""
        pgconn = self.pgconn
        is_pipeline = pgconn.pipeline_status != PipelineStatus.OFF
        nothing = 0
        while nothing < (NOTHING_LEFT if is_pipeline else 1):
            if pgconn.flush():
                await self._waiting.flush()
            while pgconn.is_busy():
                await self._waiting.input()
            result = pgconn.get_result()
            if pgconn.status == ConnStatus.BAD:
                raise self._lost(result)
            nothing = nothing + 1 if result is None else 0
            if result is None or result.status == SYNC:
                continue
            results.append(result)
            if result.status == ExecStatus.COPY_IN:
                pgconn.put_copy_end(b"interrupted")
            elif result.status == ExecStatus.COPY_OUT:
                while (length := pgconn.get_copy_data(1)[0]) >= 0:
                    if not length:
                        await self._waiting.input()
        if is_pipeline:
            # libpq refuses it as long as anything is left.
            pgconn.exit_pipeline_mode()
            self._syncs = 0


_GIVEN_UP = "this connection was interrupted in the middle of a request, and is being closed"

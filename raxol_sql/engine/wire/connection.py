"""A libpq connection, and its recovery after an interruption."""

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
# Member access on an Enum is slow in Python 3.11, and these are read by every call.
BAD, OFF = ConnStatus.BAD, PipelineStatus.OFF
SENT, IN_TRANSACTION = Phase.SENT, Phase.IN_TRANSACTION
NONE, COMMITTED = Effect.NONE, Effect.COMMITTED
ROLLED_BACK, UNKNOWN = Effect.ROLLED_BACK, Effect.UNKNOWN
# The requests that are still sent before a connection is closed.
STANDBY, READ_ONLY = _REMEMBERED = (b"in_hot_standby", b"default_transaction_read_only")
# Seconds that the server may take to cancel its statement: after an interruption, and after a
# deadline.
_STOPPING = 1.5
_STOPPING_LATE = 0.25
# Seconds until the cancel request is repeated: a request may arrive before its statement.
_AGAIN = 0.2
# Number of consecutive empty results after which nothing is left: a pipeline has one after each
# statement.
NOTHING_LEFT = 3
# The severities with which a server ends a connection.
_FATAL_SEVERITIES = (b"FATAL", b"PANIC")
_MAX_UNREAD = 10_000


class PGConnection:
    """
    A libpq connection in non-blocking mode, with its waits.

    After an interruption, by a signal, a cancelled task, a lost connection or the deadline
    ``until`` (monotonic), the connection is either ready for the next request or closed. At the
    deadline `DeadlineExceededError` is raised. ``commit_effect`` is the effect of the last
    requests, if they ended with a COMMIT; ``received`` are their results that arrived before
    reading failed, and ``heard`` those that had arrived when the connection was found lost.
    ``phase`` says whether a transaction is open: before COMMIT is sent, a lost connection means a
    rollback. ``is_committing`` says whether a COMMIT is in progress. ``overdue`` is the error for a
    deadline in that transaction. An interruption is marked with the effect of the request it ended.
    For one thread or task at a time.

    Recovery relies on the state of libpq, because an exception of a signal handler may have left
    our own attributes incomplete. A second interruption during recovery abandons the connection:
    every request on it fails, and the pool calls `stop`.
    """

    def __init__(self, colour: IOBackend, connection: Connection) -> None:
        self.connection = connection
        self.pgconn = connection.pgconn
        self.commit_effect = NONE
        self.phase = SENT
        self.overdue: DeadlineExceededError | None = None
        self.heard: list[PGresult] = []
        self.received: list[PGresult] = []
        self._wait = colour.wait
        self._waiting = colour.waiting(self.pgconn)
        self.is_committing = self.is_given_up = False
        # Number of unfinished steps that an interruption would leave behind: a changed timeout, or
        # a statement that only the server knows.
        self.unfinished = 0
        # A BEGIN that is sent with the next request, so that it takes no round trip.
        self.deferred_begin: bytes | None = None
        self._is_reading = False
        self._syncs = 0
        self._last_words: dict[bytes, bool] = {}

    @property
    def status(self) -> int:
        """Return the transaction status, one of psycopg's TransactionStatus."""
        if self.is_given_up:
            return TransactionStatus.UNKNOWN
        if self.deferred_begin is not None:
            return TransactionStatus.INTRANS
        return self.pgconn.transaction_status

    @property
    def is_working(self) -> bool:
        """Return whether a request is in progress or has unread results, judging by libpq."""
        pgconn = self.pgconn
        if pgconn.status == BAD:
            return False
        if pgconn.transaction_status == TransactionStatus.ACTIVE:
            return True
        return pgconn.pipeline_status != OFF

    @property
    def until(self) -> float | None:
        """When waiting ends, on the monotonic clock; None if it does not."""
        return self._waiting.until

    @until.setter
    def until(self, moment: float | None) -> None:
        self._waiting.until = moment

    def is_on(self, setting: bytes) -> bool:
        """Return whether a setting that the server reports was last reported on."""
        if self._last_words:
            return self._last_words[setting]
        try:
            return self.pgconn.parameter_status(setting) == b"on"
        except psycopg.OperationalError:  # another caller has closed it
            return False

    async def interrupt(self, error: BaseException) -> None:
        """End the request in progress because of ``error``."""
        await self._recover(error)

    def give_up(self) -> None:
        """
        Make every later request fail; the pool will `stop` the request in progress and close it.
        """
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
        """End the request in progress within ``seconds``; a COMMIT is not interrupted."""
        if not self.is_committing:
            await self._stop(seconds, is_late=False)

    def detach(self) -> None:
        """Release the socket, so that other code may use or close the connection."""
        self._waiting.detach()

    def close(self) -> None:
        """Close the connection at once, even during a request."""
        self._waiting.detach()
        if not self._last_words:
            self._last_words = {name: self.is_on(name) for name in _REMEMBERED}
        self.pgconn.finish()
        self._syncs = 0

    def _check_given_up(self) -> None:
        if self.is_given_up:
            raise mark_lost(psycopg.OperationalError(_GIVEN_UP))

    def _check_alive(self, result: PGresult) -> None:
        """Raise for a lost connection, and for a COPY, which has no reader or writer here."""
        if self.pgconn.status == BAD:
            raise self._lost_error(result)
        if result.status in COPYING:
            raise psycopg.NotSupportedError("use copy() for COPY statements")

    def _sync(self) -> None:
        self.pgconn.pipeline_sync()
        self._syncs += 1

    def _leave(self) -> None:
        self._syncs -= 1
        if not self._syncs:
            self.pgconn.exit_pipeline_mode()

    def _lost_error(self, result: PGresult | None) -> psycopg.Error:
        """Return the error for a lost connection, with the server's message if there is one."""
        if result is not None and result.error_field(DiagnosticField.SQLSTATE):
            return mark_lost(error_from_result(result))
        message = self.pgconn.get_error_message() or "the connection is lost"
        return mark_lost(psycopg.OperationalError(message))

    def _hear_out(self) -> list[PGresult]:
        """
        Return the unread results of a lost connection.

        libpq has them, but reports to be busy after a failed write.
        """
        heard: list[PGresult] = []
        for _ in range(_MAX_UNREAD):
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
        Raise the server's final error, if it sent one before it ended the connection.

        The end of the connection itself has no SQLSTATE.
        """
        if not is_lost(error):
            return
        for result in results:
            if result.error_field(DiagnosticField.SEVERITY_NONLOCALIZED) in _FATAL_SEVERITIES:
                raise self._lost_error(result) from None

    async def _recover(self, error: BaseException) -> None:
        """Finish the request in progress, or close the connection."""
        pgconn = self.pgconn
        if pgconn.status == BAD:
            self.commit_effect = UNKNOWN
            self.heard = self._hear_out()
            self.close()
            if isinstance(error, psycopg.OperationalError):
                mark_lost(error)
            elif not isinstance(error, psycopg.Error):
                mark_ending(error, UNKNOWN)
            return
        is_late = isinstance(error, WaitTimeout)
        effect = NONE
        if self.is_working and not self.is_given_up:
            effect = await self._stop(_STOPPING_LATE if is_late else _STOPPING, is_late=is_late)
            if not isinstance(error, psycopg.Error | WaitTimeout):
                mark_ending(error, effect)
        self._is_reading = False
        if is_late:
            if self.phase is not IN_TRANSACTION:
                raise DeadlineExceededError(effect.value) from None
            # Without COMMIT everything is rolled back, even if the server is not finished yet.
            effect = ROLLED_BACK if effect is UNKNOWN else effect
            self.overdue = DeadlineExceededError(effect.value)
            raise self.overdue from None

    def _conclude(self, effect: Effect, last: PGresult | None) -> None:
        """Record the outcome of a COMMIT that was to be sent, judging by the last result."""
        if last is not None and last.command_status == b"COMMIT":
            self.commit_effect = COMMITTED
        else:
            # Success without a COMMIT result is a transaction whose COMMIT was not sent.
            self.commit_effect = effect if effect is UNKNOWN else ROLLED_BACK

    async def _stop(self, seconds: float, *, is_late: bool) -> Effect:
        """Cancel the server's statement, within the time allowed; return its effect."""
        pgconn, before = self.pgconn, self.until
        self.until = end = monotonic() + seconds
        # Before libpq 17, a cancel request may itself block forever.
        may_cancel = capabilities.has_cancel_safe() or not is_late
        received = self.received if pgconn.pipeline_status != OFF else []
        results = [*received]
        try:
            if pgconn.pipeline_status != OFF:
                # Another sync is harmless, and whether the last one was sent is unknown.
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
            effect = ROLLED_BACK if is_failed else COMMITTED
            if self._is_reading and not is_failed:
                # A result may have been lost between libpq and our list of results.
                effect = UNKNOWN
        except (psycopg.Error, OSError):
            # The state of the server is unknown; the interruption is raised to the caller.
            self.close()
            effect = UNKNOWN
        except BaseException:
            self.give_up()
            raise
        finally:
            self.until = before
        self._conclude(effect, results[-1] if results else None)
        return effect

    async def _drain(self, results: list[PGresult]) -> None:
        """Read and discard everything that the server still sends for the requests."""
        pgconn = self.pgconn
        is_pipeline = pgconn.pipeline_status != OFF
        nothing = 0
        while nothing < (NOTHING_LEFT if is_pipeline else 1):
            if pgconn.flush():
                await self._waiting.flush()
            while pgconn.is_busy():
                await self._waiting.input()
            result = pgconn.get_result()
            if pgconn.status == BAD:
                raise self._lost_error(result)
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
            # libpq refuses this while anything is unread.
            pgconn.exit_pipeline_mode()
            self._syncs = 0


_GIVEN_UP = "this connection was interrupted in the middle of a request, and is being closed"

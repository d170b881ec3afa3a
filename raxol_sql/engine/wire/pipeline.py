"""Requests and their results on a libpq connection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from time import monotonic, perf_counter

import attrs
import psycopg
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from raxol_sql.engine.core.busy_poll import AdaptivePoller
from raxol_sql.engine.core.concurrency import Connection, IOBackend
from raxol_sql.engine.core.deadline import GRACE
from raxol_sql.engine.core.socket_wait import WaitTimeout
from raxol_sql.engine.wire.connection import (
    BAD,
    COPYING,
    FAILED,
    NOTHING_LEFT,
    OFF,
    ROLLED_BACK,
    SENT,
    SYNC,
    UNKNOWN,
    PGConnection,
)
from raxol_sql.engine.wire.timeout_detection import detect, to_exception
from raxol_sql.errors import DeadlineExceededError
from raxol_sql.failures import mark_lost

Request = Callable[[], object]

DONE = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
_PUSH = 64
# Seconds that an interruption waits for a request that must not be cancelled.
_UNINTERRUPTED_WAIT = 1.5


@attrs.frozen(eq=False, repr=False)
class Completion:
    """
    The result of a request that must not be cancelled.

    Either a ``result``, or the ``error`` after which the connection was closed. ``interruption`` is
    an exception that arrived during the request and must still be raised.
    """

    result: PGresult | None = None
    error: Exception | None = None
    interruption: BaseException | None = None


class Pipeline(PGConnection):
    """
    A connection that sends requests and receives their results.

    A request is a call of one of libpq's ``send`` functions. ``limit`` is the timeout for
    statements without their own timeout, in milliseconds; None or 0 for none.
    """

    def __init__(self, colour: IOBackend, connection: Connection) -> None:
        super().__init__(colour, connection)
        self.limit: int | None = None
        self._is_unsent = self._is_beginning = False
        self._since = 0.0
        self._patience = AdaptivePoller()

    @property
    def is_expecting(self) -> bool:
        """Return whether requests were sent whose results are not read yet."""
        return self._syncs > 0 and self.pgconn.pipeline_status != OFF

    def end_transaction(self) -> None:
        """Reset the state of a transaction; each statement is its own transaction again."""
        self.overdue = self.deferred_begin = None
        self.is_committing = False
        self.phase = SENT

    async def ask(self, request: Request, patience: AdaptivePoller | None = None) -> PGresult:
        """Send one request and return its result; raises the driver's error if it failed."""
        if self.is_given_up:
            self._check_given_up()
        if self.deferred_begin is not None:
            (answer,) = await self.exchange([request])
            check(answer)
            return answer
        pgconn = self.pgconn
        patience = patience or self._patience
        watch = patience.choose()
        since = perf_counter() if patience.is_timed else 0.0
        waiting = self._waiting
        result: PGresult | None = None
        try:
            request()
            if pgconn.flush():
                await waiting.flush()
            if pgconn.is_busy() and await waiting.answer(watch):
                patience.miss()
            result = pgconn.get_result()
            if result is None:
                raise self._lost_error(None)
            if result.status not in DONE:
                self._check_alive(result)
            while True:
                if pgconn.is_busy():
                    await waiting.answer(False)
                more = pgconn.get_result()
                if more is None:
                    break
                # The commit of a single statement follows its result, and may fail.
                if more.status not in DONE:
                    self._check_alive(more)
                    result = more
        except BaseException as error:
            await self._recover(error)
            self._check_last_words(error, [result, *self.heard] if result else self.heard)
            raise
        if patience.is_timed:
            patience.learn(perf_counter() - since)
        if result.status not in DONE:
            raise to_exception(self._detect_timeout(result))
        return result

    async def complete(self, request: Request) -> Completion:
        """
        Send a request that must not be cancelled, because its outcome would be unknown.

        An interruption, by a signal or a cancelled task, does not end it but limits its time: any
        exception that is not from the driver, and the deadline ``until``. Raises nothing.
        """
        pgconn, until = self.pgconn, self.until
        result: PGresult | None = None
        interruption: BaseException | None = None
        is_sent = False
        try:
            self._check_given_up()
            while True:
                try:
                    if not is_sent:
                        is_sent = True
                        request()
                    if pgconn.flush():
                        await self._waiting.flush()
                    if pgconn.is_busy():
                        await self._waiting.answer(False)
                    more = pgconn.get_result()
                    if more is None:
                        break
                    result = more
                    if more.status not in DONE:
                        self._check_alive(more)
                        result = self._detect_timeout(more)
                except (psycopg.Error, WaitTimeout):
                    raise
                except BaseException as caught:
                    interruption = interruption or caught
                    latest = monotonic() + _UNINTERRUPTED_WAIT
                    self.until = latest if self.until is None else min(self.until, latest)
                    if monotonic() >= self.until:
                        raise WaitTimeout from None
            if result is None:
                raise self._lost_error(None)
        except BaseException as error:
            self.close()
            if not isinstance(error, (psycopg.Error, WaitTimeout)):
                interruption = interruption or error
            if result is not None and result.status == ExecStatus.COMMAND_OK:
                # The server has answered; only the end of its reply is missing.
                return Completion(result, None, interruption)
            if isinstance(error, WaitTimeout):
                return Completion(None, DeadlineExceededError(UNKNOWN.value), interruption)
            if isinstance(error, psycopg.Error):
                return Completion(None, mark_lost(error), interruption)
            # It arrived between two steps, so a reply may have been missed.
            return Completion(None, self._lost_error(None), interruption)
        finally:
            self.until = until
        return Completion(result, None, interruption)

    async def post(self, requests: Iterable[Request]) -> None:
        """Send requests together; their results are received in the order of sending."""
        self._check_given_up()
        pgconn = self.pgconn
        try:
            if pgconn.pipeline_status == OFF:
                pgconn.enter_pipeline_mode()
                self._syncs = 0
                self._is_reading = self._is_beginning = False
                self._since = perf_counter()
                self.received = []
                self.commit_effect = ROLLED_BACK
            self.commit_effect = UNKNOWN
            begin, self.deferred_begin = self.deferred_begin, None
            if begin is not None:
                self._is_beginning = True
                pgconn.send_query_params(begin, None)
            for number, request in enumerate(requests, 1):
                request()
                # The server works on the first requests while the last ones are written.
                if not number % _PUSH:
                    pgconn.flush()
            self._sync()
            if pgconn.flush():
                await self._waiting.flush()
        except BaseException as error:
            await self._recover(error)
            raise

    async def collect(self) -> list[PGresult]:
        """
        Return the results of the requests that were sent, errors included.

        Requests after a failed one had no effect. A failure at the very end, in the commit of an
        implicit transaction, is an additional result.
        """
        pgconn, waiting, patience = self.pgconn, self._waiting, self._patience
        results: list[PGresult] = []
        watch = patience.choose()
        nothing, is_refused = 0, False
        try:
            self._is_reading = True
            while True:
                if pgconn.is_busy():
                    # An interruption of the wait finds every result so far in the list.
                    self._is_reading = False
                    if await waiting.answer(watch):
                        patience.miss()
                    self._is_reading = True
                result = pgconn.get_result()
                # An empty result follows each result once, and that of a lost connection forever.
                if result is None or result.status == FAILED:
                    if pgconn.status == BAD:
                        raise self._lost_error(result)
                    if result is None:
                        nothing += 1
                        if nothing == NOTHING_LEFT:
                            raise self._lost_error(None)
                        continue
                    took = perf_counter() - self._since
                    result = self._detect_timeout(result, results, self.limit, took)
                if result.status == SYNC:
                    break
                nothing = 0
                if self._is_beginning:
                    self._is_beginning = False
                    if result.status in DONE:
                        continue
                    # The server ignores what comes after it: one result stands for the next.
                    is_refused = True
                elif is_refused:
                    is_refused = False
                    continue
                results.append(result)
            self._is_reading = False
            self._conclude(ROLLED_BACK, results[-1] if results else None)
            self._leave()
        except BaseException as error:
            # It raises a different error itself at the deadline.
            self.received = results
            await self._recover(error)
            # The result of a deferred BEGIN belongs to no request; its error ends all of them.
            heard = self.heard
            if self._is_beginning and heard and heard[0].status in DONE:
                heard = heard[1:]
            self.received = results = [*results, *heard]
            self._check_last_words(error, results)
            raise
        if patience.is_timed:
            patience.learn(perf_counter() - self._since)
        return results

    async def begin_now(self) -> None:
        """Send a deferred BEGIN, if there is one, before what cannot share its round trip."""
        begin, self.deferred_begin = self.deferred_begin, None
        if begin is not None:
            await self.ask(partial(self.pgconn.send_query, begin))

    async def exchange(self, requests: Iterable[Request]) -> list[PGresult]:
        """Send requests together and return their results; see `collect`."""
        await self.post(requests)
        return await self.collect()

    async def begin_copy(self, text: bytes) -> None:
        """Start a COPY, in either direction; `end_copy` ends it."""
        self._check_given_up()
        await self.begin_now()
        self._is_unsent = False
        try:
            self.pgconn.send_query(text)
            if self.pgconn.flush():
                await self._waiting.flush()
            result = await self._next()
            if result is None:
                raise self._lost_error(None)
            if result.status not in COPYING:
                while await self._next() is not None:
                    pass
        except BaseException as error:
            await self._recover(error)
            raise
        if result.status not in COPYING:
            check(self._detect_timeout(result))
            raise psycopg.ProgrammingError("this is no COPY")

    async def put(self, block: bytes) -> None:
        """
        Send a block of a COPY FROM STDIN.

        The block may still be in transit while the next one is made.
        """
        try:
            if self._is_unsent:
                await self._waiting.flush()
            self.pgconn.put_copy_data(block)
            self._is_unsent = bool(self.pgconn.flush())
        except BaseException as error:
            await self._recover(error)
            raise

    async def take(self) -> bytes | None:
        """Return the next block of a COPY TO STDOUT, or None after the last."""
        pgconn = self.pgconn
        try:
            while True:
                length, data = pgconn.get_copy_data(1)
                if length > 0:
                    return bytes(data)
                if length < 0:
                    return None
                await self._waiting.input()
        except BaseException as error:
            await self._recover(error)
            raise

    async def end_copy(self, *, sent: bool) -> PGresult:
        """Return the result of a COPY whose data was ``sent`` or read to the end."""
        return await self.ask(self.pgconn.put_copy_end if sent else _nothing)

    def _detect_timeout(
        self,
        result: PGresult,
        before: Sequence[PGresult] = (),
        limit: int | None = None,
        took: float = 0.0,
    ) -> PGresult:
        """Return a failed result, as `TimedOut` if our own timeout ended it."""
        until = self.until
        left = None if until is None else until - GRACE - monotonic()
        return detect(result, before, limit, took, left)

    async def _next(self) -> PGresult | None:
        pgconn = self.pgconn
        if pgconn.is_busy():
            await self._waiting.answer(False)
        result = pgconn.get_result()
        if pgconn.status == BAD:
            raise self._lost_error(result)
        return result


def _nothing() -> None:
    pass


def check(result: PGresult) -> None:
    """Raise the driver's error for a failed result, or `DeadlineExceededError`."""
    if result.status not in DONE:
        raise to_exception(result)


def check_all(results: list[PGresult]) -> list[PGresult]:
    """Return the results, or raise the error of the first failed one, as `check`."""
    for result in results:
        check(result)
    return results

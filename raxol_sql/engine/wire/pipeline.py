"""Requests and their answers on one libpq connection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from time import monotonic, perf_counter

import attrs
import psycopg
from psycopg.pq import ConnStatus, ExecStatus, PipelineStatus
from psycopg.pq.abc import PGresult

from raxol_sql.engine.core.busy_poll import AdaptivePoller
from raxol_sql.engine.core.concurrency import Connection, IOBackend
from raxol_sql.engine.core.deadline import GRACE
from raxol_sql.engine.core.socket_wait import WaitTimeout
from raxol_sql.engine.wire.connection import COPYING, FAILED, NOTHING_LEFT, SYNC, PGConnection
from raxol_sql.engine.wire.timeout_detection import seen, to_exception
from raxol_sql.errors import DeadlineExceededError
from raxol_sql.failures import Effect, mark_lost

Request = Callable[[], object]

DONE = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
_PUSH = 64
# How long, in seconds, somebody who interrupts has to wait for what is not to be stopped.
_INSISTING = 1.5


@attrs.frozen
class Completion:
    """
    What became of a request that was not to be stopped.

    Its ``result``; or the ``error`` for which there is none, and after which the connection is
    closed. ``interruption`` came meanwhile, and is still to be raised.
    """

    result: PGresult | None = None
    error: Exception | None = None
    interruption: BaseException | None = None


class Pipeline(PGConnection):
    """
    A connection as libpq knows it: what is sent on it, and what comes back.

    A request is a call of one of libpq's ``send`` functions. ``limit`` is what we have set for a
    statement that has no limit of its own, in milliseconds, None or 0 for none.
    """

    def __init__(self, colour: IOBackend, connection: Connection) -> None:
        super().__init__(colour, connection)
        self.limit: int | None = None
        self._is_unsent = self._is_beginning = False
        self._since = 0.0
        self._patience = AdaptivePoller()

    @property
    def is_expecting(self) -> bool:
        """Whether something was posted that is not collected yet."""
        return self._syncs > 0 and self.pgconn.pipeline_status != PipelineStatus.OFF

    async def ask(self, request: Request, patience: AdaptivePoller | None = None) -> PGresult:
        """The result of one request; raises the driver's error if the server refused it."""
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
                raise self._lost(None)
            if result.status not in DONE:
                self._check_alive(result)
            while True:
                if pgconn.is_busy():
                    await waiting.answer(False)
                more = pgconn.get_result()
                if more is None:
                    break
                # The commit of a single statement comes after its result, and may fail.
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
            raise to_exception(self._seen(result))
        return result

    async def complete(self, request: Request) -> Completion:
        """
        As `ask`, for what is not to be stopped: nobody could say then what became of it.

        An interruption, by a signal or a cancelled task, does not end it, and leaves it a bounded
        time: that is whatever is raised but by the driver, and by the end of ``until``. Raises
        nothing.
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
                        result = self._seen(more)
                except (psycopg.Error, WaitTimeout):
                    raise
                except BaseException as caught:
                    interruption = interruption or caught
                    latest = monotonic() + _INSISTING
                    self.until = latest if self.until is None else min(self.until, latest)
                    if monotonic() >= self.until:
                        raise WaitTimeout from None
            if result is None:
                raise self._lost(None)
        except BaseException as error:
            self.close()
            if not isinstance(error, (psycopg.Error, WaitTimeout)):
                interruption = interruption or error
            if result is not None and result.status == ExecStatus.COMMAND_OK:
                # The server has answered; only the end of its answer is missing.
                return Completion(result, None, interruption)
            if isinstance(error, WaitTimeout):
                return Completion(None, DeadlineExceededError(Effect.UNKNOWN.value), interruption)
            if isinstance(error, psycopg.Error):
                return Completion(None, mark_lost(error), interruption)
            # It came between two steps, so an answer may have been missed.
            return Completion(None, self._lost(None), interruption)
        finally:
            self.until = until
        return Completion(result, None, interruption)

    async def post(self, requests: Iterable[Request]) -> None:
        """Sends requests together; their results are to be collected, in the order of posting."""
        self._check_given_up()
        pgconn = self.pgconn
        try:
            if pgconn.pipeline_status == PipelineStatus.OFF:
                pgconn.enter_pipeline_mode()
                self._syncs = 0
                self._is_reading = self._is_beginning = False
                self._since = perf_counter()
                self.received = []
                self.aftermath = Effect.ROLLED_BACK
            self.aftermath = Effect.UNKNOWN
            begin, self.deferred_begin = self.deferred_begin, None
            if begin is not None:
                self._is_beginning = True
                pgconn.send_query_params(begin, None)
            for number, request in enumerate(requests, 1):
                request()
                # The server works on the first ones while the last ones are written.
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
        The results of what was posted and not collected yet; errors are among them.

        Where one request failed, the ones after it did not happen. What fails at the very end,
        in the commit of a transaction that nobody began, is one result more.
        """
        pgconn, waiting, patience = self.pgconn, self._waiting, self._patience
        results: list[PGresult] = []
        watch = patience.choose()
        nothing, is_refused = 0, False
        try:
            while True:
                if pgconn.is_busy():
                    # An interruption of the wait finds every result that was read in the list.
                    self._is_reading = False
                    if await waiting.answer(watch):
                        patience.miss()
                self._is_reading = True
                result = pgconn.get_result()
                # After each result comes nothing, once; after that of a lost connection, for ever.
                if result is None or result.status == FAILED:
                    if pgconn.status == ConnStatus.BAD:
                        raise self._lost(result)
                    if result is None:
                        nothing += 1
                        if nothing == NOTHING_LEFT:
                            raise self._lost(None)
                        continue
                    took = perf_counter() - self._since
                    result = self._seen(result, results, self.limit, took)
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
            self._conclude(Effect.ROLLED_BACK, results[-1] if results else None)
            self._leave()
        except BaseException as error:
            # It raises another error itself where the time is over.
            self.received = results
            await self._recover(error)
            # The result of a deferred BEGIN is of none of the requests.
            heard = self.heard[1:] if self._is_beginning else self.heard
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
        """The results of requests that are sent together; see `collect`."""
        await self.post(requests)
        return await self.collect()

    async def begin_copy(self, text: bytes) -> None:
        """Starts a COPY, in either direction; it ends with `end_copy`."""
        self._check_given_up()
        await self.begin_now()
        self._is_unsent = False
        try:
            self.pgconn.send_query(text)
            if self.pgconn.flush():
                await self._waiting.flush()
            result = await self._next()
            if result is None:
                raise self._lost(None)
            if result.status not in COPYING:
                while await self._next() is not None:
                    pass
        except BaseException as error:
            await self._recover(error)
            raise
        if result.status not in COPYING:
            check(self._seen(result))
            raise psycopg.ProgrammingError("this is no COPY")

    async def put(self, block: bytes) -> None:
        """
        Sends a piece of a COPY FROM STDIN.

        It may be still on its way after that, while the next one is made.
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
        """The next piece of a COPY TO STDOUT; None after the last."""
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
        """The result of a COPY whose data were ``sent``, or taken, to their end."""
        return await self.ask(self.pgconn.put_copy_end if sent else _nothing)

    def _seen(
        self,
        result: PGresult,
        before: Sequence[PGresult] = (),
        limit: int | None = None,
        took: float = 0.0,
    ) -> PGresult:
        """A failed result, for which we know whether our own limit has ended it."""
        until = self.until
        left = None if until is None else until - GRACE - monotonic()
        return seen(result, before, limit, took, left)

    async def _next(self) -> PGresult | None:
        pgconn = self.pgconn
        if pgconn.is_busy():
            await self._waiting.answer(False)
        result = pgconn.get_result()
        if pgconn.status == ConnStatus.BAD:
            raise self._lost(result)
        return result


def _nothing() -> None:
    pass


def check(result: PGresult) -> None:
    """
    Raises the driver's error for a result that is one, or `DeadlineExceededError` in its place.
    """
    if result.status not in DONE:
        raise to_exception(result)

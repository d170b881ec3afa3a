"""Requests and their answers on one libpq connection."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import monotonic, perf_counter

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from raxol_sql.engine.colour import Colour, Connection
from raxol_sql.engine.patience import Patience

Request = Callable[[], object]

DONE = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
_FAILED = ExecStatus.FATAL_ERROR
_SYNC = ExecStatus.PIPELINE_SYNC
_COPYING = (ExecStatus.COPY_IN, ExecStatus.COPY_OUT)
_PUSH = 64
# How long, in seconds, a server may take to stop what it was told to stop.
_STOPPING = 5.0


class Wire:
    """
    A connection as libpq knows it: what is sent on it, and what comes back.

    A request is a call of one of libpq's ``send`` functions. For one thread or task at a time.
    Whoever is interrupted in the middle, by a signal, a cancelled task or a lost connection,
    leaves a connection behind that is either ready for the next request or closed.
    """

    def __init__(self, colour: Colour, connection: Connection) -> None:
        self.connection = connection
        self.pgconn = connection.pgconn
        self._wait = colour.wait
        self._waiting = colour.waiting(self.pgconn)
        self._syncs = 0
        self._unsynced = False
        self._is_unsent = False
        self._since = 0.0
        self._patience = Patience()

    @property
    def status(self) -> TransactionStatus:
        """Whether a transaction is open, and whether it has failed."""
        return TransactionStatus(self.pgconn.transaction_status)

    @property
    def is_expecting(self) -> bool:
        """Whether something was posted that is not collected yet."""
        return self._syncs > 0

    async def ask(self, request: Request, patience: Patience | None = None) -> PGresult:
        """The result of one request; raises the driver's error if the server refused it."""
        pgconn = self.pgconn
        patience = patience or self._patience
        watch = patience.choose()
        since = perf_counter() if patience.is_timed else 0.0
        waiting = self._waiting
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
        except BaseException:
            await self._recover()
            raise
        if patience.is_timed:
            patience.learn(perf_counter() - since)
        check(result)
        return result

    async def post(self, requests: Iterable[Request]) -> None:
        """Sends requests together; their results are to be collected, in the order of posting."""
        pgconn = self.pgconn
        try:
            if not self._syncs:
                pgconn.enter_pipeline_mode()
                self._since = perf_counter()
            self._unsynced = True
            for number, request in enumerate(requests, 1):
                request()
                # The server works on the first ones while the last ones are written.
                if not number % _PUSH:
                    pgconn.flush()
            self._sync()
            if pgconn.flush():
                await self._waiting.flush()
        except BaseException:
            await self._recover()
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
        try:
            while True:
                if pgconn.is_busy() and await waiting.answer(watch):
                    patience.miss()
                result = pgconn.get_result()
                # After each result comes nothing, once; after that of a lost connection, for ever.
                if result is None or result.status == _FAILED:
                    if pgconn.status == ConnStatus.BAD:
                        raise self._lost(result)
                    if result is None:
                        continue
                if result.status == _SYNC:
                    break
                results.append(result)
            self._leave()
        except BaseException:
            await self._recover()
            raise
        if patience.is_timed:
            patience.learn(perf_counter() - self._since)
        return results

    async def exchange(self, requests: Iterable[Request]) -> list[PGresult]:
        """The results of requests that are sent together; see `collect`."""
        await self.post(requests)
        return await self.collect()

    async def begin_copy(self, text: bytes) -> None:
        """Starts a COPY, in either direction; it ends with `end_copy`."""
        self._is_unsent = False
        try:
            self.pgconn.send_query(text)
            if self.pgconn.flush():
                await self._waiting.flush()
            result = await self._next()
            if result is None:
                raise self._lost(None)
            if result.status not in _COPYING:
                while await self._next() is not None:
                    pass
        except BaseException:
            await self._recover()
            raise
        if result.status not in _COPYING:
            check(result)
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
        except BaseException:
            await self._recover()
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
        except BaseException:
            await self._recover()
            raise

    async def end_copy(self, *, sent: bool) -> PGresult:
        """The result of a COPY whose data were ``sent``, or taken, to their end."""
        return await self.ask(self.pgconn.put_copy_end if sent else _nothing)

    async def interrupt(self) -> None:
        """Ends whatever is under way on the connection, as when a signal had come."""
        await self._recover()

    def detach(self) -> None:
        """Lets somebody else use or close the connection; the next request takes it again."""
        self._waiting.detach()

    def close(self) -> None:
        """Closes the connection at once, whatever goes on."""
        self._waiting.detach()
        self.pgconn.finish()
        self._syncs, self._unsynced = 0, False

    def _check_alive(self, result: PGresult) -> None:
        """Raises for a connection that is gone, and for a COPY, which nobody would move."""
        if self.pgconn.status == ConnStatus.BAD:
            raise self._lost(result)
        if result.status in _COPYING:
            raise psycopg.NotSupportedError("a COPY is moved by copy()")

    async def _next(self) -> PGresult | None:
        pgconn = self.pgconn
        if pgconn.is_busy():
            await self._waiting.answer(False)
        result = pgconn.get_result()
        if pgconn.status == ConnStatus.BAD:
            raise self._lost(result)
        return result

    def _sync(self) -> None:
        self.pgconn.pipeline_sync()
        self._unsynced = False
        self._syncs += 1

    def _leave(self) -> None:
        self._syncs -= 1
        if not self._syncs:
            self.pgconn.exit_pipeline_mode()

    def _lost(self, result: PGresult | None) -> psycopg.Error:
        """The error for a connection that is gone; a server that ends it may have said why."""
        if result is not None and result.error_field(DiagnosticField.SQLSTATE):
            return error_from_result(result)
        message = self.pgconn.get_error_message() or "the connection is lost"
        return psycopg.OperationalError(message)

    async def _recover(self) -> None:
        pgconn = self.pgconn
        if pgconn.status == ConnStatus.BAD:
            self.close()
            return
        is_active = pgconn.transaction_status == TransactionStatus.ACTIVE
        if not is_active and not self._unsynced:
            return
        try:
            if is_active:
                await self._wait(self.connection.cancel_safe(timeout=_STOPPING))
            await self._drain(monotonic() + _STOPPING)
        except Exception:
            # It cannot be said what the server does now; what interrupted goes on to the caller.
            self.close()
        except BaseException:
            self.close()
            raise

    async def _drain(self, deadline: float) -> None:
        """Reads all that the server still sends for what was requested."""
        pgconn = self.pgconn
        if self._unsynced:
            self._sync()
        while True:
            if pgconn.flush():
                await self._waiting.flush(_left(deadline))
            while pgconn.is_busy():
                await self._waiting.input(_left(deadline))
            result = pgconn.get_result()
            if pgconn.status == ConnStatus.BAD:
                raise self._lost(result)
            if result is None:
                if not self._syncs:
                    return
            elif result.status == _SYNC:
                self._leave()
                if not self._syncs:
                    return
            elif result.status == ExecStatus.COPY_IN:
                pgconn.put_copy_end(b"interrupted")
            elif result.status == ExecStatus.COPY_OUT:
                while (length := pgconn.get_copy_data(1)[0]) >= 0:
                    if not length:
                        await self._waiting.input(_left(deadline))


def _left(deadline: float) -> float:
    return max(0.0, deadline - monotonic())


def _nothing() -> None:
    pass


def check(result: PGresult) -> None:
    """Raises the driver's error for a result that is one."""
    if result.status not in DONE:
        raise error_from_result(result)

"""What can be done with one connection; how a statement is sent is known nowhere above."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Iterable, Sequence
from functools import partial
from time import monotonic
from typing import Any

import psycopg
from psycopg.pq import ConnStatus, ExecStatus, PipelineStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from raxol_sql.engine.core.concurrency import Connection, IOBackend
from raxol_sql.engine.session.backend import backend_of
from raxol_sql.engine.session.checkout import CallSite, Checkout, CheckoutKey
from raxol_sql.engine.session.liveness import Liveness
from raxol_sql.engine.session.outcome_marker import XID, OutcomeMarker
from raxol_sql.engine.session.prepare import describe, prepare_all
from raxol_sql.engine.session.prepared import Prepared, PreparedStatements
from raxol_sql.engine.session.search_path import SearchPath
from raxol_sql.engine.session.server_inquiry import ServerFacts, ServerInquiry
from raxol_sql.engine.session.staleness import StaleStatement, is_outdated, may_commit
from raxol_sql.engine.session.unknown_outcome import tell_ending
from raxol_sql.engine.types.catalog import TypeCatalog
from raxol_sql.engine.types.connection_types import ConnectionTypes
from raxol_sql.engine.types.result import StatementResult
from raxol_sql.engine.types.type_trust import SCHEMA_AGE
from raxol_sql.engine.wire.connection import READ_ONLY, STANDBY
from raxol_sql.engine.wire.pipeline import Completion, Pipeline, Request, check_all
from raxol_sql.engine.wire.statement_timeout import with_timeout_set
from raxol_sql.engine.wire.timeouts import StatementTimeouts
from raxol_sql.errors import ConfigError, DeadlineExceededError
from raxol_sql.failures import Backend, Effect, ServerEpoch

Row = tuple[Any, ...]
# Member access on an Enum is slow in Python 3.11, and these are read by every call.
_IDLE, _ACTIVE = TransactionStatus.IDLE, TransactionStatus.ACTIVE
_INERROR, _OFF = TransactionStatus.INERROR, PipelineStatus.OFF
_OK, _COMMAND_OK = ConnStatus.OK, ExecStatus.COMMAND_OK
_log = logging.getLogger("raxol_sql.durability")


class Session:
    """
    A connection with its prepared statements and its state.

    Texts have ``$1``, ``$2`` ... for their values. ``timeout`` is in milliseconds and replaces the
    connection's timeout for this statement; 0 is none. Raises the driver's errors unchanged. For
    one thread or task at a time: callers that share a session take its ``turn``.

    ``is_sent`` says whether the holder has sent anything that may have taken effect. ``since`` and
    ``idle_since`` are when it left the pool and when it was last returned (monotonic). ``holding``
    describes the holder, ``place`` the call site of its block, ``outlives_call`` says whether it is
    held between calls; ``checkout`` is where the pool records that. ``pid`` is the process that
    made it. ``facts`` describe its server, and ``path`` is its search path; a session that
    ``is_shared`` may reach another server in each transaction. ``marker`` is the marker of the
    transaction, ``last_error`` the last error of a statement in it, ``suspect`` that statement if
    it may be outdated, and ``conflict`` an error for which the transaction must be retried, even if
    caught.
    """

    def __init__(
        self, colour: IOBackend, connection: Connection, known: TypeCatalog, *, lasting: bool = True
    ) -> None:
        self.connection = connection
        self.since = self.idle_since = monotonic()
        self.pid = 0
        self.holding: CheckoutKey | None = None
        self.place: CallSite | None = None
        self.outlives_call = False
        self.checkout: Any = None
        self.is_sent = self.needs_reset = False
        self.wire = wire = Pipeline(colour, connection)
        # Not a method: a session that its caller drops must be collected, so nothing may reference
        # it.
        connection.add_notice_handler(partial(_notice, weakref.ref(wire)))
        self._make_turn, self._who = colour.turn, colour.who
        self.turn = colour.turn()
        self.limits = StatementTimeouts(self.wire)
        self.types = ConnectionTypes(connection, known)
        self.statements = PreparedStatements(connection, self.types, lasting=lasting)
        self.types.statements = weakref.ref(self.statements)
        self.path = SearchPath(self.wire, self.statements)
        self.facts = ServerFacts()
        self.backend: Backend | None = None
        self.marker: OutcomeMarker | None = None
        self.conflict: psycopg.Error | None = None
        self.last_error: BaseException | None = None
        self.suspect: StaleStatement | None = None
        self.liveness = Liveness(connection.pgconn)
        self.is_shared = not lasting

    @property
    def is_idle(self) -> bool:
        """Return whether no statement is running and no transaction is open."""
        pgconn = self.wire.pgconn
        return pgconn.transaction_status == _IDLE and not self.wire.is_given_up

    @property
    def is_free(self) -> bool:
        """Return whether any other call could use it next, judging by libpq and its own state."""
        wire, pgconn = self.wire, self.wire.pgconn
        if wire.is_given_up or wire.is_committing or wire.unfinished or self.marker is not None:
            return False
        return pgconn.transaction_status == _IDLE and pgconn.pipeline_status == _OFF

    @property
    def is_standby(self) -> bool:
        """
        Return whether the server last reported to be a standby, as it does since PostgreSQL 14.
        """
        return self.wire.is_on(STANDBY)

    @property
    def is_at_standby(self) -> bool:
        """
        Return whether the server was a standby when asked and has not reported otherwise since.
        """
        return self.facts.is_standby and self.is_standby

    @property
    def incarnation(self) -> ServerEpoch | None:
        """Return the epoch of the server, or None if unknown."""
        return self.facts.incarnation

    @property
    def is_read_only(self) -> bool:
        """Return whether transactions are read-only by default."""
        return self.wire.is_on(READ_ONLY)

    @property
    def is_lost(self) -> bool:
        """Return whether the connection is known to be lost."""
        return self.wire.pgconn.status != _OK or self.wire.is_given_up

    @property
    def is_busy(self) -> bool:
        """Return whether a statement is in progress."""
        return self.wire.status == _ACTIVE

    @property
    def in_transaction(self) -> bool:
        """Return whether a transaction is open, failed or not."""
        return self.wire.status != _IDLE

    @property
    def in_failed_transaction(self) -> bool:
        """Return whether a failed transaction is open, in which no other statement runs."""
        return self.wire.status == _INERROR

    async def run(self, text: str, values: Row = (), timeout: int | None = None) -> StatementResult:
        """Run one statement and return its complete result."""
        timeout = self.limits.of(timeout)
        path = self.path
        if path.is_watched and path.has_moved:
            await path.follow()
        prepared = self.statements.find(text) or await self.prepare(text)
        if prepared.leaves_traces:
            # It may have changed the state before it fails, or before its result is read.
            self.needs_reset = True
        try:
            request = prepared.request(self.wire.pgconn, values)
            if prepared.is_due:
                prepared = await self.prepare(text)
                request = prepared.request(self.wire.pgconn, values)
            self.is_sent = True
            if timeout is None and self.marker is None:
                result = await self.wire.ask(request, prepared.patience)
            else:
                result = await self._ask_with_others(prepared, text, request, timeout)
        except BaseException as error:
            tell_ending(error, self.wire.phase, text)
            if prepared.may_move:
                self.path.doubt()
            if not isinstance(error, Exception):
                raise
            if (
                isinstance(error, DeadlineExceededError)
                and may_commit(text)
                and not self.in_transaction
            ):
                error.effect = Effect.UNKNOWN.value  # part of it may have been committed
            if not await is_outdated(self, text, error):
                raise
            # The server rejected it before running anything, so this is its first run.
            prepared = await self.prepare(text)
            *_, result = await self.together(self.statements.reprepare(prepared, values), timeout)
        return self.answer(prepared, result)

    async def command(self, text: str) -> str:
        """Run a statement without values for its effect; return its command tag."""
        await self.wire.begin_now()
        result = await self.wire.ask(partial(self.wire.pgconn.send_query, text.encode()))
        return tag_of(result)

    async def complete(self, text: str) -> Completion:
        """Run a statement that must not be cancelled once sent, a COMMIT. Raises nothing."""
        self.is_sent = True
        return await self.wire.complete(partial(self.wire.pgconn.send_query, text.encode()))

    def keep(self) -> None:
        """Keep the session checked out between calls, for a block that a call has opened."""
        self.outlives_call = True
        if self.checkout is not None and self.holding is not None:
            self.checkout.holding = Checkout(*self.holding, self.place)

    def take_up(self) -> None:
        """Check out the session for the length of this call, which then ends the checkout."""
        if self.holding is not None:
            purpose, since, _ = self.holding
            self.holding = (purpose, since, self._who())
        self.outlives_call = False
        if self.checkout is not None:
            self.checkout.holding = None

    def begin_turns(self) -> None:
        """Begin a transaction with a new lock, which an interrupted call cannot hold."""
        self.turn = self._make_turn()

    async def ask_marker(self) -> None:
        """Request the marker of the transaction, unless it was requested before."""
        if self.marker is not None and not self.marker.is_asked:
            self.marker.learn(await self.wire.ask(self.ask_for(self.marker)))

    def ask_for(self, marker: OutcomeMarker) -> Request:
        """Return the request of the marker, prepared if it was sent along with others."""
        known = self.statements.find(XID)
        if marker.key is None and known is not None:
            marker.is_asked = True
            return known.request(self.wire.pgconn, ())
        return marker.request(self.wire.pgconn)

    async def prepare(self, text: str) -> Prepared:
        """Return the statement of a text, after preparing it if it is new or due."""
        await self.prepare_all([text])
        known = self.statements.find(text)
        assert known is not None, "what was prepared is known"
        return known

    async def prepare_all(self, texts: Iterable[str]) -> None:
        """Prepare texts that are new or due; see `prepare.prepare_all`."""
        await prepare_all(self, texts)

    async def describe(self, text: str) -> Prepared:
        """Return the current description of a text; see `prepare.describe`."""
        return await describe(self, text)

    def knows(self, text: str) -> bool:
        """Return whether a statement is prepared."""
        return self.statements.find(text) is not None

    def is_current(self, text: str) -> bool:
        """Return whether a statement is prepared and need not be described again before use."""
        known = self.statements.find(text)
        return known is not None and not known.is_due

    async def together(
        self, requests: Sequence[Request], timeout: int | None = None
    ) -> list[PGresult]:
        """Return the results of requests that share a round trip; ``timeout`` is for each."""
        await self.ask_marker()
        self.is_sent = True
        if timeout is None:
            return check_all(await self.wire.exchange(requests))
        limited = with_timeout_set(self.wire.pgconn, requests, timeout)
        return check_all(await self.wire.exchange(limited))[1 : len(requests) + 1]

    async def begin(self, timeout: int | None, most: int, inquiry: ServerInquiry) -> None:
        """
        Query the facts about the server with an ``inquiry``, and set the statement timeout.

        ``timeout`` is for every statement without its own. Behind a pooler, which may select
        another server for each transaction, a statement may have other columns there than here.
        ``most`` is the total time of a call, 0 for no limit.
        """
        self.facts = facts = await inquiry.ask(self.wire)
        self.is_shared = self.is_shared or facts.is_pooled
        self.limits.goes_along = facts.sets_limits
        self.backend = None if self.is_shared else await backend_of(self.wire)
        await self.limits.begin(timeout, most, is_shared=self.is_shared)

    async def ping(self, seconds: float) -> bool:
        """Return whether the server answers within ``seconds``; close the session if not."""
        self.wire.until = monotonic() + seconds
        try:
            await self.wire.ask(partial(self.wire.pgconn.send_query, b"select"))
        except psycopg.OperationalError:
            self.close()
            return False
        return True

    async def reset(self) -> None:
        """Reset the session state that statements have changed."""
        self.needs_reset = False
        if not self.is_shared:
            await self.wire.ask(partial(self.wire.pgconn.send_query, _RESET))
            await self.limits.restore()
            self.path.reset()

    def detach(self) -> None:
        """Stop using the socket, so that the pool may use the connection."""
        self.wire.detach()

    def give_up(self) -> None:
        """
        Make every later request fail; the pool cancels the statement and closes the connection.
        """
        self.wire.give_up()

    def close(self) -> None:
        """Close the connection at once."""
        self.wire.close()

    def answer(self, prepared: Prepared, result: PGresult) -> StatementResult:
        """Return the result, after recording whether prepared statements are gone."""
        if result.status == _COMMAND_OK and result.command_status in _FORGETTING:
            self.statements.clear()
        if prepared.leaves_traces:
            self.needs_reset = True
            self._check_encoding()
        if prepared.may_call:
            self.path.is_watched = True
            if prepared.may_move:
                self.path.note(prepared.text.decode())
            if prepared.changes_schema:
                self.path.has_altered = True
                SCHEMA_AGE.increase()
        if self.is_shared or not prepared.has_plan:
            return StatementResult(prepared.columns_of(result), result)
        return StatementResult(prepared.columns, result)

    def _check_encoding(self) -> None:
        if self.wire.pgconn.parameter_status(b"client_encoding") not in _UTF8:
            self.close()
            raise ConfigError(
                "the statement changed client_encoding, which would corrupt text: leave it at "
                "UTF8; the server converts to and from the encoding of the database"
            )

    async def _ask_with_others(
        self, prepared: Prepared, text: str, request: Request, timeout: int | None
    ) -> PGresult:
        """Return the result of a request that others go along with."""
        marker = self.marker
        if marker is None or marker.is_asked or not marker.can_precede(prepared.first_word):
            if timeout is None:
                return await self.wire.ask(request)
            return await self._ask_with_timeout(text, request, timeout)
        requests = [self.ask_for(marker), request]
        sent = (
            requests if timeout is None else with_timeout_set(self.wire.pgconn, requests, timeout)
        )
        results = await self.wire.exchange(sent)
        first = 0 if timeout is None else 1
        check_all(results[:first])
        marker.learn(results[first])
        return check_all(results)[first + 1]

    async def _ask_with_timeout(self, text: str, request: Request, timeout: int) -> PGresult:
        if self.in_transaction or not may_commit(text):
            try:
                (result,) = await self.together([request], timeout)
                return result
            except psycopg.errors.ActiveSqlTransaction:
                # It cannot share a round trip, as VACUUM, and had no effect.
                if self.in_transaction:
                    raise
        if self.is_shared:
            return await self.wire.ask(request)
        async with self.limits.set_for_block(timeout):
            return await self.wire.ask(request)


_UTF8 = (b"UTF8", b"utf8")  # PgBouncer reports the value as it was set
_FORGETTING = (b"DISCARD ALL", b"DEALLOCATE ALL")
# DISCARD ALL without the prepared statements.
_RESET = b"""
close all; set session authorization default; reset all; unlisten *;
select pg_advisory_unlock_all(); discard temp; discard sequences
"""


def _notice(reference: weakref.ref[Pipeline], told: psycopg.errors.Diagnostic) -> None:
    # A COMMIT that stops waiting for a synchronous standby is complete, but only on this server.
    wire = reference()
    if wire is not None and wire.is_committing and told.severity_nonlocalized == "WARNING":
        _log.warning(
            "committed, but possibly not replicated to a standby: %s", told.message_primary
        )


def tag_of(result: PGresult) -> str:
    return (result.command_status or b"").decode()

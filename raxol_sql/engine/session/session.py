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
from raxol_sql.engine.wire.pipeline import Completion, Pipeline, Request, check
from raxol_sql.engine.wire.statement_timeout import with_timeout_set
from raxol_sql.engine.wire.timeouts import StatementTimeouts
from raxol_sql.errors import ConfigError, DeadlineExceededError
from raxol_sql.failures import Backend, Effect, ServerEpoch

Row = tuple[Any, ...]
# An enum looks its members up each time.
_IDLE, _OFF = TransactionStatus.IDLE, PipelineStatus.OFF
_log = logging.getLogger("raxol_sql.durability")


class Session:
    """
    One connection, and what it remembers.

    Texts have ``$1``, ``$2`` ... for their values. ``timeout`` is in milliseconds, and stands in
    place of the connection's own limit for this statement only; 0 is none. Raises the driver's
    errors as they are. For one thread or task at a time: those who share one take a ``turn``.

    ``is_sent`` says whether anything of the work of its holder was sent, so that it may have
    happened. ``since`` and ``idle_since`` are when it came out of the pool and was given back
    last, on the monotonic clock. ``holding`` says who has it now, ``place`` where a block of calls
    on it began, ``outlives_call`` whether it is held between two of them; ``checkout``
    is where the pool notes that. ``pid`` says which process made it.
    ``facts`` is what it learnt of its server, and
    ``path`` is where names are looked for; one that ``is_shared`` may have another server in each
    transaction. ``marker`` is that of the transaction it is in, ``failed_by`` the last error of a
    statement in that, ``suspect`` the statement, if what was known of it may be to blame, and
    ``conflict`` an error for which the transaction has to be repeated, although it was caught.
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
        self.is_sent = self.has_traces = False
        self.wire = wire = Pipeline(colour, connection)
        # Not a method: a session that its caller drops has to be noticed, and nothing may keep it.
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
        self.failed_by: BaseException | None = None
        self.suspect: StaleStatement | None = None
        self.liveness = Liveness(connection.pgconn)
        self.is_shared = not lasting

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs, and no transaction is open."""
        pgconn = self.wire.pgconn
        return pgconn.transaction_status == _IDLE and not self.wire.is_given_up

    @property
    def is_free(self) -> bool:
        """Whether it could serve any other call next, by what libpq and its notes say."""
        wire, pgconn = self.wire, self.wire.pgconn
        if wire.is_given_up or wire.is_committing or wire.unfinished or self.marker is not None:
            return False
        return pgconn.transaction_status == _IDLE and pgconn.pipeline_status == _OFF

    @property
    def is_standby(self) -> bool:
        """Whether the server said last that it is one, as it does since PostgreSQL 14."""
        return self.wire.is_on(STANDBY)

    @property
    def is_at_standby(self) -> bool:
        """Whether its server was one when it was asked, and has not said otherwise since."""
        return self.facts.is_standby and self.is_standby

    @property
    def incarnation(self) -> ServerEpoch | None:
        """In which of its lives the server is; None if that is not known."""
        return self.facts.incarnation

    @property
    def is_read_only(self) -> bool:
        """Whether the server keeps every statement from writing that does not ask otherwise."""
        return self.wire.is_on(READ_ONLY)

    @property
    def is_lost(self) -> bool:
        """Whether the connection is known to be gone."""
        return self.wire.pgconn.status != ConnStatus.OK or self.wire.is_given_up

    @property
    def is_busy(self) -> bool:
        """Whether a statement is on its way."""
        return self.wire.status == TransactionStatus.ACTIVE

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, be it one that failed."""
        return self.wire.status != TransactionStatus.IDLE

    @property
    def in_failed_transaction(self) -> bool:
        """Whether a transaction is open in which a statement failed, so that nothing else runs."""
        return self.wire.status == TransactionStatus.INERROR

    async def run(self, text: str, values: Row = (), timeout: int | None = None) -> StatementResult:
        """One statement, and its whole answer."""
        timeout = self.limits.of(timeout)
        path = self.path
        if path.is_watched and path.has_moved:
            await path.follow()
        prepared = self.statements.find(text) or await self.prepare(text)
        if prepared.leaves_traces:
            # It may have left them before it fails, or before anybody sees its result.
            self.has_traces = True
        try:
            request = prepared.request(self.wire.pgconn, values)
            if prepared.is_due:
                prepared = await self.prepare(text)
                request = prepared.request(self.wire.pgconn, values)
            self.is_sent = True
            if timeout is None and self.marker is None:
                result = await self.wire.ask(request, prepared.patience)
            else:
                result = await self._accompanied(text, request, timeout)
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
                error.effect = Effect.UNKNOWN.value  # a part of it may be there for good
            if not await is_outdated(self, text, error):
                raise
            # The server refused before it ran anything, so this is the first time that it runs.
            prepared = await self.prepare(text)
            *_, result = await self.together(self.statements.anew(prepared, values), timeout)
        return self.answer(prepared, result)

    async def command(self, text: str) -> str:
        """Run a statement without values for its effect; return the server's tag for it."""
        await self.wire.begin_now()
        result = await self.wire.ask(partial(self.wire.pgconn.send_query, text.encode()))
        return tag_of(result)

    async def complete(self, text: str) -> Completion:
        """A statement that is not to be stopped once it was sent: a COMMIT. Raises nothing."""
        self.is_sent = True
        return await self.wire.complete(partial(self.wire.pgconn.send_query, text.encode()))

    def keep(self) -> None:
        """From now on it is held between calls, too, by what one of them has opened."""
        self.outlives_call = True
        if self.checkout is not None and self.holding is not None:
            self.checkout.holding = Checkout(*self.holding, self.place)

    def take_up(self) -> None:
        """From now on it is held for the length of the caller's call, which ends the holding."""
        if self.holding is not None:
            purpose, since, _ = self.holding
            self.holding = (purpose, since, self._who())
        self.outlives_call = False
        if self.checkout is not None:
            self.checkout.holding = None

    def begin_turns(self) -> None:
        """Begins a transaction with a new lock, which an interrupted call cannot have kept."""
        self.turn = self._make_turn()

    async def ask_marker(self) -> None:
        """Has the marker of the transaction, if it is still to be asked for."""
        if self.marker is not None and not self.marker.is_asked:
            self.marker.learn(await self.wire.ask(self.ask_for(self.marker)))

    def ask_for(self, marker: OutcomeMarker) -> Request:
        """The sending of what the marker learns from, prepared if it was along with others."""
        known = self.statements.find(XID)
        if marker.key is None and known is not None:
            marker.is_asked = True
            return known.request(self.wire.pgconn, ())
        return marker.request(self.wire.pgconn)

    async def prepare(self, text: str) -> Prepared:
        """The statement of a text; the server is asked about it if it is new, or due."""
        await self.prepare_all([text])
        known = self.statements.find(text)
        assert known is not None, "what was prepared is known"
        return known

    async def prepare_all(self, texts: Iterable[str]) -> None:
        """Has the server asked about texts that are new, or due; see `preparing.prepare_all`."""
        await prepare_all(self, texts)

    async def describe(self, text: str) -> Prepared:
        """The statement of a text as it is at this moment; see `preparing.describe`."""
        return await describe(self, text)

    def knows(self, text: str) -> bool:
        """Whether a statement is prepared."""
        return self.statements.find(text) is not None

    def is_current(self, text: str) -> bool:
        """Whether a statement is prepared, and need not be asked about before it is sent."""
        known = self.statements.find(text)
        return known is not None and not known.is_due

    async def together(
        self, requests: Sequence[Request], timeout: int | None = None
    ) -> list[PGresult]:
        """The results of requests that share a round trip; ``timeout`` is for each of them."""
        await self.ask_marker()
        self.is_sent = True
        if timeout is None:
            results = await self.wire.exchange(requests)
            for result in results:
                check(result)
            return results
        results = await self.wire.exchange(with_timeout_set(self.wire.pgconn, requests, timeout))
        for result in results:
            check(result)
        return results[1 : len(requests) + 1]

    async def begin(self, timeout: int | None, most: int, inquiry: ServerInquiry) -> None:
        """
        Gets to know the server by an ``inquiry``.

        ``timeout`` is for every statement that has none of its own.

        Behind a pooler, which may lend another server for each transaction, a statement may have
        other columns there than it has here. ``most`` is what a call may take in all, 0 for no
        limit.
        """
        self.facts = facts = await inquiry.ask(self.wire)
        self.is_shared = self.is_shared or facts.is_pooled
        self.limits.goes_along = facts.sets_limits
        self.backend = None if self.is_shared else await backend_of(self.wire)
        await self.limits.begin(timeout, most, is_shared=self.is_shared)

    async def ping(self, seconds: float) -> bool:
        """Whether the server answers within ``seconds``; a session that does not is closed."""
        self.wire.until = monotonic() + seconds
        try:
            await self.wire.ask(partial(self.wire.pgconn.send_query, b"select"))
        except psycopg.OperationalError:
            self.close()
            return False
        return True

    async def reset(self) -> None:
        """Takes back what statements have set, taken or left on the connection for good."""
        self.has_traces = False
        if not self.is_shared:
            await self.wire.ask(partial(self.wire.pgconn.send_query, _RESET))
            await self.limits.restore()
            self.path.reset()

    def detach(self) -> None:
        """Lets the pool have the connection."""
        self.wire.detach()

    def give_up(self) -> None:
        """Has every later request fail; the pool stops what the server does, and closes it."""
        self.wire.give_up()

    def close(self) -> None:
        """Closes the connection at once."""
        self.wire.close()

    def answer(self, prepared: Prepared, result: PGresult) -> StatementResult:
        """What a result means; it may mean that statements are gone."""
        if result.status == ExecStatus.COMMAND_OK and result.command_status in _FORGETTING:
            self.statements.clear()
        if prepared.leaves_traces:
            self.has_traces = True
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

    async def _accompanied(self, text: str, request: Request, timeout: int | None) -> PGresult:
        """The result of a request that others go along with."""
        marker = self.marker
        if marker is None or marker.is_asked or not marker.comes_before(text):
            if timeout is None:
                return await self.wire.ask(request)
            return await self._limited(text, request, timeout)
        requests = [self.ask_for(marker), request]
        sent = (
            requests if timeout is None else with_timeout_set(self.wire.pgconn, requests, timeout)
        )
        results = await self.wire.exchange(sent)
        first = 0 if timeout is None else 1
        for result in results[:first]:
            check(result)
        marker.learn(results[first])
        for result in results:
            check(result)
        return results[first + 1]

    async def _limited(self, text: str, request: Request, timeout: int) -> PGresult:
        if self.in_transaction or not may_commit(text):
            try:
                (result,) = await self.together([request], timeout)
                return result
            except psycopg.errors.ActiveSqlTransaction:
                # It refuses to share a round trip, as VACUUM does, and did nothing.
                if self.in_transaction:
                    raise
        if self.is_shared:
            return await self.wire.ask(request)
        async with self.limits.lasting(timeout):
            return await self.wire.ask(request)


_UTF8 = (b"UTF8", b"utf8")  # PgBouncer says it as it was asked for
_FORGETTING = (b"DISCARD ALL", b"DEALLOCATE ALL")
# What DISCARD ALL does, but for the statements that are prepared.
_RESET = b"""
close all; set session authorization default; reset all; unlisten *;
select pg_advisory_unlock_all(); discard temp; discard sequences
"""


def _notice(reference: weakref.ref[Pipeline], told: psycopg.errors.Diagnostic) -> None:
    # A COMMIT that is told to stop waiting for a standby is done all the same, but here alone.
    wire = reference()
    if wire is not None and wire.is_committing and told.severity_nonlocalized == "WARNING":
        _log.warning(
            "committed, but possibly not replicated to a standby: %s", told.message_primary
        )


def tag_of(result: PGresult) -> str:
    return (result.command_status or b"").decode()

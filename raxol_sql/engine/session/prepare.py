"""Preparing and describing statements in one round trip."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Protocol

import psycopg

from raxol_sql.engine.core.concurrency import Connection
from raxol_sql.engine.session.outcome_marker import XID, OutcomeMarker
from raxol_sql.engine.session.prepared import Prepared, PreparedStatements, oids_in
from raxol_sql.engine.session.search_path import SearchPath
from raxol_sql.engine.session.staleness import StaleReason, suspicion_of
from raxol_sql.engine.types.connection_types import ConnectionTypes
from raxol_sql.engine.wire.pipeline import Pipeline, Request, check, check_all
from raxol_sql.errors import DeadlineExceededError
from raxol_sql.failures import Effect, Phase


class Session(Protocol):
    """The methods of a session that this module uses."""

    connection: Connection
    wire: Pipeline
    path: SearchPath
    types: ConnectionTypes
    statements: PreparedStatements
    marker: OutcomeMarker | None
    is_sent: bool
    is_shared: bool

    @property
    def in_transaction(self) -> bool: ...

    def knows(self, text: str) -> bool: ...

    def is_current(self, text: str) -> bool: ...


async def prepare_all(session: Session, texts: Iterable[str]) -> None:
    """
    Prepare those of the texts that are new or due, in one round trip.

    Statements whose description has changed are new and take another round trip. Raises the error
    of the first statement that the server rejects; those before it are prepared then.
    """
    await session.path.follow()
    needed = dict.fromkeys(texts)
    new = [text for text in needed if not session.knows(text)]
    due = [text for text in needed if text not in new and not session.is_current(text)]
    if not new and not due:
        return
    if session.marker is not None and not session.marker.is_asked and not session.knows(XID):
        needed[XID] = None
        new.append(XID)
    try:
        session.wire.unfinished += 1
        new = await _ask_about(session, new, due, needed)
        session.wire.unfinished -= 1
    except psycopg.Error as error:
        session.wire.unfinished -= 1
        # A pooler may answer with an outdated statement that it keeps.
        is_clear = suspicion_of(error) is StaleReason.NONE
        if is_clear or not session.is_shared or session.in_transaction:
            raise
        new = [*new, *due]
        for text in new:
            session.statements.forget(text)
    if new:
        await _ask_about(session, new, (), needed)


async def describe(session: Session, text: str) -> Prepared:
    """
    Return the current description of a text, as an unnamed statement.

    A pooler forwards it instead of answering itself.
    """
    await session.wire.begin_now()
    *_, told = check_all(await session.wire.exchange(_asking(session, text)))
    await session.types.learn(session.wire, oids_in(told))
    return Prepared(session.connection, session.types, text.encode(), told)


def _asking(session: Session, text: str) -> tuple[Request, Request]:
    pgconn = session.wire.pgconn
    prepare = partial(pgconn.send_prepare, b"", text.encode())
    return prepare, partial(pgconn.send_describe_prepared, b"")


async def _ask_about(
    session: Session, new: Sequence[str], due: Sequence[str], needed: Iterable[str]
) -> list[str]:
    """Prepare new statements, and return those whose description has changed."""
    looks = [_asking(session, text) for text in due]
    requested = [session.statements.prepare_requests(text, needed) for text in new]
    closing = [one for closes, _ in requested for one in closes]
    asking = [one for _, asks in requested for one in asks]
    requests = [*closing, *itertools.chain.from_iterable(looks), *asking]
    try:
        # A pooler may not take a BEGIN and what prepares a statement in one flight (pgpool-II).
        await session.wire.begin_now()
        results = iter(await session.wire.exchange(requests))
    except DeadlineExceededError as error:
        if not session.is_sent and session.wire.phase is Phase.SENT:
            error.effect = Effect.NONE.value  # the statement itself had not been sent yet
        raise
    for told in itertools.islice(results, len(closing)):
        check(told)
    changed = []
    for text, looked in zip(due, looks, strict=True):
        for told in itertools.islice(results, len(looked)):
            check(told)
        if not session.statements.confirm(text, told):
            changed.append(text)
    for text, (_, asked) in zip(new, requested, strict=True):
        for told in itertools.islice(results, len(asked)):
            check(told)
        await session.types.learn(session.wire, oids_in(told))
        session.statements.record(text, told)
    return changed

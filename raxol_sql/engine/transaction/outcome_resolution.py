"""Resolution of the outcome of a transaction after a lost connection."""

from __future__ import annotations

import time
from time import monotonic
from typing import Any

import psycopg

from raxol_sql.engine.core.concurrency import IOBackend
from raxol_sql.engine.session.server_inquiry import PRIMARY
from raxol_sql.engine.session.session import Row, Session
from raxol_sql.engine.transaction.session_source import SessionSource, held
from raxol_sql.errors import DeadlineExceededError
from raxol_sql.failures import (
    Effect,
    OutcomeToken,
    ServerEpochs,
    XactStatus,
    effect_of,
    is_forgotten,
)

# Seconds: the limit for a call without a deadline, and the least for one past its deadline.
_LONGEST = 30.0
_SHORTEST = 0.2
_PAUSE = 0.01
_LONGEST_PAUSE = 0.2
# Milliseconds that one query may wait for the transaction in question.
_LOOKING = 300
_NAME = "the outcome of a transaction"

_SEE = (
    PRIMARY
    + """
select case
    when $1::text::xid8 >= pg_snapshot_xmax(pg_current_snapshot()) then 'ahead'
    else coalesce(pg_xact_status($1::text::xid8), 'forgotten')
end
for update
"""
)
# A backend that waits for a client whose connection is lost would wait until the network times out;
# a COMMIT still in transit then finds no backend. An active backend is left alone: it may be
# committing, or waiting for a standby. Only the backend of the token is ended, because the ID may
# belong to another transaction, after a failover or because the token was altered.
_END_IDLE = (
    PRIMARY
    + """
select pg_terminate_backend(pid)
from pg_stat_activity
where backend_xid = ($1::text::xid8)::xid
    and state like 'idle in transaction%'
    and pid = $2::int
    and (extract(epoch from backend_start) * 1000000)::bigint = $3::bigint
"""
)
_HORIZON = (
    PRIMARY
    + """
select extract(epoch from created_at)::float8
from raxol_outcomes
where key = '00000000-0000-0000-0000-000000000000'
"""
)
# A missing row cannot be inserted any more after this one.
_BURY = """
insert into raxol_outcomes (key, is_tombstone)
values ($1, true)
on conflict (key) do nothing
"""
_FORGET = """
with horizon as (
    insert into raxol_outcomes (key, is_tombstone, created_at)
    values ('00000000-0000-0000-0000-000000000000', true, now() - make_interval(days => $1::int))
    on conflict (key) do update
    set created_at = greatest(raxol_outcomes.created_at, excluded.created_at)
    returning created_at
),
forgotten as (
    delete from raxol_outcomes
    using horizon
    where raxol_outcomes.created_at < horizon.created_at
        and key <> '00000000-0000-0000-0000-000000000000'
    returning 1
)
select count(*) from forgotten
"""
_READ = PRIMARY + "select is_tombstone from raxol_outcomes where key = $1"


async def resolve(
    sessions: SessionSource,
    colour: IOBackend,
    lives: ServerEpochs,
    token: OutcomeToken,
    until: float | None,
) -> Effect:
    """
    Return the outcome of the transaction of a token, or UNKNOWN if unresolved by ``until``.

    Queries a primary only, because a standby may lag behind. If the marker row is missing, this
    prevents the transaction from committing. Raises the driver's error if no server answers, and
    TypeError for anything but a token.
    """
    if not isinstance(token, OutcomeToken):
        raise TypeError(
            f"resolve() takes an OutcomeToken, not {type(token).__name__}; the token of an "
            "OutcomeUnknownError is None if the outcome cannot be determined: see its message"
        )
    now = monotonic()
    end = now + _LONGEST if until is None else max(until, now + _SHORTEST)
    if token.key is None and (token.xid is None or token.incarnation is None):
        return Effect.UNKNOWN
    pause, looks = _PAUSE, 0
    while True:
        looks += 1
        try:
            session = await sessions.acquire(_NAME, end)
            try:
                if token.key is None:
                    effect = await _by_xid(session, token, lives, is_first=looks == 1)
                else:
                    effect = await _by_row(session, token)
            finally:
                await sessions.release(session)
        except DeadlineExceededError:
            effect = None  # it waited for the transaction, which is still open
        except psycopg.Error as error:
            if monotonic() >= end or not _may_pass(error):
                raise
            effect = None
        if effect is not None:
            return effect
        if monotonic() + pause >= end:
            return Effect.UNKNOWN
        await colour.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


async def _by_xid(
    session: Session, token: OutcomeToken, lives: ServerEpochs, *, is_first: bool
) -> Effect | None:
    now = session.incarnation
    if session.facts.lost and not session.facts.tells_ids:
        return Effect.UNKNOWN  # the role lacks the privilege, on the next connection as well
    if now is None or token.incarnation is None:
        session.close()  # a standby, as far as known; the next connection may reach the primary
        return None
    (status,) = await _one(session, _SEE, (str(token.xid),))
    first_xid = lives.first_xid_after(token.incarnation)
    effect = effect_of(token, XactStatus(now, status, first_xid))
    if effect is None and not is_first:
        await _end_idle(session, token)
    return effect


async def _by_row(session: Session, token: OutcomeToken) -> Effect | None:
    horizon = await _one(session, _HORIZON, ())
    if is_forgotten(token, horizon and horizon[0], time.time()):
        return Effect.UNKNOWN
    try:
        buried = await session.run(_BURY, (token.key,), _LOOKING)
    except psycopg.errors.QueryCanceled:
        # It waits for the original row, whose transaction is still open.
        await _end_idle(session, token)
        return None
    if buried.affected:
        return Effect.ROLLED_BACK
    (is_tombstone,) = await _one(session, _READ, (token.key,)) or (True,)
    return Effect.ROLLED_BACK if is_tombstone else Effect.COMMITTED


async def _end_idle(session: Session, token: OutcomeToken) -> None:
    """End the backend of a token if it is idle in its transaction."""
    backend = token.backend
    if (
        backend is not None
        and token.xid is not None
        and token.incarnation is not None
        and session.incarnation == token.incarnation
    ):
        await session.run(_END_IDLE, (str(token.xid), backend.pid, backend.started))


async def _one(session: Session, text: str, values: Row) -> Any:
    """Return the single row of a statement, or None."""
    answer = await session.run(text, values)
    return answer.one(lambda row: row) if answer.count else None


def _may_pass(error: psycopg.Error) -> bool:
    """Return whether the server may answer after a restart, or another server may."""
    return isinstance(error, (psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction))


async def purge_outcomes(sessions: SessionSource, days: int) -> int:
    """Delete old marker rows and record the horizon; raises ValueError for less than a day."""
    if days < 1:
        raise ValueError(
            f"days must be 1 or more, not {days}: newer outcomes may still be resolved"
        )
    async with held(sessions, "purge_outcomes()", None) as session:
        answer = await session.run(_FORGET, (days,))
        count: int = answer.one(lambda row: row[0])
        return count

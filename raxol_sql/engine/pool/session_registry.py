"""The registry of sessions outside psycopg_pool: idle ones, and those in use."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Collection, Iterator
from time import monotonic
from typing import Any

import attrs

from raxol_sql.engine.core.concurrency import Connection, Holds
from raxol_sql.engine.session.checkout import Checkout, CheckoutKey
from raxol_sql.engine.session.session import Session
from raxol_sql.engine.wire.pipeline import Pipeline


@attrs.define(eq=False)
class RegisteredSession:
    """
    A connection that was taken from psycopg_pool, with its session while that is referenced.

    ``holding`` describes the transaction, stream or raw connection that keeps the session between
    calls, if any.
    """

    connection: Connection
    wire: Pipeline
    pool: Any
    pid: int
    reference: weakref.ref[Session]
    holding: Checkout | None = None


class SessionRegistry:
    """
    The connections outside psycopg_pool, until they return to it.

    ``idle`` are those that no caller has. The others belong to callers, and are only weakly
    referenced here. A caller that is interrupted, cancelled or garbage-collected drops the session;
    ``dropped`` is then called with the weak reference, by which `remove` finds the connection.
    Thread-safe: every change is one operation on a dict.
    """

    def __init__(
        self, idle: Collection[Session], dropped: Callable[[weakref.ref[Session]], object]
    ) -> None:
        self._idle = idle
        self._dropped = dropped
        self._collected = -_COLLECTING
        self._unseen: dict[weakref.ref[Session], tuple[CheckoutKey | None, float, float]] = {}
        self._checkouts: dict[weakref.ref[Session], RegisteredSession] = {}

    def __len__(self) -> int:
        return len(self._checkouts)

    def __iter__(self) -> Iterator[RegisteredSession]:
        return iter([*self._checkouts.values()])

    def add(self, session: Session, pool: Any) -> None:
        """Register a session whose connection was just taken from ``pool``."""
        reference = weakref.ref(session, self._dropped)
        session.checkout = self._checkouts[reference] = RegisteredSession(
            session.connection, session.wire, pool, session.pid, reference
        )

    def remove(self, reference: weakref.ref[Session]) -> RegisteredSession | None:
        """Return the checkout of a session that goes back; None if it was removed before."""
        return self._checkouts.pop(reference, None)

    def checked_out(self) -> list[Session]:
        """Return the sessions that callers have."""
        idle = {id(session) for session in [*self._idle]}
        found = [checkout.reference() for checkout in self]
        return [session for session in found if session is not None and id(session) not in idle]

    def holdings(self) -> list[Checkout]:
        """Return the sessions in use, with their holders; lost ones are being replaced."""
        held = [session for session in self.checked_out() if not session.is_lost]
        taken = [(session.holding, session.place) for session in held]
        return [Checkout(*holding, place) for holding, place in taken if holding is not None]

    def collect_dropped(self) -> None:
        """
        Run the garbage collector, which finds dropped sessions in reference cycles.

        An error that was caught in a transaction is such a cycle: its traceback has frames with the
        session. The collector stops every thread, so it runs at most once in half a minute, and
        only if callers wait and no call has the sessions.
        """
        now = monotonic()
        if now - self._collected >= _COLLECTING:
            self._collected = now
            gc.collect()

    def are_between_calls(self, holds: Holds) -> bool:
        """Return whether any sessions are in use, and no holder is in a call."""
        held = self.checked_out()
        return bool(held) and all(
            (claim := session.holding) is not None
            and session.outlives_call
            and holds(claim[2], session, claim) is False
            for session in held
        )

    def are_of(self, claim: CheckoutKey, holds: Holds) -> bool:
        """
        Return whether the waiting caller with this ``claim`` holds every session until it ends.

        A session that has the claim itself is on its way to the caller.
        """
        who = claim[2]
        return all(
            (held := session.holding) is not None
            and held is not claim
            and held[2] == who
            and (session.outlives_call or bool(holds(who, session, held)))
            for session in self.checked_out()
        )

    def find_abandoned(self, holds: Holds) -> list[Session]:
        """
        Return the sessions of calls that have ended without returning them.

        Something still references these sessions, such as the traceback of the exception that
        interrupted the call. Other threads check out and return sessions at the same time. A holder
        claims a session in a call, and the claim ends in that call. So a session is abandoned if
        its holder is not in a call, and two things are the same before and after that check: the
        claim, and that no block which outlives the call holds it. If the holder is in a call that
        may have it, or nothing claims it, it is abandoned if it was not used between two checks,
        some time apart.
        """
        now, unseen, found = monotonic(), {}, []
        for session in self.checked_out():
            claim, idle_since = session.holding, session.idle_since
            if session.outlives_call:
                continue
            is_held = None if claim is None else holds(claim[2], session, claim)
            if is_held or session.holding is not claim or session.outlives_call:
                continue
            reference = weakref.ref(session)
            *before, since = self._unseen.get(reference, (None, None, now))
            since = since if before == [claim, idle_since] else now
            unseen[reference] = (claim, idle_since, since)
            if is_held is False or now - since >= _UNSEEN:
                found.append(session)
        self._unseen = unseen
        return found


# Seconds from one run of the garbage collector to the next.
_COLLECTING = 30.0
# Seconds. A session passes from one frame to the next in less than a millisecond.
_UNSEEN = 0.3

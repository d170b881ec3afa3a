"""The sessions that are outside of psycopg_pool: idle ones, and those that callers hold."""

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
    A connection that was taken out of psycopg_pool, and its session as long as that is referenced.

    ``holding`` describes the transaction, stream or lent connection that keeps the session between
    calls, if one does.
    """

    connection: Connection
    wire: Pipeline
    pool: Any
    pid: int
    reference: weakref.ref[Session]
    holding: Checkout | None = None


class SessionRegistry:
    """
    Keeps each connection that is outside of psycopg_pool, until it goes back there.

    ``idle`` are those that no caller has. The others belong to the callers, and are only referenced
    weakly here. A caller who is
    interrupted, cancelled or garbage-collected drops the session; ``dropped`` is called then with
    the weak reference, by which `remove` finds the connection. Safe for threads: every change is
    one operation on a dict.
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
        """Enters a session whose connection was just taken out of ``pool``."""
        reference = weakref.ref(session, self._dropped)
        session.checkout = self._checkouts[reference] = RegisteredSession(
            session.connection, session.wire, pool, session.pid, reference
        )

    def remove(self, reference: weakref.ref[Session]) -> RegisteredSession | None:
        """Gives the checkout of a session that goes back; None if it was removed before."""
        return self._checkouts.pop(reference, None)

    def held(self) -> list[Session]:
        """The sessions that callers have."""
        idle = {id(session) for session in [*self._idle]}
        found = [checkout.reference() for checkout in self]
        return [session for session in found if session is not None and id(session) not in idle]

    def holdings(self) -> list[Checkout]:
        """The sessions that are held now, with their holders; lost ones are being replaced."""
        held = [session for session in self.held() if not session.is_lost]
        taken = [(session.holding, session.place) for session in held]
        return [Checkout(*holding, place) for holding, place in taken if holding is not None]

    def collect_dropped(self) -> bool:
        """
        Whether the garbage collector finds sessions that are only referenced in a circle.

        That of an error that was caught in a transaction is one: its traceback has frames with the
        session. The collector stops every thread, so it runs at most once in half a minute, and
        only where callers wait and no call has the sessions.
        """
        now = monotonic()
        if now - self._collected < _COLLECTING:
            return False
        self._collected = now
        gc.collect()
        return any(checkout.reference() is None for checkout in self)

    def are_between_calls(self, holds: Holds) -> bool:
        """Whether any are held, and each by a holder that is inside of no call."""
        held = self.held()
        return bool(held) and all(
            (claim := session.holding) is not None
            and session.outlives_call
            and holds(claim[2], session, claim) is False
            for session in held
        )

    def are_of(self, claim: CheckoutKey, holds: Holds) -> bool:
        """
        Whether the caller with this ``claim``, who waits, holds all sessions until its call ends.

        A session that has the claim itself is on its way to the caller.
        """
        who = claim[2]
        return all(
            (held := session.holding) is not None
            and held is not claim
            and held[2] == who
            and (session.outlives_call or bool(holds(who, session, held)))
            for session in self.held()
        )

    def abandoned(self, holds: Holds) -> list[Session]:
        """
        The sessions of calls that have ended without giving them back.

        Something still references these sessions, such as the traceback of the exception that
        interrupted the call. Other threads take sessions and give them back meanwhile. A holder
        claims a session in a call, and the claim ends in that call. So a session is abandoned if
        its holder is inside of no call, and this is the same before and after that look: the claim,
        and that nothing which outlives the call holds it.
        Where the holder is in a call that may have it, or nothing claims it, it is abandoned if it
        was not used between two looks, some time apart.
        """
        now, unseen, found = monotonic(), {}, []
        for session in self.held():
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
# Seconds. A session is on its way from one frame to the next for less than a millisecond.
_UNSEEN = 0.3

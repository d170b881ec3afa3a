"""The idle sessions of a pool, and the callers who wait for one."""

from __future__ import annotations

import weakref
from collections import deque
from time import monotonic

from raxol_sql.engine.core.mailbox import Mailbox
from raxol_sql.engine.session.checkout import CheckoutKey
from raxol_sql.engine.session.session import Session


class Waiter:
    """
    A caller who waits for a session, which comes into the ``mailbox``.

    ``claim`` is what the session is told of its next holder, ``since`` when the wait began.
    """

    __slots__ = ("__weakref__", "claim", "mailbox", "reference", "since")

    def __init__(self, claim: CheckoutKey, mailbox: Mailbox) -> None:
        self.claim = claim
        self.mailbox = mailbox
        self.since = monotonic()
        self.reference = weakref.ref(self)


class SessionQueue:
    """
    Hands each session that becomes free to the caller who has waited longest.

    Every step that moves a session is one call of a function written in C. An exception that a
    signal handler raises between two of them drops the session, which the weak reference of
    `Checkouts` notices, but leaves nothing half done. Waiters are known by weak references, so one
    whose caller was interrupted is passed over. Safe for threads and for tasks.
    """

    def __init__(self) -> None:
        self._idle: deque[Session] = deque()
        self._waiters: deque[weakref.ref[Waiter]] = deque()

    @property
    def idle(self) -> deque[Session]:
        """The sessions that are free, the one that was used last at the right end."""
        return self._idle

    def waiting(self) -> list[Waiter]:
        """The callers who wait, the first of them first."""
        return [waiter for reference in [*self._waiters] if (waiter := reference()) is not None]

    def take(self) -> Session | None:
        """The idle session that was used last."""
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def take_oldest(self) -> Session | None:
        """The idle session whose last use is longest ago."""
        try:
            return self._idle.popleft()
        except IndexError:
            return None

    def give(self, session: Session) -> None:
        """A session that is free: to the first waiter, or to the idle ones."""
        # The claim of the last holder ends before another caller can see the session.
        session.holding = None
        if self._waiters and self._hand_over(session):
            return
        self._idle.append(session)
        # A caller may have begun to wait just before that, and have seen none.
        while self._waiters and (one := self.take()) is not None:
            if not self._hand_over(one):
                self._idle.append(one)
                return

    def join(self, waiter: Waiter) -> None:
        """From now on ``waiter`` is in the queue, at the end if it was not there."""
        if waiter.reference not in self._waiters:
            self._waiters.append(waiter.reference)

    async def leave(self, waiter: Waiter, *, is_served: bool) -> None:
        """Takes ``waiter`` out of the queue; a session that has come too late goes on."""
        try:
            self._waiters.remove(waiter.reference)
            is_called = False
        except ValueError:
            is_called = not is_served
        # A thread that has called the waiter is about to put the session into the mailbox.
        late = await waiter.mailbox.get(_DELIVERY) if is_called else waiter.mailbox.take()
        while late is not None:
            if isinstance(late, Session):
                self.give(late)
            late = waiter.mailbox.take()

    def _hand_over(self, session: Session) -> bool:
        while self._waiters:
            try:
                waiter = self._waiters.popleft()()
            except IndexError:  # another thread was faster
                return False
            if waiter is not None:
                session.holding = waiter.claim
                waiter.mailbox.put(session)
                return True
        return False


# Seconds that a session may take from the thread that gives it back to the one that waited.
_DELIVERY = 0.05

"""The idle sessions of a pool, and the callers waiting for one."""

from __future__ import annotations

import weakref
from collections import deque
from time import monotonic

from raxol_sql.engine.core.mailbox import Mailbox
from raxol_sql.engine.session.checkout import CheckoutKey
from raxol_sql.engine.session.session import Session


class Waiter:
    """
    A caller that waits for a session, which arrives in the ``mailbox``.

    ``claim`` identifies the session's next holder, ``since`` is when the wait began.
    """

    __slots__ = ("__weakref__", "claim", "mailbox", "reference", "since")

    def __init__(self, claim: CheckoutKey, mailbox: Mailbox) -> None:
        self.claim = claim
        self.mailbox = mailbox
        self.since = monotonic()
        self.reference = weakref.ref(self)


class SessionQueue:
    """
    A queue that hands each free session to the caller that has waited longest.

    Every step that moves a session is one call of a C function. An exception of a signal handler
    between two steps drops the session, which the weak reference of `SessionRegistry` notices, but
    leaves nothing half done. Waiters are weakly referenced, so one whose caller was interrupted is
    skipped. Safe for threads and for tasks.
    """

    def __init__(self) -> None:
        self._idle: deque[Session] = deque()
        self._waiters: deque[weakref.ref[Waiter]] = deque()

    @property
    def idle(self) -> deque[Session]:
        """Return the idle sessions; the most recently used one is at the right end."""
        return self._idle

    def waiters(self) -> list[Waiter]:
        """Return the waiting callers, the first of them first."""
        return [waiter for reference in [*self._waiters] if (waiter := reference()) is not None]

    def take(self) -> Session | None:
        """Return the most recently used idle session."""
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def take_oldest(self) -> Session | None:
        """Return the least recently used idle session."""
        try:
            return self._idle.popleft()
        except IndexError:
            return None

    def give(self, session: Session) -> None:
        """Hand a free session to the first waiter, or add it to the idle ones."""
        # The claim of the last holder ends before another caller can see the session.
        session.holding = None
        if self._waiters and self._hand_over(session):
            return
        self._idle.append(session)
        # A caller may have begun to wait just before that, and have seen no session.
        while self._waiters and (one := self.take()) is not None:
            if not self._hand_over(one):
                self._idle.append(one)
                return

    def join(self, waiter: Waiter) -> None:
        """Add ``waiter`` to the end of the queue, unless it is in it."""
        if waiter.reference not in self._waiters:
            self._waiters.append(waiter.reference)

    async def leave(self, waiter: Waiter, *, is_served: bool) -> None:
        """Remove ``waiter`` from the queue; a session that arrives too late is passed on."""
        try:
            self._waiters.remove(waiter.reference)
            is_called = False
        except ValueError:
            is_called = not is_served
        # A thread that has selected the waiter is about to put the session into the mailbox.
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


# Seconds that a session may take from the thread that returns it to the waiting one.
_DELIVERY = 0.05

"""Which message the line is to be cut at, and whether it has been."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Literal, get_args

import attrs

from raxol_sql.testing.messages import FROM_CLIENT, FROM_SERVER, STARTUP, UNTYPED, Message

Direction = Literal["to_server", "to_client"]
When = Literal["before", "after"]
How = Literal["cut", "reset", "freeze"]

_COMMITS = re.compile(rb"(?:\A|;)\s*(?:commit|end)\b", re.IGNORECASE)


@attrs.frozen
class Pattern:
    """
    Which messages are meant: made by `to_server` and `to_client`.

    ``kinds`` are the types; ``contains`` is looked for in the text of the statement that a message
    is about, or else in its payload, whatever the case; ``where`` may look at the message itself.
    """

    direction: Direction
    kinds: frozenset[bytes]
    contains: bytes = b""
    where: Callable[[Message], bool] | None = None

    def matches(self, message: Message) -> bool:
        """Whether ``message``, which goes in that direction, is one of those meant."""
        if message.kind not in self.kinds:
            return False
        if self.contains and self.contains.lower() not in (message.sql or message.payload).lower():
            return False
        return self.where is None or self.where(message)


def to_server(
    kind: bytes, *, contains: bytes = b"", where: Callable[[Message], bool] | None = None
) -> Pattern:
    """
    The messages of the type ``kind`` that a client sends, such as ``b"Q"``, a Query.

    Those without a type are told by their names: ``b"StartupMessage"``, ``b"CancelRequest"``. Of
    these, the ones that have ``contains`` in their statement's text, whatever the case, and for
    which ``where`` says so; that is called in the proxy's own thread. Raises ValueError for a
    type that there is not.
    """
    if kind not in FROM_CLIENT and kind not in (STARTUP, *UNTYPED.values()):
        raise ValueError(f"a client sends no message of the type {kind!r}")
    return Pattern("to_server", frozenset([kind]), contains, where)


def to_client(
    kind: bytes, *, contains: bytes = b"", where: Callable[[Message], bool] | None = None
) -> Pattern:
    """
    The messages of the type ``kind`` that a server sends, such as ``b"D"``, a DataRow.

    Of these, the ones that have ``contains`` in their payload, whatever the case (the tag of a
    ``b"C"``, CommandComplete, for one), and for which ``where`` says so; that is called in the
    proxy's own thread. Raises ValueError for a type that there is not.
    """
    if kind not in FROM_SERVER:
        raise ValueError(f"a server sends no message of the type {kind!r}")
    return Pattern("to_client", frozenset([kind]), contains, where)


def _commits(message: Message) -> bool:
    return _COMMITS.search(message.sql) is not None


COMMIT = Pattern("to_server", frozenset([b"Q", b"E"]), where=_commits)
"""A COMMIT, also written END: as a Query, also among others, or as the Execute of one."""


class Fired:
    """What becomes of an armed cut. Safe to use from any thread."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._message: Message | None = None
        self._error: Exception | None = None
        self._is_settled = False

    def wait(self, timeout: float = 10.0) -> Message:
        """
        The message at which the line was cut, as soon as it has been.

        It blocks the thread for at most ``timeout`` seconds. The client sees the cut after this,
        so once it has seen it, nothing is waited for here. Raises `TimeoutError` if there was no
        such message, and again whatever ``where`` raised.
        """
        if not self._event.wait(timeout):
            raise TimeoutError(f"the line was not cut within {timeout:g} s: no such message passed")
        if self._error is not None:
            raise self._error
        assert self._message is not None, "either was set"
        return self._message

    def is_set(self) -> bool:
        """Whether the line was cut."""
        return self._event.is_set()

    @property
    def is_settled(self) -> bool:
        """
        Whether the server had done all that it had been told by then, and its session was gone.

        False where it took longer than the cut had patience for, and before there was a cut.
        """
        return self._is_settled

    def tell(self, message: Message, *, is_settled: bool) -> None:
        """Says that the line is cut at ``message``; for the proxy."""
        self._message, self._is_settled = message, is_settled
        self._event.set()

    def fail(self, error: Exception) -> None:
        """Says that it cannot be told where to cut; for the proxy."""
        self._error = error
        self._event.set()


@attrs.define(eq=False, on_setattr=attrs.setters.NO_OP)
class Cut:
    """A cut that is armed; ``left`` is how many of the messages meant are still to come."""

    pattern: Pattern
    when: When = attrs.field(validator=attrs.validators.in_(get_args(When)))
    how: How = attrs.field(validator=attrs.validators.in_(get_args(How)))
    left: int = attrs.field(validator=attrs.validators.ge(1))
    patience: float
    fired: Fired = attrs.field(factory=Fired)

    def takes(self, direction: Direction, message: Message) -> bool:
        """Whether it is at this message that the line is to be cut; counts those meant."""
        if direction != self.pattern.direction or not self.pattern.matches(message):
            return False
        self.left -= 1
        return self.left == 0

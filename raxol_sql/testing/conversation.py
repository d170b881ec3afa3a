"""What a server still owes to a client, told from the messages that have passed."""

from __future__ import annotations

from collections import deque

import attrs

from raxol_sql.testing.messages import STARTUP, Message

# What a client sends, and the kinds that its answer ends with.
_ENDS = {
    STARTUP: b"Z",
    b"Q": b"Z",
    b"F": b"Z",
    b"S": b"Z",
    b"P": b"1",
    b"B": b"2",
    b"D": b"Tn",
    b"E": b"CIs",
    b"C": b"3",
}
# What the server answers to, but need not send its answer before a Sync or a Flush.
_EXTENDED = frozenset([b"P", b"B", b"D", b"E", b"C"])
# What begins to copy into the server, or both ways: then it is the client that has to go on.
_COPYING_IN = (b"G", b"W")


@attrs.define(eq=False)
class Answer:
    """What the server owes for one message: complete, or not yet; or the client has to go on."""

    to: bytes
    ends: bytes
    is_complete: bool = False
    waits_for_client: bool = False


class Conversation:
    """
    Whose turn it is on one connection, and what each message of the client is about.

    The rules are those of the chapter "Message Flow" of PostgreSQL's documentation: after an error
    in the extended protocol the server drops everything up to the next Sync; while it takes a
    copy, it ignores Sync.
    """

    def __init__(self) -> None:
        self._owed: deque[Answer] = deque()
        self._drops = False
        self._statements: dict[bytes, bytes] = {}
        self._portals: dict[bytes, bytes] = {}

    @property
    def is_settled(self) -> bool:
        """Whether the server has answered to all that it was sent."""
        return not self._owed or self._owed[0].waits_for_client

    @property
    def may_keep_back(self) -> bool:
        """Whether the server may have an answer that it sends only when a Flush asks for it."""
        return any(one.to in _EXTENDED for one in self._owed)

    def understand(self, kind: bytes, data: bytes) -> Message:
        """A message of the client with the text that it is about."""
        if kind == b"Q":
            return Message(kind, data, data[5:-1])
        if kind == b"P":
            name, end = _string(data, 5)
            sql, _ = _string(data, end)
            self._statements[name] = sql
            return Message(kind, data, sql)
        if kind == b"B":
            portal, end = _string(data, 5)
            name, _ = _string(data, end)
            sql = self._portals[portal] = self._statements.get(name, b"")
            return Message(kind, data, sql)
        if kind == b"E":
            return Message(kind, data, self._portals.get(_string(data, 5)[0], b""))
        return Message(kind, data)

    def sent(self, message: Message) -> Answer | None:
        """Notes that the server gets this message; gives what it owes for it, None for nothing."""
        kind = message.kind
        if kind in (b"c", b"f") and self._owed:
            self._owed[0].waits_for_client = False
            return self._owed[0]
        ends = _ENDS.get(kind)
        if ends is None or (self._drops and kind != b"S"):
            return None
        self._drops = False
        answer = Answer(kind, ends)
        self._owed.append(answer)
        return answer

    def received(self, kind: bytes) -> Answer | None:
        """Notes that the server has sent this; gives the answer that it is a part of."""
        if not self._owed:
            return None
        answer = self._owed[0]
        if kind in _COPYING_IN:
            answer.waits_for_client = True
            later = [one for one in self._owed if one is not answer and one.to != b"S"]
            self._owed = deque([answer, *later])
        elif kind == b"E" and answer.ends != b"Z":
            self._drops = True
            while self._owed and self._drops:
                self._drops = self._owed[0].to != b"S"
                if self._drops:
                    self._owed.popleft().is_complete = True
        elif kind in answer.ends:
            self._owed.popleft().is_complete = True
        elif kind == b"E":
            # An error ends a copy, whichever side had to go on.
            answer.waits_for_client = False
        return answer

    def over(self) -> None:
        """Notes that nothing will come any more."""
        while self._owed:
            self._owed.popleft().is_complete = True


def _string(data: bytes, start: int) -> tuple[bytes, int]:
    """The string at ``start``, which a zero ends, and where the next thing starts."""
    end = data.find(b"\0", start)
    return data[start:end], end + 1

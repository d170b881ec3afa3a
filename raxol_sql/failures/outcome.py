"""What became of a transaction whose COMMIT was not answered: what to ask, and what it means."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any, Protocol

import attrs

from raxol_sql.failures.failure import Effect

# How far two clocks may differ, in seconds, for what is compared with the time of another host.
CLOCK_SKEW = 3600.0
_TOKEN = "__raxol_sql_token__"


@attrs.frozen
class Incarnation:
    """
    Which history a server writes, and which of its lives it does so in.

    After a failover the same transaction id may be given to another transaction, and the server
    cannot tell; the ``system`` and the ``timeline`` can. After a crash, too: an id that no flushed
    record bears is given again, so the ``life`` counts, which begins with each start and with each
    recovery. All are texts as the server gives them.
    """

    system: str
    timeline: str
    life: str


class Lives:
    """
    The lives of servers that a pool has seen, in order, and with which id each began to count.

    For the sessions of one pool, one at a time.
    """

    def __init__(self) -> None:
        self._seen: list[Incarnation] = []
        self._first_xids: dict[Incarnation, int] = {}

    def note(self, life: Incarnation, first_xid: int | None) -> None:
        """Takes in what a new connection was told; ``first_xid`` is None where nobody knows."""
        if not self._seen or self._seen[-1] != life:
            self._seen.append(life)
        if first_xid is not None:
            self._first_xids.setdefault(life, first_xid)

    def first_xid_after(self, before: Incarnation, life: Incarnation) -> int | None:
        """
        With which id a life began to count, if it is the very next after another one.

        Ids below that one are those of the life before; what is committed under one of the others
        is somebody else's.
        """
        if (before, life) in zip(self._seen, self._seen[1:], strict=False):
            return self._first_xids.get(life)
        return None


class Resolver(Protocol):
    """What can ask a server: a database of either colour."""

    def resolve(self, token: OutcomeToken) -> Any: ...


@attrs.frozen
class OutcomeToken:
    """
    What a transaction can be found by after its connection is gone.

    ``xid`` is its id, which decides as long as its server lives on in the same ``incarnation``;
    ``key`` is that of its witness row, if it has one, which decides everywhere. ``created`` is in
    seconds since the epoch, by the clock of the client. A value, for any thread or process.
    """

    incarnation: Incarnation | None
    xid: int | None = None
    key: uuid.UUID | None = None
    created: float = attrs.field(factory=time.time)

    def resolve(self, db: Resolver) -> Any:
        """
        What ``db.resolve(token)`` gives: `Effect.COMMITTED`, ROLLED_BACK or UNKNOWN.

        To be awaited if ``db`` is an `AsyncDatabase`. It may be asked as often as one likes, from
        any process; where a connection cannot be had the driver's error is raised.
        """
        return db.resolve(self)

    def mark(self, error: BaseException) -> None:
        """Has an error that is not about the outcome, as an interruption, say it by `of`."""
        setattr(error, _TOKEN, self)

    @classmethod
    def of(cls, error: BaseException) -> OutcomeToken | None:
        """The token that an error carries: that an outcome is unknown, or an interruption."""
        found = getattr(error, _TOKEN, None) or getattr(error, "token", None)
        return found if isinstance(found, cls) else None

    def to_json(self) -> str:
        """A text that `from_json` reads."""
        return json.dumps(
            {
                "incarnation": self.incarnation and attrs.astuple(self.incarnation),
                "xid": self.xid,
                "key": self.key and str(self.key),
                "created": self.created,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> OutcomeToken:
        """The token that `to_json` wrote; raises ValueError for anything else."""
        try:
            read = json.loads(text)
            incarnation, key = read["incarnation"], read["key"]
            return cls(
                incarnation and Incarnation(*map(str, incarnation)),
                None if read["xid"] is None else int(read["xid"]),
                key and uuid.UUID(key),
                float(read["created"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError("this is no outcome token: keep what to_json() gave") from error


@attrs.frozen
class Sighting:
    """
    What a writable server says of a transaction id, in which of its lives.

    ``status`` is that of ``pg_xact_status``, or "ahead" for an id above all that have ended, and
    "forgotten" for one that is too old. ``first_xid`` is that of `Lives.first_xid_after` for the
    transaction's life, None where it is not known.
    """

    incarnation: Incarnation
    status: str
    first_xid: int | None = None


def effect_of(token: OutcomeToken, seen: Sighting) -> Effect | None:
    """
    What a sighting means; None where the transaction is still open, so one has to look again.

    An id means something in one history only: on another timeline, or in another cluster, it may
    be somebody else's. In another life of the same server it may be, too, if no record of it was
    flushed before a crash: then our transaction is gone. So that it is committed proves something
    only below the first id of that life; anything else proves that ours has not happened.
    """
    before, now = token.incarnation, seen.incarnation
    if token.xid is None or before is None or seen.status == "forgotten":
        return Effect.UNKNOWN
    if (before.system, before.timeline) != (now.system, now.timeline):
        return Effect.UNKNOWN
    if before.life == now.life:
        ended = {"committed": Effect.COMMITTED, "aborted": Effect.ROLLED_BACK}
        return ended.get(seen.status)
    if seen.status != "committed":
        return Effect.ROLLED_BACK
    if seen.first_xid is None:
        return Effect.UNKNOWN
    return Effect.COMMITTED if token.xid < seen.first_xid else Effect.ROLLED_BACK


def is_forgotten(token: OutcomeToken, horizon: float | None) -> bool:
    """
    Whether the row of a token may have been removed because of its age.

    ``horizon`` is how far rows were removed, in seconds since the epoch; None if none were.
    """
    return horizon is not None and token.created < horizon + CLOCK_SKEW

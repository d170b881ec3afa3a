"""What became of a transaction whose COMMIT was not answered: what to ask, and what it means."""

from __future__ import annotations

import json
import time
import uuid
from itertools import pairwise
from typing import Any, Protocol

import attrs

from raxol_sql.brief_lock import BriefLock
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

    @property
    def history(self) -> tuple[str, str]:
        """What it has in common with its other lives."""
        return self.system, self.timeline


class Lives:
    """
    The lives of servers that connections were told of, in order, and with which id each began.

    The more connections it hears of, the fewer lives it misses. Safe for threads.
    """

    def __init__(self) -> None:
        self._lock = BriefLock()
        self._seen: dict[tuple[str, str], list[str]] = {}
        self._first_xids: dict[Incarnation, int] = {}

    def note(self, life: Incarnation, first_xid: int | None) -> None:
        """Takes in what a new connection was told; ``first_xid`` is None where nobody knows."""
        with self._lock:
            seen = self._seen.setdefault(life.history, [])
            if life.life not in seen:
                seen.append(life.life)
            if first_xid is not None:
                self._first_xids.setdefault(life, first_xid)

    def first_xid_after(self, life: Incarnation) -> int | None:
        """
        With which id the next life after this one began; None where that is not known.

        Ids below it were given in this life or before, and are not given again.
        """
        with self._lock:
            for before, following in pairwise(self._seen.get(life.history, [])):
                if before == life.life:
                    return self._first_xids.get(attrs.evolve(life, life=following))
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
    "forgotten" for one that is too old. ``first_xid`` is that of the life after the transaction's
    own, by `Lives.first_xid_after`; None where it is not known.
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
    only below the first id of the life after its own. Anything else proves that ours is gone.
    """
    before, now = token.incarnation, seen.incarnation
    if token.xid is None or before is None or seen.status == "forgotten":
        return Effect.UNKNOWN
    if before.history != now.history:
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

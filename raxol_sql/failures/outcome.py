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
    Which history a server writes: that of one cluster, on one timeline.

    After a failover the same transaction id may be given to another transaction, and the server
    cannot tell; the timeline can. Both are texts as the server gives them.
    """

    system: str
    timeline: str


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
    What a writable server says of a transaction id, and which history it writes itself.

    ``status`` is that of ``pg_xact_status``; None for an id that is too old, or not given yet.
    """

    incarnation: Incarnation
    status: str | None


def effect_of(token: OutcomeToken, seen: Sighting) -> Effect | None:
    """
    What a sighting means; None where the transaction is still open, so one has to look again.

    An id means something in one history only: on another timeline, or in another cluster, it may
    be somebody else's.
    """
    if token.xid is None or token.incarnation != seen.incarnation:
        return Effect.UNKNOWN
    if seen.status == "in progress":
        return None
    return {"committed": Effect.COMMITTED, "aborted": Effect.ROLLED_BACK}.get(
        seen.status or "", Effect.UNKNOWN
    )


def is_forgotten(token: OutcomeToken, horizon: float | None) -> bool:
    """
    Whether the row of a token may have been removed because of its age.

    ``horizon`` is how far rows were removed, in seconds since the epoch; None if none were.
    """
    return horizon is not None and token.created < horizon + CLOCK_SKEW

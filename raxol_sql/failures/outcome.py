"""
The outcome of a transaction whose COMMIT got no reply: what to ask, and what the answer means.
"""

from __future__ import annotations

import json
import math
import time
import uuid
from itertools import pairwise
from typing import Any, Protocol, TypeVar

import attrs

from raxol_sql.brief_lock import BriefLock
from raxol_sql.failures.failure import Effect

T = TypeVar("T")
# How far two clocks may differ, in seconds, for what is compared with the time of another host.
CLOCK_SKEW = 3600.0
_TOKEN = "__raxol_sql_token__"
_VERSION = 1
_NIL = uuid.UUID(int=0)
# Characters: of a whole token as a text, and of each part of an incarnation.
_LONGEST, _LONGEST_PART = 4000, 200
# The first id that a transaction can have (access/transam.h), and what follows the last ones.
_FIRST_XID, _XIDS, _PIDS, _TIMES = 3, 2**64, 2**31, 2**63


def _count(least: int, below: int) -> Any:
    """A validator: an int, and no bool, from ``least`` to less than ``below``; or None."""

    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value is not None and not (type(value) is int and least <= value < below):
            raise ValueError(f"{attribute.name} is no number from {least} to {below - 1}")

    return check


def _part(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not (isinstance(value, str) and len(value) <= _LONGEST_PART and value.isprintable()):
        raise ValueError(
            f"{attribute.name} is no text of up to {_LONGEST_PART} printable characters"
        )


@attrs.frozen
class ServerEpoch:
    """
    Which history a server writes, and which of its lives it does so in.

    After a failover the same transaction id may be given to another transaction, and the server
    cannot tell; the ``system`` and the ``timeline`` can. After a crash, too: an id that no flushed
    record bears is given again, so the ``life`` counts, which begins with each start and with each
    recovery. All are texts as the server gives them.
    """

    system: str = attrs.field(validator=_part)
    timeline: str = attrs.field(validator=_part)
    life: str = attrs.field(validator=_part)

    @property
    def history(self) -> tuple[str, str]:
        """What it has in common with its other lives."""
        return self.system, self.timeline


class ServerEpochs:
    """
    The lives of servers that connections were told of, in order, and with which id each began.

    The more connections it hears of, the fewer lives it misses. Safe for threads.
    """

    def __init__(self) -> None:
        self._lock = BriefLock()
        self._seen: dict[tuple[str, str], list[str]] = {}
        self._first_xids: dict[ServerEpoch, int] = {}

    def note(self, life: ServerEpoch, first_xid: int | None) -> None:
        """Takes in what a new connection was told; ``first_xid`` is None where it is unknown."""
        with self._lock:
            seen = self._seen.setdefault(life.history, [])
            if life.life not in seen:
                seen.append(life.life)
            if first_xid is not None:
                self._first_xids.setdefault(life, first_xid)

    def first_xid_after(self, life: ServerEpoch) -> int | None:
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
    """A database, sync or asyncio, that resolves the outcome of a transaction."""

    def resolve(self, token: OutcomeToken) -> Any:
        """Return the `Effect` of the transaction, or an awaitable of it."""
        ...


@attrs.frozen
class Backend:
    """
    A session on the server: its process id, and when it began, in microseconds since the epoch.

    The server gives a process id to another session later; both together never.
    """

    pid: int = attrs.field(validator=_count(1, _PIDS))
    started: int = attrs.field(validator=_count(0, _TIMES))


@attrs.frozen
class OutcomeToken:
    """
    What a transaction can be found by after its connection is gone.

    ``xid`` is its id, which decides as long as its server lives on in the same ``incarnation``;
    ``key`` is that of its marker row, if it has one, which decides everywhere. ``created`` is in
    seconds since the epoch, by the clock of the client. ``backend`` is the session that it ran in,
    None where that is not known, as behind a pooler: `resolve` ends no other session. A value, for
    any thread or process. Raises ValueError for what no transaction can have.
    """

    incarnation: ServerEpoch | None = attrs.field()
    xid: int | None = attrs.field(default=None, validator=_count(_FIRST_XID, _XIDS))
    key: uuid.UUID | None = attrs.field(default=None)
    created: float = attrs.field(factory=time.time)
    backend: Backend | None = attrs.field(default=None, kw_only=True)

    @incarnation.validator
    def _check_incarnation(self, _: object, value: object) -> None:
        if not isinstance(value, ServerEpoch | None):
            raise ValueError("incarnation is no Incarnation")

    @key.validator
    def _check_key(self, _: object, value: object) -> None:
        # The zero key is that of the row which says how far rows were removed.
        if value is not None and not (isinstance(value, uuid.UUID) and value != _NIL):
            raise ValueError("key is no UUID, or is the zero one")

    @created.validator
    def _check_created(self, _: object, value: object) -> None:
        if type(value) not in (int, float) or not (math.isfinite(value) and value >= 0):  # type: ignore[arg-type,operator]
            raise ValueError("created is no finite number of seconds since the epoch")

    @backend.validator
    def _check_backend(self, _: object, value: object) -> None:
        if not isinstance(value, Backend | None):
            raise ValueError("backend is no Backend")

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
                "version": _VERSION,
                "incarnation": self.incarnation and attrs.astuple(self.incarnation),
                "xid": self.xid,
                "key": self.key and str(self.key),
                "created": self.created,
                "backend": self.backend and attrs.astuple(self.backend),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> OutcomeToken:
        """
        The token that `to_json` wrote.

        Raises ValueError, which says what is wrong, for anything else: another version, a field
        that is missing, unknown or twice there, and a value that no transaction can have.
        """
        try:
            return cls._read(text)
        except ValueError as error:
            problem = "it is no JSON" if isinstance(error, json.JSONDecodeError) else error
            raise ValueError(
                f"this is no outcome token: {problem}; keep what to_json() gave, unchanged"
            ) from None

    @classmethod
    def _read(cls, text: str) -> OutcomeToken:
        if not isinstance(text, str):
            raise ValueError("it is no str")
        if len(text) > _LONGEST:
            raise ValueError(f"it has more than {_LONGEST} characters")
        try:
            read = json.loads(text, object_pairs_hook=_fields_of)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        if not isinstance(read, dict):
            raise ValueError("it is no JSON object")
        version = read.get("version")
        if type(version) is not int or version != _VERSION:
            shown = version if type(version) is int and abs(version) < 10**6 else "that it has"
            raise ValueError(f"version {shown} is not known; this release reads version {_VERSION}")
        if read.keys() != _FIELDS:
            missing = sorted(_FIELDS - read.keys())
            raise ValueError(f"its fields are not {', '.join(sorted(_FIELDS))}; missing: {missing}")
        return cls(
            _made_of(ServerEpoch, read["incarnation"]),
            read["xid"],
            _key_of(read["key"]),
            read["created"],
            backend=_made_of(Backend, read["backend"]),
        )


_FIELDS = {"version", "incarnation", "xid", "key", "created", "backend"}


def _fields_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field is there twice")
    return fields


def _made_of(kind: type[T], read: object) -> T | None:
    """A value of ``kind`` of the parts in a list; raises ValueError for other things."""
    if read is None:
        return None
    names = [field.name for field in attrs.fields(kind)]  # type: ignore[arg-type]
    if not isinstance(read, list) or len(read) != len(names):
        raise ValueError(f"{kind.__name__.lower()} is no list of {', '.join(names)}")
    if None in read:
        raise ValueError(f"a part of {kind.__name__.lower()} is null")
    return kind(*read)


def _key_of(read: object) -> uuid.UUID | None:
    if read is None:
        return None
    try:
        key = uuid.UUID(read) if isinstance(read, str) else None
    except ValueError:
        key = None
    if key is None or str(key) != read:
        raise ValueError("key is no UUID in its usual form")
    return key


@attrs.frozen
class XactStatus:
    """
    What a writable server says of a transaction id, in which of its lives.

    ``status`` is that of ``pg_xact_status``, or "ahead" for an id above all that have ended, and
    "forgotten" for one that is too old. ``first_xid`` is that of the life after the transaction's
    own, by `ServerEpochs.first_xid_after`; None where it is not known.
    """

    incarnation: ServerEpoch
    status: str
    first_xid: int | None = None


def effect_of(token: OutcomeToken, seen: XactStatus) -> Effect | None:
    """
    What a sighting means; None where the transaction is still open, so one has to look again.

    An id means something in one history only: on another timeline, or in another cluster, it may be
    another transaction's. In another life of the same server it may be, too, if no record of it was
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


def is_forgotten(token: OutcomeToken, horizon: float | None, now: float = math.inf) -> bool:
    """
    Whether the row of a token may have been removed because of its age.

    ``horizon`` is how far rows were removed, None if none were; ``now`` is the client's clock.
    Both are in seconds since the epoch. A token from the future has no age that can be trusted.
    """
    if horizon is None:
        return False
    return token.created < horizon + CLOCK_SKEW or token.created > now + CLOCK_SKEW

"""
Outcome tokens: what identifies a transaction without a reply to its COMMIT, and its outcome.
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
# The tolerated difference between the clocks of two hosts, in seconds.
CLOCK_SKEW = 3600.0
_TOKEN = "__raxol_sql_token__"
_VERSION = 1
_NIL = uuid.UUID(int=0)
# The maximum number of characters of a token as text, and of each part of an incarnation.
_LONGEST, _LONGEST_PART = 4000, 200
# The first transaction id (access/transam.h), and the number after the last one.
_FIRST_XID, _XIDS, _PIDS, _TIMES = 3, 2**64, 2**31, 2**63


def _count(least: int, below: int) -> Any:
    """Return a validator for an int from ``least`` to less than ``below``, no bool; or None."""

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
    One run of one server in one history.

    After a failover the server may assign the same transaction id to another transaction; the
    ``system`` and the ``timeline`` tell them apart. After a crash, it reassigns an id that is in no
    flushed WAL record; the ``life``, which begins with each start and each recovery, tells these
    apart. All are texts as the server reports them.
    """

    system: str = attrs.field(validator=_part)
    timeline: str = attrs.field(validator=_part)
    life: str = attrs.field(validator=_part)

    @property
    def history(self) -> tuple[str, str]:
        """The system and the timeline, which other epochs of the same history share."""
        return self.system, self.timeline


class ServerEpochs:
    """
    The server epochs that connections reported, in order, with the first transaction id of each.

    The more connections report, the fewer epochs are missing. Thread-safe.
    """

    def __init__(self) -> None:
        self._lock = BriefLock()
        self._seen: dict[tuple[str, str], list[str]] = {}
        self._first_xids: dict[ServerEpoch, int] = {}

    def note(self, life: ServerEpoch, first_xid: int | None) -> None:
        """Note the epoch of a new connection; ``first_xid`` is None if it is unknown."""
        with self._lock:
            seen = self._seen.setdefault(life.history, [])
            if life.life not in seen:
                seen.append(life.life)
            if first_xid is not None:
                self._first_xids.setdefault(life, first_xid)

    def first_xid_after(self, life: ServerEpoch) -> int | None:
        """
        Return the first transaction id of the next epoch after this one; None if it is unknown.

        Ids below it were assigned in this epoch or before, and are not assigned again.
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

    Another session may get the same process id later, but not both values.
    """

    pid: int = attrs.field(validator=_count(1, _PIDS))
    started: int = attrs.field(validator=_count(0, _TIMES))


@attrs.frozen
class OutcomeToken:
    """
    What identifies a transaction after its connection is lost.

    ``xid`` is its transaction id, which is conclusive while its server is in the same
    ``incarnation``; ``key`` is that of its marker row, if it has one, which is always conclusive.
    ``created`` is in seconds since the epoch, by the clock of the client. ``backend`` is the
    session that it ran in, or None if unknown, as behind a pooler: `resolve` ends no other session.
    A value, for any thread or process. Raises ValueError for values that no transaction can have.
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
        # The row with the zero key holds the time up to which rows were removed.
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
        Return ``db.resolve(token)``: `Effect.COMMITTED`, ROLLED_BACK or UNKNOWN.

        With an `AsyncDatabase`, await the result. Any process may call it, any number of times.
        Raises the driver's error if it cannot connect.
        """
        return db.resolve(self)

    def mark(self, error: BaseException) -> None:
        """Attach this token to another error, such as an interruption, so that `of` finds it."""
        setattr(error, _TOKEN, self)

    @classmethod
    def of(cls, error: BaseException) -> OutcomeToken | None:
        """Return the token of an `OutcomeUnknownError`, or of an interruption, or None."""
        found = getattr(error, _TOKEN, None) or getattr(error, "token", None)
        return found if isinstance(found, cls) else None

    def to_json(self) -> str:
        """Return a JSON text that `from_json` reads."""
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
        Return the token that `to_json` wrote.

        Raises ValueError, with the reason, for anything else: another version, a field that is
        missing, unknown or duplicate, and a value that no transaction can have.
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
            _build(ServerEpoch, read["incarnation"]),
            read["xid"],
            _key_of(read["key"]),
            read["created"],
            backend=_build(Backend, read["backend"]),
        )


_FIELDS = {"version", "incarnation", "xid", "key", "created", "backend"}


def _fields_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field is there twice")
    return fields


def _build(kind: type[T], read: object) -> T | None:
    """Return a ``kind`` made of the parts in a list; raise ValueError for anything else."""
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
    What a writable server reports about a transaction id, and in which epoch.

    ``status`` is that of ``pg_xact_status``, or "ahead" for an id above all that have ended, and
    "forgotten" for one that is too old. ``first_xid`` is the first id of the epoch after the
    transaction's own, by `ServerEpochs.first_xid_after`; None if it is unknown.
    """

    incarnation: ServerEpoch
    status: str
    first_xid: int | None = None


def effect_of(token: OutcomeToken, seen: XactStatus) -> Effect | None:
    """
    Return the effect that a status proves; None if the transaction is open, so ask again later.

    A transaction id identifies a transaction in one history only: on another timeline, or in
    another cluster, it may belong to another transaction. It may in a later epoch of the same
    server, too, if no WAL record of it was flushed before a crash: then our transaction is lost.
    So "committed" is proof only for an id below the first id of the next epoch. Any other status
    proves that our transaction is lost.
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
    Return whether the marker row of a token may have been removed because of its age.

    ``horizon`` is the time up to which rows were removed, None if none were; ``now`` is the
    client's clock. Both are in seconds since the epoch. The age of a token from the future cannot
    be trusted.
    """
    if horizon is None:
        return False
    return token.created < horizon + CLOCK_SKEW or token.created > now + CLOCK_SKEW

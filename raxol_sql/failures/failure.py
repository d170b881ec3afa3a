"""The classification of a failure: its phase, effect, category and verdict."""

from __future__ import annotations

import enum

import attrs


class Phase(enum.Enum):
    """
    How far the work had come when it failed. Only the client knows that.

    The error alone does not say it: a lost connection has no effect in one phase, and an unknown
    outcome in another.
    """

    ACQUIRE = "acquire"
    """Nothing of the work was sent: the call waited for a connection, opened it, or set it up."""

    SENT = "sent"
    """A statement outside of a transaction was sent: it is its own commit."""

    IN_TRANSACTION = "in transaction"
    """A transaction was open, and its COMMIT was not sent."""

    COMMIT_SENT = "commit sent"
    """The COMMIT may have left."""

    DONE = "done"
    """The server reported success; the failure came later."""


class Effect(enum.Enum):
    """What a failed call may have done on the server."""

    NONE = "none"
    """Nothing was sent that could have had one."""

    ROLLED_BACK = "rolled back"
    """The server rolled back everything; that is certain."""

    COMMITTED = "committed"
    """It happened."""

    UNKNOWN = "unknown"
    """It happened or it did not; the client was not told."""


class Verdict(enum.Enum):
    """What may be retried; `RetryPolicy` decides whether it is."""

    NEVER = "never"
    """Nothing: a retry would fail the same way, or only the caller can decide on one."""

    ACQUIRE = "acquire"
    """The attempt to get a connection; nothing was sent."""

    STATEMENT = "statement"
    """The statement, if no transaction is open; on the same connection."""

    TRANSACTION = "transaction"
    """The whole transaction, with everything that led to it; on the same connection."""

    TRANSACTION_NEW = "transaction on a new connection"
    """The whole transaction, on another connection."""

    RESOLVE = "resolve"
    """Nothing before the outcome is resolved, unless the work may run twice."""


class Category(enum.Enum):
    """The kind of an error."""

    CONNECTION = "connection"
    SHUTDOWN = "shutdown"
    STARTUP = "startup"
    AUTHENTICATION = "authentication"
    CONFIGURATION = "configuration"
    POOL = "pool"
    CONFLICT = "conflict"
    LOCK = "lock"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    RESOURCE = "resource"
    LIMIT = "limit"
    READ_ONLY = "read only"
    STALE = "stale statement"
    AMBIGUOUS = "ambiguous"
    CONSTRAINT = "constraint"
    DATA = "data"
    PRIVILEGE = "privilege"
    PROGRAMMING = "programming"
    RAISED = "raised by a function"
    FOREIGN = "foreign data"
    SYSTEM = "system"
    INTERNAL = "internal"
    CORRUPTION = "corruption"
    NOTICE = "notice"
    UNKNOWN = "unknown"


@attrs.frozen
class Failure:
    """
    The classification of an error, as `classify` returns it.

    ``sqlstate`` is the server's five characters, or None; ``hint`` is a sentence with the meaning
    and a remedy, without any value of the caller.
    """

    category: Category
    effect: Effect
    verdict: Verdict
    sqlstate: str | None
    hint: str

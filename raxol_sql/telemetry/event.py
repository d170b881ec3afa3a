"""What is told of one operation, after it has ended."""

from __future__ import annotations

from typing import NamedTuple


class QueryEvent(NamedTuple):
    """
    One operation of a database, with all its attempts, well ended or not. It holds no value.

    ``name`` is the query's; those of a `Multi` or `run_all` are joined by a comma, and the ends of
    a transaction block are called begin, commit, rollback, savepoint and so on. ``operation`` is
    the method: run, run_all, run_many, multi, stream, copy or transaction. ``text`` is the
    statement with its ``$1``, empty where there are several. ``size`` is the number of statements.

    Times are in milliseconds: ``idle_ms`` is how long the connection had lain idle before,
    ``queue_ms`` the wait for it, ``query_ms`` sending and waiting for the server, ``decode_ms``
    making records, ``paused_ms`` the waits between attempts. ``ended`` is when it ended, in
    seconds since the epoch.

    ``rows`` are those given or changed, None where nothing counts them or it failed. ``error`` is
    the SQLSTATE, or the name of the exception's class, ``category`` the `Category` in a word; both
    are None where it ended well.

    A tuple and no attrs class, since one is made for every call, and this takes a fifth of the
    time.
    """

    name: str
    operation: str
    text: str
    size: int
    attempts: int
    rows: int | None
    idle_ms: float
    queue_ms: float
    query_ms: float
    decode_ms: float
    paused_ms: float
    ended: float
    error: str | None = None
    category: str | None = None

    @property
    def outcome(self) -> str:
        """``ok`` or ``error``."""
        return "ok" if self.error is None else "error"

    @property
    def total_ms(self) -> float:
        """The whole time, without that for which the connection lay idle before."""
        return self.queue_ms + self.query_ms + self.decode_ms + self.paused_ms

    @property
    def began(self) -> float:
        """When it began, in seconds since the epoch."""
        return self.ended - self.total_ms / 1000

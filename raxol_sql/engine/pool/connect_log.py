"""What came of the attempts of a pool to connect: figures, and the log lines of an outage."""

from __future__ import annotations

import logging
import threading

import psycopg

from raxol_sql.config.passwords import without_passwords

# Seconds after which attempts that failed are an outage.
_SHORTEST = 0.1
_log = logging.getLogger("raxol_sql.pool")


class ConnectLog:
    """
    Counts the connections of a pool that were made and those that could not be made.

    While none can be made there is an outage: it is logged as a WARNING, and its end as INFO, in
    ``raxol_sql.pool``. One attempt that fails at once is none, unless it is final: its connection
    may have been ended by the server while the next one is made. Times are in seconds of the
    monotonic clock. Safe for threads.
    """

    def __init__(self) -> None:
        self.opened = 0
        self.failed = 0
        self.connect_seconds = 0.0
        # What stands in for a connection is counted by psycopg_pool as one that was returned bad.
        self.stand_ins_returned = 0
        self._lock = threading.Lock()
        self._outage: float | None = None
        self._last_failure = 0.0
        self._failures = 0
        self._is_logged = False
        self._words = ""

    def succeed(self, began: float, now: float) -> None:
        """Counts a connection, the attempt for which ``began`` at that time."""
        with self._lock:
            self.opened += 1
            self.connect_seconds += now - began
            # An attempt that began before the last failure says nothing of the time after it.
            if self._outage is None or began < self._last_failure:
                return
            lasted, failures, words = now - self._outage, self._failures, self._words
            is_logged, self._outage, self._is_logged = self._is_logged, None, False
        if not is_logged:
            return
        _log.info(
            "the server accepts connections again, after %.1f s and %d failed attempts; "
            "the last one: %s",
            *(lasted, failures, words),
        )

    def fail(self, error: Exception, began: float, now: float, *, is_final: bool) -> None:
        """Counts an attempt that failed; ``is_final`` if another one would fail as well."""
        with self._lock:
            self.failed += 1
            self._last_failure = now
            self._words = words = _words(error)
            if self._outage is None:
                self._outage, self._failures = began, 0
            self._failures += 1
            if self._is_logged or not (is_final or now - self._outage >= _SHORTEST):
                return
            self._is_logged = True
        _log.warning(
            "no connection can be made: %s; the pool tries again while calls wait, and logs when "
            "the server accepts connections again",
            words,
        )

    def return_stand_in(self) -> None:
        """Counts what psycopg_pool counts as a connection that was returned bad."""
        with self._lock:
            self.stand_ins_returned += 1


def _words(error: Exception) -> str:
    """An error in one line."""
    words = without_passwords(" ".join(str(error).split()))
    if not isinstance(error, psycopg.Error):
        return f"{type(error).__name__}: {words}"
    return f"{words} (SQLSTATE {error.sqlstate})" if error.sqlstate else words

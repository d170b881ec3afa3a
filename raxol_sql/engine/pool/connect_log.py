"""Statistics of connection attempts, and the log lines of an outage."""

from __future__ import annotations

import logging
import threading

import psycopg

from raxol_sql.config.passwords import without_passwords

# Seconds after which failing attempts are an outage.
_SHORTEST = 0.1
_log = logging.getLogger("raxol_sql.pool")


class ConnectLog:
    """
    The counters of successful and failed connection attempts, and the log of outages.

    While no connection can be made there is an outage: it is logged as a WARNING, and its end as
    INFO, in ``raxol_sql.pool``. A single failure is none, unless it is permanent: the server may
    have ended the connection while the next one is made. Times are in seconds of the monotonic
    clock. Thread-safe.
    """

    def __init__(self) -> None:
        self.opened = 0
        self.failed = 0
        self.connect_seconds = 0.0
        # psycopg_pool counts a placeholder as a connection that was returned bad.
        self.stand_ins_returned = 0
        self._lock = threading.Lock()
        self._outage: float | None = None
        self._last_failure = 0.0
        self._failures = 0
        self._is_logged = False
        self._words = ""

    def succeed(self, began: float, now: float) -> None:
        """Count a connection whose attempt ``began`` at that time."""
        with self._lock:
            self.opened += 1
            self.connect_seconds += now - began
            # An attempt that began before the last failure says nothing about the time after it.
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
        """Count a failed attempt; ``is_final`` if another one would fail as well."""
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
        """Count a placeholder, which psycopg_pool counts as a connection that was returned bad."""
        with self._lock:
            self.stand_ins_returned += 1


def _words(error: Exception) -> str:
    """Return an error in one line."""
    words = without_passwords(" ".join(str(error).split()))
    if not isinstance(error, psycopg.Error):
        return f"{type(error).__name__}: {words}"
    return f"{words} (SQLSTATE {error.sqlstate})" if error.sqlstate else words

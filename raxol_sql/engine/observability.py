"""Metrics, events and query logging of a database, for both I/O backends."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from raxol_sql import server
from raxol_sql.config import Config
from raxol_sql.engine.pool.pool import SessionPool
from raxol_sql.engine.session.checkout import call_site_text
from raxol_sql.telemetry import LogOptions, Metrics, PoolStatus, QueryEvent, QueryLog

if TYPE_CHECKING:
    from raxol_sql.engine.explain import GenericExplainer


@attrs.frozen(eq=False, repr=False)
class _Logging:
    """A query log, and what ends it."""

    log: QueryLog
    end: Callable[[], None]


class Observability:
    """The metrics, events and log lines of a database. Safe for threads and tasks."""

    def __init__(self, pool: SessionPool, config: Config) -> None:
        self.config = config
        self._watched = pool
        self._switching = threading.Lock()
        self._logging: _Logging | None = None

    def subscribe(self, subscriber: Callable[[QueryEvent], object]) -> Callable[[], None]:
        """
        Call ``subscriber`` with a `QueryEvent` at the end of each operation.

        It is called in the thread or task of the operation, which waits for it, so it must be fast
        and must not use a database. A subscriber that raises is logged to ``raxol_sql.telemetry``
        and removed; the operation is not affected. Returns the function that ends the subscription.
        """
        return self._watched.telemetry.subscribe(subscriber)

    def metrics(self, *, reset: bool = False) -> Metrics:
        """
        Return the metrics since the database was opened, or since the last ``reset``.

        Operations are listed by the names of their queries; the counters of the pool only grow.
        Sends nothing to the server. If ``metrics`` is off in the configuration, operations are not
        counted.
        """
        return self._watched.telemetry.metrics(self._watched.status(), reset=reset)

    def pool_status(self) -> PoolStatus:
        """Return the current state of the pool, without sending anything to the server."""
        return self._watched.status()

    def enable_query_logging(
        self,
        level: int | str = "debug",
        *,
        slow_ms: float | None = 500,
        sample: float = 1.0,
        explain: bool = False,
    ) -> None:
        """
        Log each operation as a line in the log ``raxol_sql.queries``; see `QueryLog`.

        The level is ``level``, such as ``"debug"`` or ``logging.INFO``; WARNING if the operation
        took ``slow_ms`` milliseconds or more (None for no limit) or more than one attempt, and
        ERROR if it failed. ``sample`` is the share, from 0 to 1, of fast and successful operations
        to log. With ``explain`` the plan of a slow query is logged as well, at most once a minute
        for each name, from a separate connection. With ``stacktrace`` in the configuration, a line
        gives the call site. No line contains a value.

        A second call replaces the options. The caller configures the handlers and the level of the
        logger. A separate thread writes the lines. Raises ValueError for an unknown level or an
        option out of range.
        """
        explainer = self._make_explainer() if explain else None
        options = LogOptions(
            _level_of(level),
            slow_ms,
            sample,
            place=call_site_text if self.config.stacktrace else None,
            explain=explainer,
        )
        with self._switching:
            self._stop_logging()
            log = QueryLog(options)
            self._logging = _Logging(log, self._watched.telemetry.listen(log))

    def disable_query_logging(self) -> None:
        """Stop query logging after writing all lines; a second call has no effect."""
        with self._switching:
            self._stop_logging()

    def _make_explainer(self) -> GenericExplainer:
        from raxol_sql.engine.explain import GenericExplainer

        return GenericExplainer(server.target(self.config))

    def _stop_logging(self) -> None:
        if self._logging is not None:
            self._logging.end()
            self._logging.log.close()
            self._logging = None


def _level_of(level: int | str) -> int:
    if isinstance(level, str):
        known = logging.getLevelNamesMapping()
        if level.upper() not in known:
            raise ValueError(f"level must be one of {', '.join(known).lower()}, not {level!r}")
        return known[level.upper()]
    if not isinstance(level, int) or isinstance(level, bool):
        raise ValueError(f"level must be a name or a number of the logging module, not {level!r}")
    return level

"""What a database of either colour tells of itself."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import attrs

from raxol_sql import server
from raxol_sql.config import Config
from raxol_sql.engine.explain import GenericExplainer
from raxol_sql.engine.pool.pool import SessionPool
from raxol_sql.engine.session.checkout import call_site_text
from raxol_sql.telemetry import LogOptions, Metrics, PoolStatus, QueryEvent, QueryLog


@attrs.frozen
class _Logging:
    """A query log, and what ends it."""

    log: QueryLog
    end: Callable[[], None]


class Observability:
    """The figures, events and log lines of a database. Safe for threads and tasks."""

    def __init__(self, pool: SessionPool, config: Config) -> None:
        self.config = config
        self._watched = pool
        self._switching = threading.Lock()
        self._logging: _Logging | None = None

    def subscribe(self, subscriber: Callable[[QueryEvent], object]) -> Callable[[], None]:
        """
        From now on ``subscriber`` is called with a `QueryEvent` at the end of each operation.

        In the thread or task of the call, which waits for it, so it has to be quick, and to use no
        database. One that raises is logged to ``raxol_sql.telemetry`` and called no more; the call
        notices nothing. Gives the function that ends the subscription.
        """
        return self._watched.telemetry.subscribe(subscriber)

    def metrics(self, *, reset: bool = False) -> Metrics:
        """
        The figures since the database was opened, or since they were ``reset`` the last time.

        Operations by the names of their queries, and the pool, whose figures only grow. Asks no
        server. Where ``metrics`` is off in the configuration nothing is counted by name.
        """
        return self._watched.telemetry.metrics(self._watched.status(), reset=reset)

    def pool_status(self) -> PoolStatus:
        """How the pool of this database is at this moment; asks no server."""
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
        From now on each operation is a line in the log ``raxol_sql.queries``; see `QueryLog`.

        Of ``level``, such as ``"debug"`` or ``logging.INFO``; WARNING if it took ``slow_ms``
        milliseconds or more (None for no limit), or more than one attempt, and ERROR if it failed.
        ``sample`` is the share, from 0 to 1, of those that ended well and quickly that is logged.
        ``explain`` has the plan of a slow one logged as well, at most once a minute for each name;
        it is asked for on a connection of its own. With ``stacktrace`` in the configuration a line
        says where the call was made. No line has a value in it.

        Once more replaces the options. Handlers and the level of the logger are the caller's. The
        lines are written by a thread of their own. Raises ValueError for what is no level, or out
        of its bounds.
        """
        options = LogOptions(
            _level_of(level),
            slow_ms,
            sample,
            place=call_site_text if self.config.stacktrace else None,
            explain=GenericExplainer(server.target(self.config)) if explain else None,
        )
        with self._switching:
            self._stop_logging()
            log = QueryLog(options)
            self._logging = _Logging(log, self._watched.telemetry.listen(log))

    def disable_query_logging(self) -> None:
        """Ends it, with all lines written; again it does nothing."""
        with self._switching:
            self._stop_logging()

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

"""The ways to be watched that are compared: one database for each, in the same process."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import raxol_sql as rx
from raxol_sql.telemetry.query_log import LOGGER

OFF, OFF_AGAIN = "nothing", "nothing, once more"
METRICS, LOG = "metrics", "metrics and the query log, of slow and failed calls"
LINES = "metrics and the query log, every call a line in a file"

_ONE: dict[str, Any] = {"pool_min_size": 1, "pool_size": 1, "stacktrace": False}


@contextmanager
def opened(conninfo: str, file: Path) -> Iterator[Mapping[str, rx.Database]]:
    """A database for each way, by its name; the lines go to ``file``."""
    with ExitStack() as stack:

        def database(*, metrics: bool) -> rx.Database:
            return stack.enter_context(rx.Database.open(conninfo, **_ONE, metrics=metrics))

        stack.enter_context(_written(file))
        ways = {
            OFF: database(metrics=False),
            OFF_AGAIN: database(metrics=False),
            METRICS: database(metrics=True),
            LOG: database(metrics=True),
            LINES: database(metrics=True),
        }
        # The logger of all of them lets INFO through, and DEBUG not.
        ways[LOG].enable_query_logging("debug")
        ways[LINES].enable_query_logging("info")
        yield ways


def written(db: rx.Database) -> None:
    """Has all lines written that a database still has to log."""
    if db._logging is not None:
        db._logging.log.close()


@contextmanager
def _written(file: Path) -> Iterator[None]:
    logger, handler = logging.getLogger(LOGGER), logging.FileHandler(file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
        logger.level, logger.propagate = before

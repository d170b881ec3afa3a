"""The log of the command line's own queries, where the environment asks for one."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import click

from raxol_sql import Database

VARIABLE = "RAXOL_SQL_LOG"
_LEVELS = ("debug", "info", "warning", "error")


@contextmanager
def logged(database: Database) -> Iterator[None]:
    """
    Logs what ``database`` does inside to stderr, from the level that ``RAXOL_SQL_LOG`` names.

    Does nothing where that is not set; a level that is none is an error of usage.
    """
    level = os.environ.get(VARIABLE, "").lower()
    if not level:
        yield
        return
    if level not in _LEVELS:
        raise click.UsageError(f"{VARIABLE} is one of {', '.join(_LEVELS)}; not {level!r}")
    logger, handler = logging.getLogger("raxol_sql"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level.upper())
    database.enable_query_logging("debug")
    try:
        yield
    finally:
        database.disable_query_logging()
        logger.removeHandler(handler)
        logger.setLevel(before)

"""Events of a database as they are told, and the lines of its log."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator

import pytest

from raxol_sql.telemetry.query_log import LOGGER


class Lines(logging.Handler):
    """What was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def texts(self) -> list[str]:
        return [record.getMessage() for record in self.records]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The records of the query log, of every level."""
    handler, logger = Lines(), logging.getLogger(LOGGER)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@pytest.fixture
def printed() -> Callable[..., list[str]]:
    """
    Runs a text as a program of its own, with arguments; gives the words that it prints.

    It may fork although it has threads, of which Python 3.12 warns.
    """

    def run(text: str, *arguments: object) -> list[str]:
        options = ("-W", "ignore:This process:DeprecationWarning")
        done = subprocess.run(
            [sys.executable, *options, "-c", textwrap.dedent(text), *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.split()

    return run

"""An assertion for tests: no query runs again and again."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from raxol_sql.engine import LoneWritesWarning, RepeatedQueryWarning


@contextmanager
def assert_no_repeats(db: Any, *, limit: int = 1) -> Iterator[None]:
    """
    Fails a test in whose block a query runs more than ``limit`` times: `Database.scope`.

    Raises AssertionError with the names and how often each ran.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RepeatedQueryWarning)
        warnings.simplefilter("ignore", LoneWritesWarning)
        with db.scope(limit=limit) as scope:
            yield
    if scope.repeated:
        told = ", ".join(f"{name} ran {count} times" for name, count in scope.repeated.items())
        raise AssertionError(f"{told}, and {limit} is the limit: attach() reads many at once")

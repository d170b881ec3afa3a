"""An assertion for tests: no query runs again and again."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from raxol_sql.errors import LoneWritesWarning, RepeatedQueryWarning


@contextmanager
def assert_no_repeats(db: Any, *, max_repeats: int = 1) -> Iterator[None]:
    """
    Fails a test in whose block a query runs more than ``max_repeats`` times:
    `Database.watch_queries`.

    Raises AssertionError with the names and how often each ran.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RepeatedQueryWarning)
        warnings.simplefilter("ignore", LoneWritesWarning)
        with db.watch_queries(max_repeats=max_repeats) as watched:
            yield
    if watched.repeated:
        told = ", ".join(f"{name} ran {count} times" for name, count in watched.repeated.items())
        raise AssertionError(
            f"{told}, more than max_repeats={max_repeats}: preload() reads many at once"
        )

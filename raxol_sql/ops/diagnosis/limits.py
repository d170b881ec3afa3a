"""The thresholds of a diagnosis."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, Self

import attrs

from raxol_sql.errors import ConfigError, did_you_mean


def _limit(default: float, meaning: str) -> Any:
    return attrs.field(default=default, metadata={"meaning": meaning})


@attrs.frozen
class Limits:
    """
    The limits of all diagnoses, each with its unit in its name or in what is said of it.

    What is above one is a warning; what is above one that is called so, a failure.
    """

    clock_skew_s: float = _limit(2, "difference between the clocks here and there")
    pool_warn_percent: float = _limit(80, "usable connections that are in use: a warning")
    pool_fail_percent: float = _limit(95, "usable connections that are in use: a failure")
    long_running_s: float = _limit(60, "age of a statement that runs")
    idle_in_transaction_s: float = _limit(60, "age of a transaction that does nothing")
    blocked_fail_s: float = _limit(60, "wait for a lock: a failure; any wait is a warning")
    cache_hit: float = _limit(0.985, "share of blocks found in memory, which it has to reach")
    cache_reads: float = _limit(10_000, "block reads from which on that share means something")
    dead_factor: float = _limit(2, "dead rows by what has autovacuum begin")
    dead_rows: float = _limit(10_000, "dead rows of a table that are worth a word")
    bloat_factor: float = _limit(3, "size of a table by the size of its rows")
    bloat_mb: float = _limit(10, "space without rows that is worth a word")
    xid_factor: float = _limit(1.25, "age of a database by autovacuum_freeze_max_age")
    xid_fail: float = _limit(1_500_000_000, "age of a database in transactions: a failure")
    disk_warn_percent: float = _limit(90, "a disk that is full: a warning")
    disk_fail_percent: float = _limit(97, "a disk that is full: a failure")
    index_scans: float = _limit(20, "uses of an index, fewer of which are as good as none")
    index_mb: float = _limit(1, "size of an index that is worth a word")
    statistics_days: float = _limit(1, "age from which on statistics tell what is not used")
    null_share: float = _limit(0.5, "share of NULLs in an index")
    scan_mb: float = _limit(10, "size of a table that is not to be read whole")
    scans: float = _limit(100, "times that such a table was read whole")
    sequence_warn_percent: float = _limit(80, "numbers of a sequence that are used: a warning")
    sequence_fail_percent: float = _limit(95, "numbers of a sequence that are used: a failure")
    statement_share: float = _limit(0.33, "share of one statement in the time of all")
    statement_ms: float = _limit(100, "mean time of such a statement")
    statement_calls: float = _limit(10, "calls of it, fewer of which are no habit")

    def with_given(self, given: Iterable[str]) -> Self:
        """
        These limits with others in place of some, each as ``name=number``.

        Raises `ConfigError` for what is no number, and for a name that is none, with the nearest.
        """
        changed: dict[str, float] = {}
        for one in given:
            name, _, value = one.partition("=")
            if name not in self.meanings():
                nearest = difflib.get_close_matches(name, self.meanings(), n=3, cutoff=0.4)
                raise ConfigError(f"there is no limit {name!r}{did_you_mean(nearest)}")
            try:
                changed[name] = float(value)
            except ValueError:
                raise ConfigError(f"the limit {name} is a number, not {value!r}") from None
            if not changed[name] >= 0:
                raise ConfigError(f"the limit {name} is 0 or more, not {value!r}")
        return attrs.evolve(self, **changed)

    @classmethod
    def meanings(cls) -> dict[str, str]:
        """What each limit is of, by its name."""
        return {one.name: one.metadata["meaning"] for one in attrs.fields(cls)}

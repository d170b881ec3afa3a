"""What raxol_sql promises, in parts of what others take, and whether it is kept."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from benchmarks.figures import Measure, Outcome, Spread


@attrs.frozen
class Target:
    """``name`` takes at most ``limit`` times what ``other`` takes, of time or of CPU."""

    work: str
    name: str
    other: str
    measure: Measure
    limit: float


@attrs.frozen
class Verdict:
    """A target, and the ratio that was measured; None if one of the two was not there."""

    target: Target
    ratio: Spread | None

    @property
    def is_missed(self) -> bool:
        """Whether it was measured and found above its limit."""
        return self.ratio is not None and self.ratio.median > self.target.limit

    @property
    def word(self) -> str:
        """met, missed or not measured."""
        if self.ratio is None:
            return "not measured"
        return "missed" if self.is_missed else "met"


TARGETS = (
    Target("one-row", "raxol_sql", "psycopg, pooled", "cpu", 0.40),
    Target("one-row", "raxol_sql", "psycopg, pooled", "wall", 0.55),
    Target("one-row", "raxol_sql", "libpq, exec_prepared", "cpu", 2.5),
    Target("one-row-asyncio", "raxol_sql", "asyncpg, pooled", "cpu", 0.75),
    Target("one-row-asyncio", "raxol_sql", "asyncpg, pooled", "wall", 0.75),
    Target("rows", "raxol_sql", "psycopg, pooled", "wall", 0.55),
    Target("rows", "raxol_sql, asyncio", "asyncpg, pooled", "wall", 0.80),
    Target("updates-with-rows", "raxol_sql, Multi", "psycopg, pooled", "wall", 0.30),
    Target("updates", "raxol_sql, Multi", "psycopg, pooled", "wall", 0.30),
    Target("inserts", "raxol_sql, run_many", "psycopg", "wall", 0.80),
    Target("copy-in", "raxol_sql, asyncio, binary", "asyncpg", "wall", 1.10),
    Target("registry", "10,000 queries", "10 queries", "cpu", 1.05),
)


def judge(outcomes: Iterable[Outcome], targets: Iterable[Target] = TARGETS) -> list[Verdict]:
    """The verdict on each of the targets, of which some may not have been measured."""
    by_key = {outcome.key: outcome for outcome in outcomes}
    return [Verdict(target, _ratio(by_key.get(target.work), target)) for target in targets]


def _ratio(outcome: Outcome | None, target: Target) -> Spread | None:
    return None if outcome is None else outcome.ratio(target.name, target.other, target.measure)

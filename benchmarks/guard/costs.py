"""What the samples say of the price of safety, and whether it is kept to what was promised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from benchmarks.figures import Measure, Outcome, Spread
from benchmarks.guard.contest import label
from benchmarks.guard.engines import Engine
from benchmarks.guard.ways import COLOURS
from benchmarks.tables import aligned

LIMIT = 3.0
"""The microseconds that a call may pay for its safety, if nothing goes wrong."""

_MEASURES: tuple[Measure, ...] = ("wall", "cpu")


@attrs.frozen
class Cost:
    """
    A difference between contenders: what those with a positive weight take beyond the others.

    One that ``is_limited`` may be `LIMIT` at most, in CPU, between the shortest bursts of each
    sitting. All microseconds grow with what else goes on on a machine, to twice as many and more,
    so that elsewhere a limit in microseconds would be one for the machine.
    """

    title: str
    weights: Mapping[str, int]
    is_limited: bool = False

    def is_kept(self, outcome: Outcome) -> bool:
        """Whether it is within its limit, if it has one."""
        return not self.is_limited or self._judged(outcome).median <= LIMIT

    def word(self, outcome: Outcome) -> str:
        """kept or missed, of one that has a limit, and the bounds of what was judged."""
        if not self.is_limited:
            return ""
        verdict = "kept" if self.is_kept(outcome) else "missed"
        return f"{_bounds(self._judged(outcome))}, {LIMIT:.0f} µs {verdict}"

    def _judged(self, outcome: Outcome) -> Spread:
        return outcome.sum_of_least(self.weights, "cpu")


def costs(now: Engine, before: Engine | None) -> list[Cost]:
    """All costs that can be told; some only next to an engine of before."""
    found = []
    for colour, (whole, bare) in COLOURS.items():
        ours, held = label(whole, now), label(bare, now)
        found.append(Cost(f"{colour}, around the statement, {now.name}", {ours: 1, held: -1}))
        if before is None:
            continue
        theirs, held_before = label(whole, before), label(bare, before)
        found += [
            Cost(
                f"{colour}, around the statement, {before.name}",
                {theirs: 1, held_before: -1},
            ),
            Cost(
                f"{colour}, added around the statement",
                {ours: 1, held: -1, theirs: -1, held_before: 1},
            ),
            Cost(f"{colour}, added to the statement", {held: 1, held_before: -1}),
            Cost(f"{colour}, added in all", {ours: 1, theirs: -1}, is_limited=True),
        ]
    return found


def time_table(outcome: Outcome) -> str:
    """What a call takes that goes each way."""
    rows = [[name, *_cells(outcome, {name: 1})] for name in outcome.samples]
    rounds = f"{outcome.rounds} round{'s' * (outcome.rounds != 1)}"
    return _table(f"{outcome.title}: µs a call, {rounds}", rows)


def cost_table(outcome: Outcome, found: Sequence[Cost]) -> str:
    """The differences, and whether those that have a limit are within it."""
    rows = [[one.title, *_cells(outcome, one.weights), one.word(outcome)] for one in found]
    return _table("of that, µs a call", rows)


def _table(title: str, rows: Sequence[Sequence[str]]) -> str:
    head = ["", "wall", "", "least", "CPU", "", "least"]
    head += [""] * (max(map(len, rows)) - len(head))
    return "\n".join([title, *aligned([head, *rows], left=(0, 2, 5, 7)[: 3 + (len(head) > 7)])])


def _cells(outcome: Outcome, weights: Mapping[str, int]) -> list[str]:
    cells = []
    for measure in _MEASURES:
        spread = outcome.sum(weights, measure)
        least = outcome.sum_of_least(weights, measure)
        cells += [f"{spread.median:.1f}", _bounds(spread), f"{least.median:.1f}"]
    return cells


def _bounds(spread: Spread) -> str:
    return f"({spread.low:.1f} to {spread.high:.1f})"

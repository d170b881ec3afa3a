"""Everything that a run came to, and its form as JSON."""

from __future__ import annotations

import json
from typing import Any

import attrs

from benchmarks.figures import Measure, Outcome, Spread
from benchmarks.targets import Verdict

_MEASURES: tuple[Measure, ...] = ("wall", "cpu")


@attrs.frozen
class Results:
    """
    What was measured, ``where``, and what it says of the targets.

    ``memory`` is in bytes a row, by contender; ``round_trip``, in microseconds, is that of
    pgbench, None where that is not there.
    """

    where: dict[str, str]
    outcomes: list[Outcome]
    verdicts: list[Verdict]
    memory: dict[str, float]
    round_trip: float | None

    def json(self) -> str:
        """All of it but the single samples; times are in microseconds a call."""
        return json.dumps(
            {
                "where": self.where,
                "works": [_work(outcome) for outcome in self.outcomes],
                "memory_bytes_per_row": self.memory,
                "pgbench_round_trip": self.round_trip,
                "targets": [_verdict(verdict) for verdict in self.verdicts],
            },
            indent=2,
            ensure_ascii=False,
        )


def _work(outcome: Outcome) -> dict[str, Any]:
    return {
        "key": outcome.key,
        "title": outcome.title,
        "rounds": outcome.rounds,
        "ratios_to": outcome.yardstick,
        "contenders": {name: _contender(outcome, name) for name in outcome.samples},
    }


def _contender(outcome: Outcome, name: str) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for measure in _MEASURES:
        figures[measure] = attrs.asdict(outcome.spread(name, measure))
        figures[f"{measure}_ratio"] = _spread(outcome.ratio(name, outcome.yardstick, measure))
    p50, p99 = outcome.latency(name, "p50"), outcome.latency(name, "p99")
    return figures if p50 is None else {**figures, "p50": p50, "p99": p99}


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        **attrs.asdict(verdict.target),
        "ratio": _spread(verdict.ratio),
        "verdict": verdict.word,
    }


def _spread(spread: Spread | None) -> dict[str, float] | None:
    return None if spread is None else attrs.asdict(spread)

"""The results as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from benchmarks.figures import Outcome, Spread
from benchmarks.targets import Verdict

Row = Sequence[str]


def outcome_table(outcome: Outcome) -> str:
    """Medians, and medians of the ratios to the yardstick within a round."""
    concurrent = any(outcome.latency(name, "p50") is not None for name in outcome.samples)
    head = ["", "wall", "ratio", "CPU", "ratio", *(["calls/s", "p50", "p99"] * concurrent)]
    rows = [_contender(outcome, name, concurrent) for name in outcome.samples]
    rounds = f"{outcome.rounds} round{'s' * (outcome.rounds != 1)}"
    title = f"{outcome.title}: µs a call, {rounds}"
    return "\n".join([title, *aligned([head, *rows])])


def memory_table(memory: dict[str, float]) -> str:
    """Bytes a row."""
    rows = [[name, f"{size:,.0f}"] for name, size in memory.items()]
    return "\n".join(["many rows: resident memory at the peak, bytes a row", *aligned(rows)])


def target_table(verdicts: Iterable[Verdict]) -> str:
    """What was promised, and what was measured, with where it lies with a certainty of 95 %."""
    rows = []
    for verdict in verdicts:
        target = verdict.target
        measure = "CPU" if target.measure == "cpu" else "wall"
        pair = f"{target.name} / {target.other}"
        rows.append(
            [
                *(target.work, pair, measure, f"<= {target.limit:.2f}"),
                *(_with_bounds(verdict.ratio), verdict.word),
            ]
        )
    return "\n".join(["targets", *aligned(rows, left=(0, 1, 2, 5))])


def aligned(rows: Sequence[Row], *, left: Iterable[int] = (0,)) -> Iterator[str]:
    """Lines with columns below each other: figures to the right, those of ``left`` to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    flags = ["<" if number in set(left) else ">" for number in range(len(widths))]
    for row in rows:
        cells = (
            f"{cell:{flag}{width}}" for cell, flag, width in zip(row, flags, widths, strict=True)
        )
        yield ("  " + "  ".join(cells)).rstrip()


def _contender(outcome: Outcome, name: str, concurrent: bool) -> Row:
    wall, cpu = outcome.spread(name, "wall"), outcome.spread(name, "cpu")
    cells = [
        *(name, f"{wall.median:,.1f}", _ratio(outcome.ratio(name, outcome.yardstick, "wall"))),
        *(f"{cpu.median:,.1f}", _ratio(outcome.ratio(name, outcome.yardstick, "cpu"))),
    ]
    if concurrent:
        p50, p99 = outcome.latency(name, "p50"), outcome.latency(name, "p99")
        cells += [f"{1e6 / wall.median:,.0f}", f"{p50 or 0:,.0f}", f"{p99 or 0:,.0f}"]
    return cells


def _ratio(spread: Spread | None) -> str:
    return "" if spread is None else f"{spread.median:.2f}"


def _with_bounds(spread: Spread | None) -> str:
    return "" if spread is None else f"{spread.median:.2f} ({spread.low:.2f} to {spread.high:.2f})"

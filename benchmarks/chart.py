"""The results as a picture: SVG that is readable on light and on dark ground."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

import attrs

from benchmarks.figures import Outcome
from benchmarks.results import Results

SHOWN = ("one-row", "one-row-asyncio", "rows", "updates-with-rows", "inserts", "copy-in")
"""The works that are in the picture, if they were measured."""

OURS = "raxol_sql"

WIDTH = 860
_MARGIN = 24
_LABELS = 250
_VALUES = 130
_BARS = WIDTH - 2 * _MARGIN - _LABELS - _VALUES
_HEAD = 78
_TITLE = 30
_ROW = 22
_BAR = 14
_GAP = 22

TIMES = "\N{MULTIPLICATION SIGN}"

_STYLE = """
  text { font-family: system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
  .head { font-size: 18px; font-weight: 600 }
  .title { font-size: 14px; font-weight: 600 }
  .small { font-size: 12px; fill: #59636e }
  .ours { font-weight: 600 }
  .ground { fill: #ffffff; stroke: #d1d9e0 }
  .small.ours { fill: #1f2328 }
  .wall { fill: #c3cad2 } .cpu { fill: #8c959f }
  .wall.ours { fill: #9ec5f7 } .cpu.ours { fill: #2f6fd0 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .small { fill: #9198a1 }
    .small.ours { fill: #f0f6fc }
    .ground { fill: #0d1117; stroke: #3d444d }
    .wall { fill: #3d444d } .cpu { fill: #767f8a }
    .wall.ours { fill: #1f4a86 } .cpu.ours { fill: #6ca4f8 }
  }
"""


@attrs.frozen
class _Bar:
    """One contender: microseconds on the clock and of CPU, and the ratio to the yardstick."""

    name: str
    wall: float
    cpu: float
    ratio: float

    @property
    def is_ours(self) -> bool:
        return self.name.startswith(OURS)


def svg(results: Results) -> str:
    """The whole picture; its height depends on how much was measured."""
    shown = [outcome for outcome in results.outcomes if outcome.key in SHOWN]
    parts = list(_legend(results))
    y = _HEAD
    for outcome in shown:
        parts += _panel(outcome, y)
        y += _TITLE + len(outcome.samples) * _ROW + _GAP
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" '
            f'width="{WIDTH}" height="{y}" role="img" aria-labelledby="title">',
            '<title id="title">What calls of raxol_sql and of others take</title>',
            f"<style>{_STYLE}</style>",
            f'<rect class="ground" x="0.5" y="0.5" width="{WIDTH - 1}" height="{y - 1}" rx="8"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _legend(results: Results) -> Iterator[str]:
    where = results.where
    told = [where[key] for key in ("python", "server", "connection") if key in where]
    if results.round_trip is not None:
        told.append(f"the round trip of pgbench: {duration(results.round_trip)}")
    yield _text("What a call takes: shorter is better", _MARGIN, 32, "head")
    yield _text(" · ".join(told), _MARGIN, 54, "small")
    x = WIDTH - _MARGIN - 232
    for kind, label, offset in (("cpu", "CPU of the client", 0), ("wall", "on the clock", 138)):
        yield f'<rect class="{kind}" x="{x + offset}" y="22" width="12" height="12" rx="2"/>'
        yield _text(label, x + offset + 18, 32, "small")


def _panel(outcome: Outcome, top: float) -> Iterator[str]:
    bars = [_bar(outcome, name) for name in outcome.samples]
    longest = max(max(bar.wall, bar.cpu) for bar in bars)
    yield _text(outcome.title, _MARGIN, top + 14, "title")
    yield _text(f"{TIMES} {outcome.yardstick}", WIDTH - _MARGIN, top + 14, "small", end=True)
    for number, bar in enumerate(bars):
        yield from _row(bar, top + _TITLE + number * _ROW, _BARS / longest)


def _row(bar: _Bar, top: float, scale: float) -> Iterator[str]:
    ours = " ours" if bar.is_ours else ""
    left, base = _MARGIN + _LABELS, top + _BAR - 3
    yield _text(bar.name, left - 10, base, f"small{ours}", end=True)
    for kind, length in (("wall", bar.wall), ("cpu", bar.cpu)):
        yield (
            f'<rect class="{kind}{ours}" x="{left}" y="{top}" width="{length * scale:.1f}" '
            f'height="{_BAR}" rx="2"/>'
        )
    value = f"{duration(bar.wall)}  {TIMES}{bar.ratio:.2f}"
    yield _text(value, left + max(bar.wall, bar.cpu) * scale + 8, base, f"small{ours}")


def _bar(outcome: Outcome, name: str) -> _Bar:
    ratio = outcome.ratio(name, outcome.yardstick, "wall")
    return _Bar(
        name,
        outcome.spread(name, "wall").median,
        outcome.spread(name, "cpu").median,
        ratio.median if ratio else float("nan"),
    )


def duration(microseconds: float) -> str:
    """A duration in the unit that leaves few digits."""
    if microseconds < 1_000:
        return f"{microseconds:.0f} µs"
    milliseconds = microseconds / 1_000
    return f"{milliseconds:.1f} ms" if milliseconds < 100 else f"{milliseconds:,.0f} ms"


def _text(text: str, x: float, y: float, kind: str, *, end: bool = False) -> str:
    anchor = ' text-anchor="end"' if end else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}"{anchor}>{escape(text)}</text>'

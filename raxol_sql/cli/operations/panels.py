"""The parts that a full screen is made of: tables below titles, lines with two ends, bars."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import attrs
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.rule import Rule
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text


@attrs.frozen
class Column:
    """A column of so many cells, or of all that are left, with figures at its right end."""

    name: str
    width: int | None = None
    is_of_figures: bool = False

    @classmethod
    def figures(cls, name: str, width: int) -> Column:
        """A column of figures."""
        return cls(name, width, is_of_figures=True)


@attrs.frozen
class Section:
    """
    A title with a table below, of which as many rows are shown as there is room for.

    ``step`` says how many rows it gets in its turn, when room is shared out. Without rows it is the
    title only.
    """

    title: str
    columns: Sequence[Column] = ()
    rows: Sequence[Sequence[Text]] = ()
    style: str = "bold"
    step: int = 1

    def height(self, rows: int) -> int:
        """How many lines it has with so many rows."""
        return 2 + rows if rows else 1

    def render(self, rows: int) -> Iterable[RenderableType]:
        """The title, and the first rows of the table."""
        hidden = len(self.rows) - rows
        title = f"{self.title} ({rows} of {len(self.rows)})" if hidden else self.title
        yield Rule(Text(title, style=self.style, no_wrap=True), align="left", style="dim")
        if rows:
            table = Table.grid(padding=(0, 1), pad_edge=False, expand=True)
            table.show_header = True
            for column in self.columns:
                table.add_column(
                    Text(column.name, style="dim"),
                    width=column.width,
                    ratio=None if column.width else 1,
                    justify="right" if column.is_of_figures else "left",
                    no_wrap=True,
                    overflow="ellipsis",
                )
            for row in self.rows[:rows]:
                table.add_row(*row)
            yield table


def shared_out(lines: int, sections: Sequence[Section]) -> list[int]:
    """How many rows each section gets: in turn a step more, until no line or no row is left."""
    counts = [0] * len(sections)
    left = lines - len(sections)
    while True:
        before = left
        for place, section in enumerate(sections):
            # The first row of a table brings the names of its columns with it.
            names = 0 if counts[place] else 1
            more = min(section.step, len(section.rows) - counts[place], left - names)
            if more > 0:
                counts[place] += more
                left -= names + more
        if left == before:
            return counts


def line(left: Text, right: Text) -> RenderableType:
    """Two texts at the two ends of a line; the first is cut where there is no room for both."""
    grid = Table.grid(padding=(0, 1), pad_edge=False, expand=True)
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(justify="right", no_wrap=True, min_width=right.cell_len)
    grid.add_row(left, right)
    return grid


@attrs.frozen
class Bar:
    """A line that is as much filled as ``used`` is of ``usable``."""

    used: int
    usable: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        full, empty = ("=", "-") if options.ascii_only else ("━", "─")
        share = min(1.0, self.used / self.usable) if self.usable > 0 else 1.0
        filled = math.ceil(share * options.max_width)
        style = "green" if share < 0.7 else "yellow" if share < 0.9 else "bold red"
        yield Segment(full * filled, Style.parse(style))
        yield Segment(empty * (options.max_width - filled), Style.parse("dim"))

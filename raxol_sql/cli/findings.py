"""Findings as people read them at a glance, and the exit code that they amount to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from raxol_sql.cli.failure import FINDINGS
from raxol_sql.cli.output import Output, console, one_line, visible
from raxol_sql.ops.finding import Finding, Status

_STYLES = {
    Status.OK: "green",
    Status.WARN: "yellow",
    Status.FAIL: "bold red",
    Status.SKIP: "dim",
}
_WIDTH = 100
_COLUMNS = ["group", "check", "status", "message", "remedy", "ms"]


def show_findings(findings: Sequence[Finding], output: Output) -> None:
    """Prints them, group by group, with a line at the end that counts them."""
    if output.format == "json":
        rows = [
            (one.group, one.check, one.status.value, one.message, one.remedy, one.ms)
            for one in findings
        ]
        output.table(_COLUMNS, rows)
        return
    screen = console()
    # Lines of more than that are no longer read at a glance, on a terminal or in a log.
    screen.width = min(screen.width, _WIDTH)
    for group in dict.fromkeys(one.group for one in findings):
        screen.print(Text(f"\n{group}", style="bold"))
        screen.print(_table([one for one in findings if one.group == group]))
    output.say(f"\n{_summary(findings)}")


def exit_code(findings: Iterable[Finding], *, strict: bool) -> int:
    """1 where something fails, or, if it is ``strict``, should be fixed; else 0."""
    seen = {one.status for one in findings}
    return FINDINGS if Status.FAIL in seen or (strict and Status.WARN in seen) else 0


def _table(findings: Sequence[Finding]) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=4)
    table.add_column(width=20, overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    is_timed = any(one.ms is not None for one in findings)
    if is_timed:
        table.add_column(justify="right", min_width=8)
    for one in findings:
        said: RenderableType = Text(one_line(one.message))
        if one.remedy:
            remedy = Text(f"→ {visible(one.remedy)}", style="cyan")
            said = Group(said, remedy)
        took = Text("" if one.ms is None else f"{one.ms:.1f} ms", style="dim")
        table.add_row(
            Text(one.status.value, style=_STYLES[one.status]),
            Text(one_line(one.check)),
            said,
            *([took] if is_timed else []),
        )
    return Padding(table, (0, 0, 0, 2))


def _summary(findings: Sequence[Finding]) -> str:
    counts = [(status, sum(one.status is status for one in findings)) for status in Status]
    return ", ".join(f"{count} {status.value}" for status, count in counts if count)

"""What is maintained one after the other: printed, and summed up in an exit code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from raxol_sql.cli.failure import FAILED, FINDINGS
from raxol_sql.cli.operations.bars import bars
from raxol_sql.cli.output import Output
from raxol_sql.ops import amounts
from raxol_sql.ops.maintenance import maintenance
from raxol_sql.ops.maintenance.attendant import Watch
from raxol_sql.ops.maintenance.maintenance import Maintained, Result
from raxol_sql.ops.maintenance.relation import Index, Relation

R = TypeVar("R", bound=Relation)
# What a command changes, each figure before and after, under its name.
Figures = dict[str, tuple[object, object]]
Columns = Callable[[Maintained], Figures]

_HEADINGS = {"bytes": "size"}


def maintain_all(
    relations: Sequence[R],
    maintain: Callable[[R, Watch | None], Maintained],
    columns: Columns,
    output: Output,
) -> int:
    """Maintain them one after the other, print the result of each, and return the exit code."""
    done: list[Maintained] = []
    try:
        with bars(len(relations)) as watching:
            for one in relations:
                done.append(maintain(one, watching(one)))
    finally:
        # What was done before an interruption is done.
        _show(done, columns, output)
    if any(one.result is Result.FAILED for one in done):
        return FAILED
    left = [
        one
        for one, it in zip(done, relations, strict=True)
        if isinstance(it, Index) and it.is_leftover
    ]
    return FINDINGS if left else 0


def _show(
    done: Sequence[Maintained],
    columns: Columns,
    output: Output,
) -> None:
    if output.format == "json":
        output.json([_document(one, columns(one)) for one in done])
        return
    if not done:
        output.say("there is nothing to do")
        return
    output.table(
        [
            "name",
            "result",
            *(_HEADINGS.get(name, name) for name in columns(done[0])),
            "ms",
            "reason",
        ],
        [
            (
                one.name,
                one.result.value,
                *(_change(one, name, pair) for name, pair in columns(one).items()),
                f"{one.ms:.0f}",
                one.reason,
            )
            for one in done
        ],
    )
    for one in done:
        for left in one.leftovers:
            output.say(f"{one.name} left an invalid index: {maintenance.remedy(left)}")
    counts = [(result, sum(one.result is result for one in done)) for result in Result]
    output.say(", ".join(f"{count} {result.value}" for result, count in counts if count))


def _document(one: Maintained, figures: Figures) -> dict[str, object]:
    return {
        "name": one.name,
        "result": one.result.value,
        "reason": one.reason,
        **{
            f"{name}_{when}": value
            for name, pair in figures.items()
            for when, value in zip(("before", "after"), pair, strict=True)
        },
        "ms": round(one.ms, 1),
        "blockers": one.blockers,
        "leftovers": [
            {"index": left, "remedy": maintenance.remedy(left)} for left in one.leftovers
        ],
    }


def counted(one: Maintained) -> Figures:
    """Rows that are dead and that live, and the size in bytes."""
    before, after = one.before.counts, one.after.counts
    return {
        "dead": (before and before.dead, after and after.dead),
        "live": (before and before.live, after and after.live),
        **sized(one),
    }


def estimated(one: Maintained) -> Figures:
    """How many rows the planner reckons with, and when it was told."""
    before, after = one.before.counts, one.after.counts
    return {
        "rows": (before and before.estimate, after and after.estimate),
        "analyzed_at": (before and before.analyzed_at, after and after.analyzed_at),
    }


def sized(one: Maintained) -> Figures:
    """The size in bytes."""
    return {"bytes": (one.before.size, one.after.size)}


def _change(one: Maintained, name: str, pair: tuple[object, object]) -> str:
    if one.result is Result.SKIPPED:
        return ""
    before, after = (_told(name, value) for value in pair)
    return before if before == after else f"{before} → {after}"


def _told(name: str, value: object) -> str:
    if value is None:
        return "?"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    return amounts.size(value) if name == "bytes" and isinstance(value, int) else str(value)

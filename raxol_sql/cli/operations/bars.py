"""Bars that show how far maintenance is: on a terminal, on stderr, and nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from raxol_sql.cli.output import console, visible
from raxol_sql.ops.maintenance.attendant import Look, Watch
from raxol_sql.ops.maintenance.relation import Relation


@contextmanager
def bars(count: int) -> Iterator[Callable[[Relation], Watch | None]]:
    """Bars on a terminal: which one of all it is, and how far its phase is. Elsewhere nothing."""
    if not sys.stderr.isatty():
        yield lambda relation: None
        return
    columns = [
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    ]
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        every = progress.add_task("all", total=count)
        now = progress.add_task("", total=None)
        begun = iter(range(count))

        def begin(relation: Relation) -> Watch:
            name = visible(relation.quoted)
            progress.update(every, completed=next(begun))
            progress.reset(now, description=name, total=None)

            def watch(look: Look) -> None:
                if look.blocked is not None:
                    text = f"waits for {' and '.join(map(str, look.blocked.by))}"
                    progress.update(now, description=f"{name}: {visible(text)}", total=None)
                elif look.progress is not None:
                    progress.update(
                        now,
                        description=f"{name}: {look.progress.phase}",
                        completed=look.progress.done or 0,
                        total=look.progress.total,
                    )

            return watch

        yield begin

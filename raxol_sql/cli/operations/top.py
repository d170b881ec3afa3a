"""`raxol-sql top`: what the server does, now and as it goes on."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from time import monotonic, sleep

import attrs
import click
import psycopg
from rich.console import Console, ConsoleDimensions
from rich.live import Live

from raxol_sql import Database
from raxol_sql.cli.failure import UNREACHABLE, message
from raxol_sql.cli.operations.keys import keys
from raxol_sql.cli.operations.top_json import document
from raxol_sql.cli.operations.top_view import Frame, view
from raxol_sql.cli.output import Output, console, formatted, one_line
from raxol_sql.cli.project import opened, project_queries
from raxol_sql.config import Config, Project
from raxol_sql.errors import RaxolSQLError
from raxol_sql.ops.activity.activity import OWN, look, sample
from raxol_sql.ops.activity.naming import Label, Names
from raxol_sql.ops.activity.rates import rates

# Milliseconds that the server may take for one look: who watches it must not be a burden to it.
_LONGEST = 2000
# How often a server without pg_stat_statements is sampled in an interval, and seconds in between.
_SAMPLES, _SHORTEST = 10, 0.1
# Seconds after which a terminal that was made larger or smaller is noticed.
_RESIZED = 0.25
# Columns and lines of what is printed where there is no terminal, and of a picture.
_PIPED, _PICTURE = 120, (100, 34)


@click.command()
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Time between two looks at the server.",
)
@click.option("--once", is_flag=True, help="Print one interval, and end.")
@click.option(
    "--count", type=click.IntRange(min=1), metavar="N", help="End after so many intervals."
)
@click.option(
    "--svg",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a picture of one interval, to be shown around, and end.",
)
@formatted
def top(interval: float, once: bool, count: int | None, svg: Path | None, output: Output) -> int:
    """
    Show what the server does: queries by name, sessions, locks and pools.

    In a terminal it goes on until q is pressed; space holds the picture. Elsewhere, and with
    --once, it prints one interval. Queries are counted by pg_stat_statements where the database
    has it, and else sampled; they are called by the names that they have in the project, or that
    a comment /*query='users.get'*/ gives them. Of any other statement the values are left out.
    Only reads, and takes one connection. Ends with 3 where the server is lost during that.

    \b
    Examples:
      raxol-sql top
      raxol-sql top --once --interval 10
      raxol-sql top --format json | jq .rates.commits_per_second
      raxol-sql top --svg top.svg
    """
    config = Config.find()
    names, note = _names(config.project)
    limited = attrs.evolve(config, timeout=min(config.timeout or _LONGEST, _LONGEST))
    is_table = output.format == "table"
    screen = console()
    is_live = is_table and not (once or svg) and sys.stdout.isatty() and not screen.is_dumb_terminal
    if once or svg or (is_table and not is_live and count is None):
        count = 1
    is_endless = is_live or count is None
    ending = suppress(KeyboardInterrupt) if is_endless else nullcontext()
    with ending, opened(limited, output) as database:
        watch = _Watch(database, names, interval, note)
        if is_live:
            _live(watch, screen, count)
        elif svg is not None:
            _pictured(watch, svg, output)
        else:
            _printed(watch, count, output)
        # A user at the screen sees it; a script has to be told that the last it got are old
        # figures.
        return UNREACHABLE if watch.frame.trouble and not is_live else 0
    return 0


def _names(project: Project) -> tuple[Names, str]:
    """The names of the project's queries, and what is to be said where they cannot be read."""
    try:
        queries = project_queries(project)
    except (RaxolSQLError, OSError, UnicodeError, click.ClickException) as error:
        click.echo(f"queries have no names: {one_line(message(error))}", err=True)
        return Names(own=OWN), "without names"
    return Names((queries[name] for name in queries), own=OWN), ""


class _Watch:
    """
    Looks at a server again and again; the first look is at once, and raises what it fails with.

    `step` does what is due, and `due` says in how many seconds there is something to do.
    """

    def __init__(self, database: Database, names: Names, interval: float, note: str) -> None:
        self.looks = 0
        self._database = database
        self._names = names
        self._interval = interval
        self._pause = max(_SHORTEST, interval / _SAMPLES)
        self._samples: list[tuple[Label, ...]] = []
        self.frame = Frame(look(database, names), None, interval, note=note)
        now = monotonic()
        self._next_look, self._next_sample = now + interval, now + self._pause

    @property
    def due(self) -> float:
        soonest = min(self._next_look, self._next_sample) if self._is_sampling else self._next_look
        return max(0.0, soonest - monotonic())

    @property
    def _is_sampling(self) -> bool:
        frame = self.frame
        return frame.moment.server.without_statements is not None and not frame.trouble

    def step(self) -> bool:
        """Looks, or samples, if it is time to; gives whether there is a new frame."""
        now = monotonic()
        if now >= self._next_look:
            self._look()
            # What took longer than it may is followed by a whole interval, and not made up for.
            self._next_look = max(self._next_look + self._interval, monotonic())
            self._next_sample = monotonic() + self._pause
            return True
        if self._is_sampling and now >= self._next_sample:
            with suppress(psycopg.Error, RaxolSQLError):
                self._samples.append(sample(self._database, self._names))
            self._next_sample = monotonic() + self._pause
        return False

    def _look(self) -> None:
        self.looks += 1
        samples, self._samples = self._samples, []
        before = self.frame
        try:
            moment = look(self._database, self._names, before.moment)
        except (psycopg.Error, RaxolSQLError) as error:
            since = f"{before.moment.server.at:%H:%M:%S}"
            # What the driver says first is where it wanted to go, and that it failed.
            why = message(error).rpartition("failed: ")[2]
            trouble = f"no answer since {since}, trying again: {why}"
            self.frame = attrs.evolve(before, rates=None, trouble=trouble)
        else:
            done = rates(before.moment, moment, samples)
            self.frame = attrs.evolve(before, moment=moment, rates=done, trouble="")


def _live(watch: _Watch, screen: Console, count: int | None) -> None:
    """Draws frame after frame on the whole terminal, until a key says that it is enough."""
    drawn: tuple[Frame, ConsoleDimensions] | None = None
    held: Frame | None = None
    with keys() as pressed, Live(console=screen, screen=True, auto_refresh=False) as live:
        while count is None or watch.looks < count:
            frame, size = held or watch.frame, screen.size
            if drawn is None or drawn[0] is not frame or drawn[1] != size:
                live.update(view(frame, size.width, size.height), refresh=True)
                drawn = frame, size
            for key in pressed(min(watch.due, _RESIZED)):
                if key in "qQ":
                    return
                if key == " ":
                    held = None if held else attrs.evolve(watch.frame, is_paused=True)
            watch.step()


def _printed(watch: _Watch, count: int | None, output: Output) -> None:
    """Prints a frame at the end of each interval."""
    for frame in _frames(watch, count):
        if output.format == "json":
            click.echo(json.dumps(document(frame), ensure_ascii=False))
        else:
            # Its texts are made visible already, and its own codes are for the terminal.
            click.echo(_lines(frame))


def _pictured(watch: _Watch, file: Path, output: Output) -> None:
    width, height = _PICTURE
    screen = Console(record=True, file=io.StringIO(), width=width, height=height)
    for frame in _frames(watch, 1):
        screen.print(view(frame, width, height))
    file.write_text(screen.export_svg(title="raxol-sql top"), encoding="utf-8")
    output.say(f"{file} is the picture")


def _frames(watch: _Watch, count: int | None) -> Iterator[Frame]:
    while count is None or watch.looks < count:
        sleep(watch.due)
        if watch.step():
            yield watch.frame


def _lines(frame: Frame) -> str:
    """A frame as plain lines, as wide as the terminal, if there is one."""
    screen = console()
    screen.width = screen.width if sys.stdout.isatty() else _PIPED
    with screen.capture() as captured:
        screen.print(view(frame, screen.width))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())

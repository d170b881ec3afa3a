"""What a call pays for being counted and logged: ``python -m benchmarks.watching``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from random import Random
from time import monotonic

import click
import psycopg

import raxol_sql as rx
from benchmarks import burst
from benchmarks.burst import Sample
from benchmarks.figures import Outcome
from benchmarks.guard.costs import Cost, cost_table, time_table
from benchmarks.scratch import ScratchError, scratch_database
from benchmarks.stage import Sizes, Stage, fill
from benchmarks.watching.ways import LINES, LOG, METRICS, OFF, OFF_AGAIN, opened, written
from raxol_sql import server

DATABASE = "raxol_watching"
CALLS = 50
_FEW = Sizes(short=100, long=100, inserts=1)
_COSTS = [
    Cost("off, next to off", {OFF_AGAIN: 1, OFF: -1}),
    Cost("metrics", {METRICS: 1, OFF: -1}, is_limited=True),
    Cost("metrics and log", {LOG: 1, OFF: -1}, is_limited=True),
    Cost("metrics, and every line", {LINES: 1, OFF: -1}),
]


@click.command()
@click.option("--url", help="The server; without it, the one that raxol_sql is configured for.")
@click.option("--sittings", type=click.IntRange(1), default=12, show_default=True)
@click.option("--seconds", type=click.FloatRange(0), default=3.0, show_default=True)
@click.option("--check", is_flag=True, help="Exits with 1 if a limit is missed.")
def main(url: str | None, sittings: int, seconds: float, check: bool) -> None:
    """
    Run one statement on databases with several kinds of telemetry, in turns.

    It uses a scratch database. CPU is that of the client's process, including the thread
    that writes the log.
    """
    try:
        config = rx.Config.find(url, database=DATABASE)
        click.echo(f"{DATABASE} on {server.describe(config)}")
        with scratch_database(config) as conninfo:
            stage = Stage(conninfo, _FEW)
            fill(stage)
            outcome = measured(stage, sittings, seconds)
    except (ScratchError, rx.RaxolSQLError, psycopg.Error) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"\n{time_table(outcome)}\n\n{cost_table(outcome, _COSTS)}")
    sys.exit(0 if not check or all(one.is_kept(outcome) for one in _COSTS) else 1)


def measured(stage: Stage, sittings: int, seconds: float) -> Outcome:
    """The samples of all ways: in each sitting on new connections, each round in another order."""
    samples: dict[str, list[list[Sample]]] = {}
    random = Random("watching")
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(sittings):
            for name, taken in _sitting(stage, Path(folder) / "log", seconds, random).items():
                samples.setdefault(name, []).append(taken)
    return Outcome("watching", "one row by primary key, watched", OFF, samples)


def _sitting(stage: Stage, log: Path, seconds: float, random: Random) -> dict[str, list[Sample]]:
    query = stage.queries.users.get
    with opened(stage.conninfo, log) as ways:
        samples: dict[str, list[Sample]] = {name: [] for name in ways}
        end = monotonic() + seconds
        while monotonic() < end or len(samples[OFF]) < 5:
            for name, db in random.sample([*ways.items()], len(ways)):

                def calls(db: rx.Database = db) -> None:
                    for _ in range(CALLS):
                        db.run(query(id=7))
                    # What a thread does a moment later is the price of these calls, too.
                    written(db)

                calls()
                samples[name].append(per_call(burst.in_turn(calls, 1)))
    return samples


def per_call(sample: Sample) -> Sample:
    """What a burst takes, shared out among its calls."""
    return Sample(sample.wall / CALLS, sample.cpu / CALLS)


if __name__ == "__main__":
    main()

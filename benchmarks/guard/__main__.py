"""What a call pays for its safety when nothing goes wrong: ``python -m benchmarks.guard``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import ExitStack

import click
import psycopg

import raxol_sql as rx
from benchmarks.contest import UnequalError
from benchmarks.figures import Outcome
from benchmarks.guard.contest import Length, measured
from benchmarks.guard.costs import Cost, cost_table, costs, time_table
from benchmarks.guard.engines import EngineError, current, extracted
from benchmarks.scratch import ScratchError, scratch_database
from benchmarks.stage import Sizes, Stage, fill
from raxol_sql import server

DATABASE = "raxol_guard"
_FEW = Sizes(short=100, long=100, inserts=1)


@click.command()
@click.option("--url", help="The server; without it, the one that raxol_sql is configured for.")
@click.option("--before", help="A revision of the checkout to compare with, such as HEAD~5.")
@click.option("--sittings", type=click.IntRange(1), default=12, show_default=True)
@click.option("--seconds", type=click.FloatRange(0), default=3.0, show_default=True)
@click.option("--check", is_flag=True, help="Exits with 1 if the limit is missed.")
def main(url: str | None, before: str | None, sittings: int, seconds: float, check: bool) -> None:
    """
    Run one statement in all ways, in many sittings of some seconds each.

    It uses a scratch database. CPU is that of the client's process. Differences are
    medians of those within a round, with bounds of 95 %; "least" is that of the shortest bursts.
    """
    if check and before is None:
        raise click.UsageError("--check needs --before: the limit is for what was added since")
    try:
        config = rx.Config.find(url, database=DATABASE)
        click.echo(f"{DATABASE} on {server.describe(config)}")
        with ExitStack() as stack:
            now = current()
            old = None if before is None else stack.enter_context(extracted(before))
            conninfo = stack.enter_context(scratch_database(config))
            fill(Stage(conninfo, _FEW))
            engines = [now] if old is None else [now, old]
            outcome = measured(engines, conninfo, Length(sittings, seconds))
    except (EngineError, ScratchError, UnequalError) as error:
        raise click.ClickException(str(error)) from error
    except (rx.RaxolSQLError, psycopg.Error) as error:
        raise click.ClickException(str(error)) from error
    found = costs(now, old)
    click.echo(f"\n{time_table(outcome)}\n\n{cost_table(outcome, found)}")
    sys.exit(exit_code(outcome, found) if check else 0)


def exit_code(outcome: Outcome, found: Iterable[Cost]) -> int:
    """1 if a limit is missed."""
    return 0 if all(one.is_kept(outcome) for one in found) else 1


if __name__ == "__main__":
    main()

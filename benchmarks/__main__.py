"""What calls cost, next to psycopg and its peers: ``python -m benchmarks``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
import psycopg

import raxol_sql as rx
from benchmarks import machine, memory, round_trip
from benchmarks.chart import svg
from benchmarks.contest import Patience, UnequalError, can_run, measured
from benchmarks.figures import Outcome
from benchmarks.peers import PEERS
from benchmarks.results import Results
from benchmarks.scratch import ScratchError, scratch_database
from benchmarks.stage import QUICK, Sizes, Stage, fill
from benchmarks.tables import memory_table, outcome_table, target_table
from benchmarks.targets import Verdict, judge
from benchmarks.work import works
from raxol_sql import server

DATABASE = "raxol_bench"
PATIENCE = Patience(12.0, 5, 3_000, sittings=6)
PATIENCE_QUICK = Patience(0.6, 2, 3_000, sittings=2)
KEYS = [*(work.key for work in works(Sizes())), memory.KEY]


def known(context: click.Context, option: click.Parameter, value: str | None) -> list[str]:
    """The keys of works with commas between them, as a list; all of them, if none are named."""
    keys = value.split(",") if value is not None else KEYS
    if unknown := [key for key in keys if key not in KEYS]:
        raise click.BadParameter(f"{', '.join(unknown)}: the works are {', '.join(KEYS)}")
    return keys


@click.command()
@click.option("--url", help="The server; without it, the one that raxol_sql is configured for.")
@click.option("--works", "keys", callback=known, help="Only these, with commas between them.")
@click.option("--rounds", type=click.IntRange(1), help="As many rounds, however long they take.")
@click.option("--quick", is_flag=True, help="Short lists and few rounds; under 40 seconds.")
@click.option("--check", is_flag=True, help="Exits with 1 if a target is missed.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Where to write it.")
@click.option("--svg", "svg_path", type=click.Path(path_type=Path), help="Where to write it.")
def main(
    url: str | None,
    keys: list[str],
    rounds: int | None,
    quick: bool,
    check: bool,
    json_path: Path | None,
    svg_path: Path | None,
) -> None:
    """
    Compare raxol_sql with its peers in a scratch database.

    CPU is that of this process; the server's work is only in the wall time. Ratios are
    medians of those within a round.
    """
    sizes = QUICK if quick else Sizes()
    patience = PATIENCE_QUICK if quick else PATIENCE
    if rounds is not None:
        patience = Patience(0.0, rounds, rounds, patience.sittings)
    try:
        config = rx.Config.find(url, database=DATABASE)
        click.echo(f"{DATABASE} on {server.describe(config)}")
        if absent := machine.missing(PEERS):
            click.echo(f"left out, as not installed: {', '.join(absent)}")
        with scratch_database(config) as conninfo:
            results = run(Stage(conninfo, sizes), keys, patience, seconds=1)
    except (ScratchError, UnequalError, memory.MemoryMeasuringError) as error:
        raise click.ClickException(str(error)) from error
    except (rx.RaxolSQLError, psycopg.Error) as error:
        raise click.ClickException(str(error)) from error
    write(results, json_path, svg_path)
    sys.exit(exit_code(results.verdicts) if check else 0)


def run(stage: Stage, keys: list[str], patience: Patience, *, seconds: int) -> Results:
    """All works of these ``keys``, each printed when it is done; pgbench has ``seconds`` a run."""
    fill(stage)
    latency = round_trip.latency(stage, seconds=seconds) if "one-row" in keys else None
    if "one-row" in keys:
        told = "there is none" if latency is None else f"{latency:.0f} µs"
        click.echo(f"\npgbench, prepared select of one row: {told}")
    outcomes = list(contested(stage, keys, patience))
    peaks = measured_peaks(stage) if memory.KEY in keys else {}
    verdicts = judge(outcomes)
    click.echo(f"\n{target_table(verdicts)}")
    return Results(machine.describe(stage.conninfo), outcomes, verdicts, peaks, latency)


def contested(stage: Stage, keys: list[str], patience: Patience) -> Iterator[Outcome]:
    """The outcome of each work."""
    for work in works(stage.sizes):
        if work.key not in keys:
            continue
        if not can_run(work):
            click.echo(f"\n{work.title}: left out, as uvloop is not installed")
            continue
        outcome = measured(work, stage, PEERS, patience)
        click.echo(f"\n{outcome_table(outcome)}")
        yield outcome


def measured_peaks(stage: Stage) -> dict[str, float]:
    """Bytes a row by contender; none where the kernel does not tell."""
    if not memory.can_measure():
        click.echo("\nmemory: left out, as it can be measured on Linux only")
        return {}
    peaks = memory.peaks(stage)
    click.echo(f"\n{memory_table(peaks)}")
    return peaks


def exit_code(verdicts: Iterable[Verdict]) -> int:
    """1 if a target is missed; what was not measured is not missed."""
    return 1 if any(verdict.is_missed for verdict in verdicts) else 0


def write(results: Results, json_path: Path | None, svg_path: Path | None) -> None:
    """The files that were asked for."""
    if json_path is not None:
        json_path.write_text(results.json(), encoding="utf-8")
        click.echo(f"wrote {json_path}")
    if svg_path is not None:
        svg_path.write_text(svg(results), encoding="utf-8")
        click.echo(f"wrote {svg_path}")


if __name__ == "__main__":
    main()
